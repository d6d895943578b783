//! Tokens that the provider signs with the client's secret.

use crate::tokens::{self, claims_with, encode, now};
use crate::{Answer, Key, Setup, Sidecar, Upstream};
use aws_lc_rs::{digest, hmac};
use serde_json::Value as Json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

const SECRET: &str = "a-secret-of-the-client-that-is-long-enough";

/// A token with an HMAC.
fn sign(alg: &str, secret: &str, payload: &str) -> String {
    let input =
        format!("{}.{}", encode(format!("{{\"alg\":\"{alg}\",\"typ\":\"JWT\"}}")), encode(payload));
    let algorithm = match alg {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        _ => hmac::HMAC_SHA512,
    };
    let key = hmac::Key::new(algorithm, secret.as_bytes());
    format!("{input}.{}", encode(hmac::sign(&key, input.as_bytes())))
}

/// Kidstamp before a provider of HMACs, that knows the secret of the client `rp`; more lines for that client.
fn sidecar(upstream: &Upstream, more: &str) -> (Setup, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, format!("{SECRET}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let issuers = format!(
        "[[issuer]]\nissuer = \"https://idp.test\"\nkeys = \"KEYS\"\n[[client]]\nid = \"rp\"\n\
         secret_file = \"{}\"\n{more}\n[[client]]\nid = \"without\"\n",
        file.display()
    );
    (Sidecar::before(upstream).with_issuers(&issuers), folder)
}

/// Such providers often publish no key at all.
fn provider() -> Upstream {
    let upstream = Upstream::start();
    upstream.publish(&[]);
    upstream
}

fn claims() -> String {
    claims_with(tokens::ISSUER, now() + 3600)
}

fn log_in(sidecar: &Sidecar) -> String {
    tokens::id_token_of(&sidecar.client().post_form("/token", "grant_type=x").text())
}

#[test]
fn a_token_with_the_secret_of_its_client_gets_a_key_that_can_be_found() {
    let upstream = provider();
    let (setup, _secret) = sidecar(&upstream, "");
    let sidecar = setup.start();
    let original = sign("HS256", SECRET, &claims());
    upstream.issue(&original);
    let new = log_in(&sidecar);
    assert_eq!(tokens::verify(&new, &sidecar.jwks()), Ok(()));
    assert_eq!(tokens::header_of(&new)["alg"], "RS256");
    assert_eq!(kidstamp::token::restore(&new), Some(original.clone()));
    assert_eq!(sidecar.resigned("hmac"), 1);
    sidecar.client().get(&format!("/logout?id_token_hint={new}"));
    let seen = upstream.requests().pop().unwrap();
    assert_eq!(seen.target(), format!("/logout?id_token_hint={original}"));
    assert!(!sidecar.jwks().contains("\"oct\""), "a secret is no key of the set");
}

/// Strict relying parties believe the list of algorithms in the discovery document.
#[test]
fn the_discovery_document_says_what_tokens_are_signed_with() {
    let upstream = provider();
    let document = tokens::discovery().replace("[\"RS256\"]", "[\"HS256\"]");
    upstream.on("/.well-known/openid-configuration", Answer::json(&document));
    let (setup, _secret) = sidecar(&upstream, "");
    let sidecar = setup.start();
    let seen = sidecar.client().get("/.well-known/openid-configuration").text();
    assert!(seen.contains("_signing_alg_values_supported\":[\"HS256\",\"RS256\"]"), "{seen}");
    // Where no secret is known, nothing is promised.
    let upstream = Upstream::start();
    upstream.publish(&[Key::idp().jwk("").replace("\"alg\":\"RS256\",", "")]);
    upstream.on("/.well-known/openid-configuration", Answer::json(&document));
    let sidecar = Sidecar::before(&upstream).start();
    let seen = sidecar.client().get("/.well-known/openid-configuration").text();
    assert!(seen.contains("_signing_alg_values_supported\":[\"HS256\"]"), "{seen}");
}

/// What authentik publishes where it has no key.
#[test]
fn an_empty_object_will_do_for_a_set() {
    let upstream = provider();
    upstream.on("/jwks.json", Answer::json("{}"));
    let (setup, _secret) = sidecar(&upstream, "");
    let sidecar = setup.start();
    let original = sign("HS256", SECRET, &claims());
    upstream.issue(&original);
    let new = log_in(&sidecar);
    assert_eq!(tokens::verify(&new, &sidecar.jwks()), Ok(()));
}

