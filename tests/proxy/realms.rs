//! Several issuers under one host, told apart by path as Keycloak's realms: each with its own keys, documents and tokens.

use crate::tokens::{self, PLAIN, claims_with, id_token_of, now, payload_of};
use crate::{Answer, Key, Sidecar, Upstream};
use serde_json::Value as Json;
use std::collections::BTreeSet;

const LOGIN: &str = "grant_type=authorization_code&code=abc";

fn issuer(realm: &str) -> String {
    format!("https://idp.test/realms/{realm}")
}

fn path(realm: &str, endpoint: &str) -> String {
    format!("/realms/{realm}/protocol/openid-connect/{endpoint}")
}

/// Each realm signs with a key of its own, and knows no `kid`.
fn key_of(realm: &str) -> &'static Key {
    if realm == "a" { Key::idp() } else { Key::next() }
}

fn token_of(realm: &str) -> String {
    key_of(realm).sign(PLAIN, &claims_with(&issuer(realm), now() + 600))
}

fn provider() -> Upstream {
    let upstream = Upstream::start();
    for realm in ["a", "b"] {
        let issuer = issuer(realm);
        let endpoint = |name| format!("https://idp.test{}", path(realm, name));
        let document = format!(
            r#"{{"issuer":"{issuer}","authorization_endpoint":"{}","token_endpoint":"{}","end_session_endpoint":"{}","jwks_uri":"{}","response_types_supported":["code"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}}"#,
            endpoint("auth"),
            endpoint("token"),
            endpoint("logout"),
            endpoint("certs"),
        );
        upstream.on(
            &format!("/realms/{realm}/.well-known/openid-configuration"),
            Answer::json(document),
        );
        for nothing in [
            format!("/realms/{realm}/.well-known/oauth-authorization-server"),
            format!("/.well-known/oauth-authorization-server/realms/{realm}"),
        ] {
            let none = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
            upstream.on(&nothing, Answer::raw(none));
        }
        let set = format!("{{\"keys\":[{}]}}", key_of(realm).jwk(""));
        upstream.on(&path(realm, "certs"), Answer::json(set));
        issue(&upstream, realm, &token_of(realm));
    }
    upstream
}

/// What the provider answers at the realm's token endpoint from now on.
fn issue(upstream: &Upstream, realm: &str, token: &str) {
    upstream.on(&path(realm, "token"), Answer::json(tokens::token_response(token)));
}

fn before(upstream: &Upstream) -> Sidecar {
    let one = |realm| format!("[[issuer]]\nissuer = \"{}\"\nephemeral_key = true\n", issuer(realm));
    Sidecar::before(upstream).with_issuers(&format!("{}{}", one("a"), one("b"))).start()
}

fn set_of(sidecar: &Sidecar, realm: &str) -> String {
    sidecar.client().get(&path(realm, "certs")).text()
}

fn log_in(sidecar: &Sidecar, realm: &str) -> String {
    id_token_of(&sidecar.client().post_form(&path(realm, "token"), LOGIN).text())
}

fn kids(set: &str) -> BTreeSet<String> {
    let set: Json = serde_json::from_str(set).unwrap();
    let kid = |key: &Json| key["kid"].as_str().unwrap().to_owned();
    set["keys"].as_array().unwrap().iter().map(kid).collect()
}

