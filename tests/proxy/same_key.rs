//! Same-key mode: the key file is the provider's own key.

use crate::tokens::{self, PLAIN, claims};
use crate::{Answer, Key, Setup, Sidecar, Upstream};

const LOGIN: &str = "grant_type=authorization_code&code=abc";
const ACCESS: &str = "tokens.access_token = \"auto\"";

fn same_key(upstream: &Upstream) -> Setup {
    Sidecar::before(upstream).with_key(Key::idp())
}

/// A login; the ID token that came of it.
fn login(sidecar: &Sidecar) -> String {
    tokens::id_token_of(&sidecar.client().post_form("/token", LOGIN).text())
}

/// It is known by its thumbprint, whatever it is called, and never published twice.
#[test]
fn the_set_holds_the_key_once_under_the_providers_name() {
    let thumbprint = Key::idp().thumbprint();
    for (named, kid) in [
        ("", thumbprint.as_str()),
        (",\"kid\":\"\"", &thumbprint),
        (",\"kid\":null", &thumbprint),
        (",\"kid\":\"idp-1\"", "idp-1"),
    ] {
        let upstream = Upstream::start();
        upstream.publish(&[Key::idp().jwk(named)]);
        let sidecar = same_key(&upstream).start();
        let set: serde_json::Value = serde_json::from_str(&sidecar.jwks()).unwrap();
        let kids: Vec<&str> = set["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].as_str().unwrap())
            .collect();
        assert_eq!(kids, [kid], "{named}");
        let resigned = login(&sidecar);
        assert_eq!(tokens::header_of(&resigned)["kid"], kid);
        assert_eq!(tokens::verify(&resigned, &sidecar.jwks()), Ok(()));
    }
}

#[test]
fn with_a_carrier_the_provider_gets_its_own_token_back() {
    let upstream = Upstream::start();
    let original = tokens::id_token();
    upstream.issue(&original);
    let sidecar = same_key(&upstream).start();
    let resigned = login(&sidecar);
    assert_eq!(kidstamp::token::restore(&resigned), Some(original.clone()));
    sidecar.client().get(&format!("/logout?id_token_hint={resigned}"));
    let seen = upstream.requests().pop().unwrap();
    assert_eq!(seen.target(), format!("/logout?id_token_hint={original}"));
}

/// Nothing is carried, and nothing needs to be: the provider knows its own signature.
#[test]
fn without_a_carrier_the_provider_accepts_what_it_gets() {
    let upstream = Upstream::start();
    let original = tokens::id_token();
    upstream.issue(&original);
    let sidecar = same_key(&upstream).with("tokens.carrier = false").start();
    let resigned = login(&sidecar);
    assert_eq!(tokens::verify(&resigned, &sidecar.jwks()), Ok(()));
    assert_eq!(tokens::payload_of(&resigned), tokens::payload_of(&original));
    assert_eq!(kidstamp::token::restore(&resigned), None);
    sidecar.client().get(&format!("/logout?id_token_hint={resigned}"));
    let seen = upstream.requests().pop().unwrap();
    assert_eq!(seen.target(), format!("/logout?id_token_hint={resigned}"));
    // RS256 repeats itself: without the kid, the same key gives the original to the byte.
    let payload = tokens::payload_of(&resigned);
    assert_eq!(Key::idp().sign(PLAIN, &payload), original);
}

/// Access tokens that pass by kidstamp verify in the published set too, since there is one key.
#[test]
fn tokens_that_are_not_re_signed_verify_with_the_one_key() {
    let upstream = Upstream::start();
    let access_token = Key::idp().sign(r#"{"alg":"RS256","typ":"at+jwt"}"#, &claims());
    let body = format!("{{\"access_token\":\"{access_token}\",\"token_type\":\"Bearer\"}}");
    upstream.on("/token", Answer::json(&body));
    let sidecar = same_key(&upstream).start();
    assert_eq!(sidecar.client().post_form("/token", LOGIN).text(), body, "by default it passes");
    let set: serde_json::Value = serde_json::from_str(&sidecar.jwks()).unwrap();
    assert_eq!(set["keys"].as_array().unwrap().len(), 1);
    let kid = set["keys"][0]["kid"].as_str().unwrap();
    assert_eq!(kid, Key::idp().thumbprint());
    let upstream = Upstream::start();
    upstream.on("/token", Answer::json(&body));
    for carrier in ["", "tokens.carrier = false"] {
        let sidecar = same_key(&upstream).with(ACCESS).with(carrier).start();
        let text = sidecar.client().post_form("/token", LOGIN).text();
        let resigned: serde_json::Value = serde_json::from_str(&text).unwrap();
        let resigned = resigned["access_token"].as_str().unwrap();
        assert_eq!(tokens::verify(resigned, &sidecar.jwks()), Ok(()));
        let bearer = format!(
            "GET /userinfo HTTP/1.1\r\nHost: idp.test\r\nAuthorization: Bearer {resigned}\r\n\r\n"
        );
        sidecar.client().send(bearer).response();
        let seen = upstream.requests().pop().unwrap();
        let got = seen.header("authorization").unwrap();
        let expected = if carrier.is_empty() { access_token.as_str() } else { resigned };
        assert_eq!(got, format!("Bearer {expected}"), "{carrier}");
    }
}

/// The provider's key among others of its set, the file in same-key mode, and a token by another of its keys.
#[test]
fn another_key_of_the_provider_is_not_mistaken_for_it() {
    let upstream = Upstream::start();
    upstream.publish(&[Key::next().jwk(""), Key::idp().jwk("")]);
    let original = Key::next().sign(PLAIN, &claims());
    upstream.issue(&original);
    let sidecar = same_key(&upstream).start();
    let set: serde_json::Value = serde_json::from_str(&sidecar.jwks()).unwrap();
    assert_eq!(set["keys"].as_array().unwrap().len(), 2);
    let resigned = login(&sidecar);
    assert_eq!(tokens::header_of(&resigned)["kid"], Key::idp().thumbprint());
    assert_eq!(tokens::verify(&resigned, &sidecar.jwks()), Ok(()));
    assert_eq!(kidstamp::token::restore(&resigned), Some(original));
}