/// The hash function stays, and `at_hash` with it.
#[test]
fn the_hash_function_stays() {
    let upstream = provider();
    let (setup, _secret) = sidecar(&upstream, "");
    let sidecar = setup.start();
    for alg in ["HS384", "HS512"] {
        let original = sign(alg, SECRET, &claims());
        upstream.issue(&original);
        assert_eq!(log_in(&sidecar), original, "the bridge key hashes otherwise");
    }
    assert_eq!(sidecar.passed("no_key_for_alg"), 2);
    let hash =
        |text: &str| encode(&digest::digest(&digest::SHA256, text.as_bytes()).as_ref()[..16]);
    let with_hash = claims().replacen('{', &format!("{{\"at_hash\":\"{}\",", hash("opaque")), 1);
    let original = sign("HS256", SECRET, &with_hash);
    let body =
        format!(r#"{{"access_token":"opaque","token_type":"Bearer","id_token":"{original}"}}"#);
    upstream.on("/token", Answer::json(body));
    let new: Json = serde_json::from_str(&tokens::payload_of(&log_in(&sidecar))).unwrap();
    assert_eq!(new["at_hash"], hash("opaque"));
}

/// What a client's own `alg` says.
#[test]
fn the_algorithm_may_be_chosen() {
    let upstream = provider();
    for (alg, resigned) in [("RS256", true), ("ES256", false), ("RS512", false)] {
        let (setup, _secret) = sidecar(&upstream, &format!("alg = \"{alg}\""));
        let sidecar = setup.start();
        let original = sign("HS256", SECRET, &claims());
        upstream.issue(&original);
        assert_eq!(log_in(&sidecar) != original, resigned, "{alg}");
        assert_eq!(sidecar.passed("no_key_for_alg"), u64::from(!resigned), "{alg}");
    }
}

/// Nothing but the secret of the very client makes an HMAC right.
#[test]
fn threat_02_a_mac_is_verified_with_the_secret_of_its_client_alone() {
    let upstream = Upstream::start();
    let (setup, _secret) = sidecar(&upstream, "");
    let sidecar = setup.start();
    let to = |audience: &str| claims().replace("\"aud\":\"rp\"", &format!("\"aud\":{audience}"));
    let good = sign("HS256", SECRET, &claims());
    let (input, _) = good.rsplit_once('.').unwrap();
    for (what, token, reason) in [
        ("another secret", sign("HS256", "other", &claims()), "client_secret"),
        ("no secret", sign("HS256", "", &claims()), "client_secret"),
        (
            "with the end of the line",
            sign("HS256", &format!("{SECRET}\n"), &claims()),
            "client_secret",
        ),
        ("no MAC", format!("{input}."), "client_secret"),
        ("the public key", Key::idp().hmac_with_public_half(&claims()), "client_secret"),
        ("for another client", sign("HS256", SECRET, &to("\"without\"")), "alg"),
        ("for nobody who is known", sign("HS256", SECRET, &to("\"x\"")), "alg"),
        (
            "for another, with this one as the party",
            sign("HS256", SECRET, &to("\"x\",\"azp\":\"rp\"")),
            "audience",
        ),
        ("for this one and another", sign("HS256", SECRET, &to("[\"rp\",\"x\"]")), "audience"),
        ("for nobody", sign("HS256", SECRET, &to("[],\"azp\":\"rp\"")), "claims"),
        ("an unknown name", sign("HS257", SECRET, &claims()), "alg"),
        (
            "of another issuer",
            sign("HS256", SECRET, &claims_with("https://x.test", now() + 9)),
            "issuer",
        ),
        ("expired", sign("HS256", SECRET, &claims_with(tokens::ISSUER, now() - 99)), "expired"),
    ] {
        let before = sidecar.passed(reason);
        upstream.issue(&token);
        assert_eq!(log_in(&sidecar), token, "{what}");
        assert_eq!(sidecar.passed(reason), before + 1, "{what}: {}", sidecar.admin("/metrics").1);
    }
    let listed = sign("HS256", SECRET, &to("[\"rp\"]"));
    for good in [good, listed] {
        upstream.issue(&good);
        assert_ne!(log_in(&sidecar), good, "the control");
    }
}

/// An access token is for somebody else, who must not know the secret.
#[test]
fn an_access_token_with_a_mac_passes() {
    let upstream = provider();
    let (setup, _secret) = sidecar(&upstream, "");
    let sidecar = setup.with("tokens.access_token = \"resign\"").start();
    let token = sign("HS256", SECRET, &claims());
    let body = format!(r#"{{"access_token":"{token}","token_type":"Bearer"}}"#);
    upstream.on("/token", Answer::json(&body));
    assert_eq!(sidecar.client().post_form("/token", "client_id=rp").text(), body);
}

/// Without a secret in the configuration nothing is different from before.
#[test]
fn without_a_secret_it_passes() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream).start();
    let token = sign("HS256", SECRET, &claims());
    upstream.issue(&token);
    assert_eq!(log_in(&sidecar), token);
    assert_eq!(sidecar.passed("alg"), 1);
}