/// How many ID tokens were re-signed, for whatever reason.
fn resigned(sidecar: &Sidecar) -> u64 {
    let (_, metrics) = sidecar.admin("/metrics");
    let lines = metrics.lines().filter(|line| {
        line.starts_with("kidstamp_tokens_total{kind=\"id_token\",action=\"resign\"")
    });
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[test]
fn each_realm_has_keys_and_tokens_of_its_own() {
    let upstream = provider();
    let sidecar = before(&upstream);
    let [a, b] = ["a", "b"].map(|realm| set_of(&sidecar, realm));
    for (set, realm, other) in [(&a, "a", "b"), (&b, "b", "a")] {
        let kids = kids(set);
        assert_eq!(kids.len(), 2, "the provider's key and a bridge key: {set}");
        assert!(kids.contains(&key_of(realm).thumbprint()), "{set}");
        assert!(!kids.contains(&key_of(other).thumbprint()), "{set}");
    }
    assert!(kids(&a).is_disjoint(&kids(&b)), "a key of both: {a} {b}");
    for (realm, own, other) in [("a", &a, &b), ("b", &b, &a)] {
        let token = log_in(&sidecar, realm);
        assert_eq!(tokens::verify(&token, own), Ok(()), "{realm}");
        assert!(payload_of(&token).contains(&issuer(realm)));
        assert!(tokens::verify(&token, other).is_err(), "{realm}'s token with the other's keys");
    }
    assert_eq!(resigned(&sidecar), 2);
}

/// RFC 8725 §3.8: a token that one issuer made is none of the other's, wherever it turns up.
#[test]
fn a_token_of_one_realm_is_not_vouched_for_in_the_other() {
    let upstream = provider();
    let sidecar = before(&upstream);
    let of_a = log_in(&sidecar, "a");
    assert_eq!(resigned(&sidecar), 1);
    let signed = |realm: &str, name: &str| {
        key_of(realm).sign(PLAIN, &claims_with(&issuer(name), now() + 600))
    };
    for (what, token) in [
        ("a token of realm a", token_of("a")),
        ("one of realm a with the key of b", signed("b", "a")),
        ("one of realm b with the key of a", signed("a", "b")),
        ("one of realm a that was re-signed there", of_a.clone()),
    ] {
        issue(&upstream, "b", &token);
        assert_eq!(log_in(&sidecar, "b"), token, "{what} passes as it is");
        assert_eq!(resigned(&sidecar), 1, "{what} gets no signature");
        assert!(tokens::verify(&token, &set_of(&sidecar, "b")).is_err(), "{what}");
    }
    // The control: its own tokens are still re-signed.
    issue(&upstream, "b", &token_of("b"));
    assert_eq!(tokens::verify(&log_in(&sidecar, "b"), &set_of(&sidecar, "b")), Ok(()));
    assert_eq!(resigned(&sidecar), 2);
}

/// On its way back a token becomes what realm a made of it, at whichever realm; whether it fits there, the provider judges.
#[test]
fn a_token_that_comes_back_to_the_wrong_realm_is_the_original_there() {
    let upstream = provider();
    let sidecar = before(&upstream);
    let original = token_of("a");
    issue(&upstream, "a", &original);
    let token = log_in(&sidecar, "a");
    assert_ne!(token, original);
    for realm in ["a", "b"] {
        let logout = path(realm, "logout");
        sidecar.client().get(&format!("{logout}?id_token_hint={token}"));
        let seen = upstream.requests().pop().unwrap();
        assert_eq!(seen.target(), format!("{logout}?id_token_hint={original}"));
    }
}

/// RFC 8414 §3.1 puts the well-known part before the path, OpenID Connect behind it (§5); each realm answers at both.
#[test]
fn metadata_stands_where_either_specification_looks_for_it() {
    let upstream = provider();
    let sidecar = before(&upstream);
    for realm in ["a", "b"] {
        for place in [
            format!("/.well-known/oauth-authorization-server/realms/{realm}"),
            format!("/realms/{realm}/.well-known/oauth-authorization-server"),
            format!("/realms/{realm}/.well-known/openid-configuration"),
        ] {
            let response = sidecar.client().get(&place);
            assert_eq!(response.status, 200, "{place}");
            let document: Json = serde_json::from_str(&response.text()).unwrap();
            assert_eq!(document["issuer"], issuer(realm), "{place}");
            let jwks_uri = format!("https://idp.test{}", path(realm, "certs"));
            assert_eq!(document["jwks_uri"], jwks_uri, "{place}");
        }
    }
    let none = sidecar.client().get("/realms/c/.well-known/oauth-authorization-server");
    assert_eq!(none.text(), "ok", "a realm that is not configured is the provider's own business");
}
