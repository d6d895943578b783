//! The pure functions of the core, each in a process of its own under callgrind.

use crate::Cost;
use crate::counting::{callgrind, instructions};
use kidstamp::jose::{Alg, PublicKey, SigningKey, VerificationKey, thumbprint};
use kidstamp::json::{Document, Limits};
use kidstamp::rules::{Settings, claims, jwks, token_response};
use kidstamp::token::{
    Bridge, BridgeKey, Decision, Mode, TokenResponse, Trust, TrustedKey, decide, restore,
    restore_fields,
};
use std::hint::black_box;
use std::sync::Arc;

/// The argument before the name of a case.
pub(crate) const CASE: &str = "--case";

const UPSTREAM: &str = include_str!("../../tests/fixtures/jwt/launder-upstream-jwks.json");
const RESIGNED: &str = include_str!("../../tests/fixtures/jwt/resigned.jwt");
const LAUNDER: &str = include_str!("../../tests/fixtures/jwt/launder.jsonl");
const LEGACY: &str = include_str!("../../tests/fixtures/jwks/pocket-id-0.8.0.json");
const NOW: i64 = 1_790_000_000;

type Case = (&'static str, fn());

const CASES: [Case; 12] = [
    ("thumbprint of an RSA-2048 key", || {
        let key = upstream_key();
        measured(|| thumbprint::of(&key));
    }),
    ("strict reading, set of 1 key", || reading(1)),
    ("strict reading, set of 10 keys", || reading(10)),
    ("strict reading, set of 100 keys", || reading(100)),
    ("JWKS repair, 1 key without kid", || repair(1)),
    ("JWKS repair, 10 keys without kid", || repair(10)),
    ("JWKS repair, 100 keys without kid", || repair(100)),
    ("token response: parse, rules, replace the ID token", || {
        let body = token_response();
        let settings = Settings::default();
        let facts = token_response::Facts::default();
        measured(|| {
            let repaired = token_response::repair(&body, facts, &settings).unwrap();
            let parsed = TokenResponse::parse(repaired.text.as_bytes()).unwrap();
            let kind = parsed.id_token().unwrap().kind();
            parsed.with(&[(kind, "a.b.c".to_owned())], None)
        });
    }),
    ("decide: verify RS256, build what is to be signed", || deciding(true)),
    ("decide: refuse a wrong signature", || deciding(false)),
    ("restore a token of RS256", || {
        let token = RESIGNED.trim();
        measured(|| restore(token));
    }),
    ("restore: a form without a re-signed token", || {
        let form = format!("grant_type=refresh_token&refresh_token={}&client_id=rp", id_token());
        let form = form.replace("refresh_token=", "token=");
        measured(|| restore_fields(form.as_bytes()));
    }),
];

/// Counts every case.
pub(crate) fn count() -> Vec<Cost> {
    let program = std::env::current_exe().unwrap();
    let log = tempfile::NamedTempFile::new().unwrap();
    let counted = CASES.iter().map(|(name, _)| {
        let mut command = callgrind(log.path(), Some("*costs*measured*"));
        let status = command.arg(&program).args([CASE, name]).status().unwrap();
        assert!(status.success(), "{name} failed");
        let count = instructions(log.path());
        Cost { name: (*name).to_owned(), unit: "instructions", count, tolerance: 0.03 }
    });
    counted.collect()
}

/// Runs one case, as callgrind's child.
pub(crate) fn run(name: &str) {
    CASES.iter().find(|(known, _)| *known == name).expect("a case").1();
}

/// What callgrind looks for; everything before it is preparation.
#[inline(never)]
fn measured<T>(function: impl FnOnce() -> T) {
    black_box(black_box(function)());
}

fn upstream_key() -> PublicKey {
    let document = Document::parse(UPSTREAM, Limits::DOCUMENT).unwrap();
    let keys = document.root().get("keys").unwrap();
    PublicKey::from_jwk(keys.elements().next().unwrap()).unwrap()
}

/// A set of so many keys without `kid`, each another one.
fn set_of(count: usize) -> String {
    let document = Document::parse(LEGACY, Limits::DOCUMENT).unwrap();
    let key = document.root().get("keys").unwrap().elements().next().unwrap();
    let modulus = key.get_str("n").unwrap();
    let keys: Vec<String> = (0..count)
        .map(|index| {
            let changed = format!("{}{index:04}{}", &modulus[..100], &modulus[104..]);
            key.raw().replace(&*modulus, &changed)
        })
        .collect();
    format!("{{\"keys\":[{}]}}", keys.join(","))
}

fn reading(keys: usize) {
    let text = set_of(keys);
    measured(|| Document::parse(&text, Limits::DOCUMENT).is_ok());
}

fn repair(keys: usize) {
    let text = set_of(keys);
    let options = jwks::Options::default();
    measured(|| jwks::repair(&text, &options).unwrap());
}

fn id_token() -> String {
    let line = LAUNDER.lines().find(|line| line.contains("\"ok-kidless\"")).unwrap();
    let vector: serde_json::Value = serde_json::from_str(line).unwrap();
    vector["token"].as_str().unwrap().to_owned()
}

fn token_response() -> String {
    format!(
        r#"{{"access_token":"0123456789abcdef","token_type":"Bearer","expires_in":3600,"id_token":"{}"}}"#,
        id_token()
    )
}

fn deciding(right: bool) {
    let key = SigningKey::generate(Alg::Es256).unwrap();
    let other = TrustedKey {
        key: VerificationKey::new(key.public().clone()).unwrap(),
        alg: None,
        kid: Some("other".to_owned()),
        settled: true,
    };
    let signer = TrustedKey {
        key: VerificationKey::new(upstream_key()).unwrap(),
        alg: None,
        kid: Some("published".to_owned()),
        settled: true,
    };
    let trust = Trust {
        issuer: "https://idp.test".to_owned(),
        access_token_issuer: None,
        audiences: Vec::new(),
        clock_skew: 60,
        keys: vec![other, signer].into(),
        claims: claims::Options {
            issuer: "https://idp.test".to_owned(),
            ..claims::Options::default()
        },
        client: None,
    };
    let pem = include_bytes!("../../tests/fixtures/keys/rfc7520-3.4-private.pem");
    let bridge = Arc::new(BridgeKey::new(SigningKey::from_file(pem, None).unwrap()));
    let bridge =
        Bridge { keys: vec![bridge], carrier: true, instead_of_mac: None, max_token_bytes: 8192 };
    let mut body = token_response();
    if !right {
        // The last character of the signature but one.
        let place = body.len() - 4;
        let changed = if &body[place..=place] == "A" { "B" } else { "A" };
        body.replace_range(place..=place, changed);
    }
    let response = TokenResponse::parse(body.as_bytes()).unwrap();
    let token = response.id_token().unwrap();
    // The first verification with a key prepares it.
    decide(&trust, &bridge, Mode::Auto, &token, NOW);
    measured(|| {
        let decided = decide(&trust, &bridge, Mode::Auto, &token, NOW);
        assert_eq!(matches!(decided.decision, Decision::Resign(..)), right);
    });
}
