//! Decisions over the vectors, and restore over anything.

use super::*;
use crate::jose::{Alg, CompactJws, PublicKey, SigningKey, VerificationKey, base64url};
use crate::json::{Document, Limits};
use crate::rules::{Effect, Rule, Setting, claims};
use proptest::prelude::*;
use serde_json::Value as Json;
use std::sync::{Arc, LazyLock};

/// Any time between the vectors' `iat` and `exp`.
const NOW: i64 = 1_790_000_000;

static KEYS: LazyLock<Vec<Arc<BridgeKey>>> = LazyLock::new(|| {
    [Alg::Rs256, Alg::Rs512]
        .map(|alg| Arc::new(BridgeKey::new(SigningKey::generate(alg).unwrap())))
        .to_vec()
});

fn bridge() -> Bridge {
    Bridge { keys: KEYS.clone(), carrier: true, instead_of_mac: None, max_token_bytes: 8192 }
}

fn trusted(public: PublicKey, kid: Option<&str>) -> TrustedKey {
    TrustedKey {
        key: VerificationKey::new(public).unwrap(),
        alg: None,
        kid: kid.map(str::to_owned),
        settled: true,
    }
}

fn trust(issuer: &str, keys: Vec<TrustedKey>) -> Trust {
    Trust {
        issuer: issuer.to_owned(),
        access_token_issuer: None,
        audiences: Vec::new(),
        clock_skew: 60,
        keys: keys.into(),
        claims: claims::Options { issuer: issuer.to_owned(), ..claims::Options::default() },
        client: None,
    }
}

/// `defect` in a JWS made by a key of the test's own.
fn token(key: &SigningKey, header: &str, payload: &[u8]) -> String {
    let input = format!("{}.{}", base64url::encode(header), base64url::encode(payload));
    let signature = base64url::encode(key.sign(input.as_bytes()).unwrap());
    format!("{input}.{signature}")
}

fn resigned(decision: Decision) -> (String, ResignReason) {
    match decision {
        Decision::Resign(unsigned, reason) => (unsigned.sign().unwrap(), reason),
        other => panic!("not re-signed: {other:?}"),
    }
}

/// Every rule for claims switched off.
fn no_claim_rules() -> claims::Options {
    let settings = claims::rules().map(|rule: &Rule| (rule.id.to_owned(), Setting::Off)).collect();
    claims::Options { settings, ..claims::Options::default() }
}

#[test]
fn laundering() {
    let set: Json =
        serde_json::from_str(include_str!("../../tests/fixtures/jwt/launder-upstream-jwks.json"))
            .unwrap();
    let jwk = set["keys"][0].to_string();
    let document = Document::parse(&jwk, Limits::TOKEN).unwrap();
    let public = PublicKey::from_jwk(document.root()).unwrap();
    let mut seen = 0;
    for line in include_str!("../../tests/fixtures/jwt/launder.jsonl").lines() {
        let vector: Json = serde_json::from_str(line).unwrap();
        let (id, text) = (vector["id"].as_str().unwrap(), vector["token"].as_str().unwrap());
        seen += 1;
        let mut trust = trust("https://idp.test", vec![trusted(public.clone(), Some("published"))]);
        if let Some(audiences) = vector["settings"]["audiences"].as_array() {
            trust.audiences =
                audiences.iter().map(|aud| aud.as_str().unwrap().to_owned()).collect();
        }
        if vector["settings"]["claims"] == "off" {
            trust.claims = no_claim_rules();
        }
        let (mode, token) = match vector["kind"].as_str() {
            Some("access_token") => {
                (Mode::Resign, UpstreamToken::found(TokenKind::AccessToken, text.into()))
            }
            _ => (Mode::Auto, UpstreamToken::for_test(text)),
        };
        let decision = decide(&trust, &bridge(), mode, &token, NOW).decision;
        match (vector["want"].as_str().unwrap(), decision) {
            ("pass", Decision::Pass(_)) => {}
            ("resign", Decision::Resign(unsigned, _)) => {
                check_resigned(id, text, &unsigned.sign().unwrap(), &vector);
            }
            (want, other) => panic!("{id}: wanted {want}, got {other:?}"),
        }
    }
    assert_eq!(seen, 75);
}

fn check_resigned(id: &str, original: &str, new: &str, vector: &Json) {
    assert_eq!(restore(new).as_deref(), Some(original), "{id}");
    let (before, after) = (CompactJws::parse(original).unwrap(), CompactJws::parse(new).unwrap());
    let key = KEYS.iter().find(|key| Some(key.alg()) == before.header().alg).unwrap();
    assert_eq!(after.header().kid.text(), Some(key.kid()), "{id}");
    assert!(VerificationKey::new(key.public().clone()).unwrap().verifies(&after), "{id}");
    let header: Json = serde_json::from_str(after.header_json()).unwrap();
    for dropped in vector["drop"].as_array().into_iter().flatten() {
        assert!(header.get(dropped.as_str().unwrap()).is_none(), "{id}");
    }
    if id == "exp-string" {
        let claims: Json = serde_json::from_slice(after.payload()).unwrap();
        assert!(claims["exp"].is_u64(), "{id}");
        return;
    }
    let carrier =
        format!("\"_kidstamp\":\"{}.{}\",", before.header_segment(), before.signature_segment());
    let payload = String::from_utf8(after.payload().to_vec()).unwrap();
    assert_eq!(
        payload.replacen(&carrier, "", 1).as_bytes(),
        before.payload(),
        "{id}: nothing else moved"
    );
}

#[test]
fn auto_passes_what_a_strict_relying_party_accepts() {
    let key = SigningKey::generate(Alg::Es256).unwrap();
    let bridge = Bridge {
        keys: vec![Arc::new(BridgeKey::new(SigningKey::generate(Alg::Es256).unwrap()))],
        ..bridge()
    };
    let payload = br#"{"iss":"https://idp.test","aud":"rp","exp":1790000100}"#;
    let with = |header: &str, kid: Option<&str>, settled: bool, mode: Mode| {
        let mut signer = trusted(key.public().clone(), kid);
        signer.settled = settled;
        let trust = trust("https://idp.test", vec![signer]);
        let text = token(&key, header, payload);
        match decide(&trust, &bridge, mode, &UpstreamToken::for_test(&text), NOW).decision {
            Decision::Pass(reason) => reason.name(),
            Decision::Resign(_, reason) => reason.name(),
            Decision::Unwrap(claims) => panic!("{claims}"),
            Decision::Annotate(annotation) => {
                assert_eq!((annotation.kid.as_str(), annotation.alg), ("a", Alg::Es256));
                "annotated"
            }
        }
    };
    let good = r#"{"alg":"ES256","kid":"a"}"#;
    assert_eq!(with(good, Some("a"), true, Mode::Auto), "acceptable");
    assert_eq!(with(good, Some("a"), false, Mode::Auto), "kid_unsettled");
    assert_eq!(with(good, Some("b"), true, Mode::Auto), "kid_unknown");
    assert_eq!(with(good, None, true, Mode::Auto), "key_not_published");
    assert_eq!(with(good, Some("a"), true, Mode::Resign), "mode");
    assert_eq!(with(good, Some("b"), true, Mode::Pass), "mode");
    assert_eq!(with(good, Some("a"), false, Mode::Annotate), "annotated");
    assert_eq!(with(good, None, false, Mode::Annotate), "key_not_published");
    assert_eq!(with(r#"{"alg":"ES256"}"#, Some("a"), true, Mode::Auto), "kid_missing");
    assert_eq!(with(r#"{"alg":"ES256","kid":""}"#, Some("a"), true, Mode::Auto), "kid_unusable");
}

#[test]
fn repaired_claims_are_a_reason_to_resign() {
    let key = SigningKey::generate(Alg::Es256).unwrap();
    let bridge = Bridge { keys: vec![Arc::clone(&ES256_BRIDGE)], ..bridge() };
    let mut trust = trust("i", vec![trusted(key.public().clone(), Some("a"))]);
    let judged = |trust: &Trust, header: &str, exp: &str| {
        let payload = format!(r#"{{"iss":"i","aud":"rp","sub":"a","exp":{exp}}}"#);
        let text = token(&key, header, payload.as_bytes());
        let decided = decide(trust, &bridge, Mode::Auto, &UpstreamToken::for_test(&text), NOW);
        let reason = match decided.decision {
            Decision::Pass(reason) => reason.name(),
            Decision::Resign(unsigned, reason) => {
                assert_eq!(restore(&unsigned.sign().unwrap()), Some(text));
                reason.name()
            }
            Decision::Annotate(_) | Decision::Unwrap(_) => "annotated",
        };
        let findings = decided.findings.into_iter().map(|finding| (finding.rule, finding.effect));
        (reason, findings.collect::<Vec<_>>())
    };
    let good = r#"{"alg":"ES256","kid":"a"}"#;
    let odd = r#"{"alg":"ES256","kid":"a","typ":"ID+JWT"}"#;
    assert_eq!(judged(&trust, good, "1790000100"), ("acceptable", vec![]));
    assert_eq!(
        judged(&trust, good, "\"1790000100\""),
        ("claims", vec![("claims/date-string", Effect::Repaired)])
    );
    assert_eq!(
        judged(&trust, odd, "1790000100"),
        ("claims", vec![("claims/typ-odd", Effect::Repaired)])
    );
    assert_eq!(
        judged(&trust, good, "\"1780000000\""),
        ("expired", vec![("claims/date-string", Effect::Repaired)])
    );
    for rule in ["claims/date-string", "claims/typ-odd"] {
        trust.claims.settings.insert(rule.to_owned(), Setting::Warn);
    }
    assert_eq!(
        judged(&trust, good, "\"1790000100\""),
        ("claims", vec![("claims/date-string", Effect::Kept)])
    );
    assert_eq!(judged(&trust, odd, "1790000100"), ("type", vec![("claims/typ-odd", Effect::Kept)]));
}

#[test]
fn a_token_keeps_its_algorithm() {
    let key = SigningKey::generate(Alg::Es256).unwrap();
    let trust = trust("i", vec![trusted(key.public().clone(), Some("a"))]);
    let text = token(&key, r#"{"alg":"ES256"}"#, br#"{"iss":"i","aud":"rp","exp":1790000100}"#);
    let decision =
        decide(&trust, &bridge(), Mode::Auto, &UpstreamToken::for_test(&text), NOW).decision;
    assert!(matches!(decision, Decision::Pass(PassReason::NoKeyForAlg(Alg::Es256))));
}

#[test]
fn threat_40_the_lifetime_has_a_skew() {
    let key = SigningKey::generate(Alg::Es256).unwrap();
    let trust = trust("i", vec![trusted(key.public().clone(), Some("a"))]);
    let verify = |claims: &str, now: i64| {
        let payload = format!(r#"{{"iss":"i","aud":"rp",{claims}}}"#);
        let text = token(&key, r#"{"alg":"ES256","kid":"a"}"#, payload.as_bytes());
        trust.verify(&UpstreamToken::for_test(&text), now, &mut Vec::new()).err()
    };
    assert_eq!(verify(r#""exp":1000"#, 1059), None);
    assert_eq!(verify(r#""exp":1000"#, 1060), Some(Unverified::Expired));
    assert_eq!(verify(r#""exp":1000.5"#, 1060), None);
    assert_eq!(verify(r#""exp":"1000""#, 1059), None);
    assert_eq!(verify(r#""exp":"1000""#, 1060), Some(Unverified::Expired));
    assert_eq!(verify(r#""exp":"1970-01-01T00:16:40Z""#, 1059), None);
    assert_eq!(verify(r#""exp":"1970-01-01T00:16:40Z""#, 1060), Some(Unverified::Expired));
    assert_eq!(verify(r#""exp":"1970-01-01T00:16:40""#, 999), Some(Unverified::Claims));
    assert_eq!(verify(r#""exp":"never""#, 999), Some(Unverified::Claims));
    assert_eq!(verify(r#""exp":"9999999999","nbf":"1000""#, 939), Some(Unverified::NotYet));
    assert_eq!(verify(r#""exp":1e999"#, 999), Some(Unverified::Claims));
    assert_eq!(verify(r#""exp":9000,"nbf":1000"#, 940), None);
    assert_eq!(verify(r#""exp":9000,"nbf":1000"#, 939), Some(Unverified::NotYet));
    assert_eq!(verify(r#""exp":9000,"iat":1000"#, 939), Some(Unverified::NotYet));
}

#[test]
fn no_debug_text_holds_a_token() {
    let key = SigningKey::generate(Alg::Rs256).unwrap();
    let payload = br#"{"iss":"https://idp.test","aud":"crm","sub":"a","exp":1790000600}"#;
    let text = token(&key, r#"{"alg":"RS256"}"#, payload);
    let body = format!(r#"{{"access_token":"{text}","id_token":"{text}"}}"#);
    let location = format!("https://rp.test/#state=1&id_token={text}");
    let response = TokenResponse::parse(body.as_bytes()).unwrap();
    let found = response.id_token().unwrap();
    let trust = trust("https://idp.test", vec![trusted(key.public().clone(), Some("k"))]);
    let verified = trust.verify(&found, NOW, &mut Vec::new()).unwrap();
    let decision = decide(&trust, &bridge(), Mode::Auto, &found, NOW).decision;
    assert!(matches!(decision, Decision::Resign(..)), "{decision:?}");
    for shown in [
        format!("{:?}", CompactJws::parse(&text)),
        format!("{:?}", JwtResponse::parse(TokenKind::UserInfo, text.as_bytes())),
        format!("{:?}", AuthorizationResponse::from_location(&location, "")),
        format!("{response:?} {found:?} {verified:?} {decision:?}"),
    ] {
        assert!(text.split('.').all(|segment| !shown.contains(segment)), "{shown}");
        assert!(!shown.contains("https://idp.test"), "{shown}");
    }
}

#[test]
fn a_token_that_would_be_too_long_goes_without_a_carrier() {
    let key = SigningKey::generate(Alg::Rs256).unwrap();
    let trust = trust("i", vec![trusted(key.public().clone(), Some("a"))]);
    let text = token(&key, r#"{"alg":"RS256"}"#, br#"{"iss":"i","aud":"rp","exp":1790000100}"#);
    let with_limit = |max_token_bytes: usize| {
        let bridge = Bridge { max_token_bytes, ..bridge() };
        resigned(decide(&trust, &bridge, Mode::Auto, &UpstreamToken::for_test(&text), NOW).decision)
            .0
    };
    let full = with_limit(8192);
    assert_eq!(with_limit(full.len()).len(), full.len());
    let short = with_limit(full.len() - 1);
    assert!(short.len() < full.len());
    assert_eq!(restore(&short), None);
}

#[test]
fn only_an_exact_carrier_is_restored() {
    let outer = |payload: &str| format!("e30.{}.c2ln", base64url::encode(payload));
    let exact = r#"{"_kidstamp":"e30.c2ln","sub":"a"}"#;
    assert_eq!(
        restore(&outer(exact)).unwrap(),
        format!("e30.{}.c2ln", base64url::encode(r#"{"sub":"a"}"#))
    );
    assert!(restore(&outer(&format!(" \n{exact}"))).is_some());
    let undo = base64url::encode("1,5,7:\"nonce\"");
    assert_eq!(
        restore(&outer(&format!(r#"{{"_kidstamp":"e30.c2ln.{undo}","sub":"a"}}"#))).unwrap(),
        format!("e30.{}.c2ln", base64url::encode(r#"{"nonce":"a"}"#))
    );
    for payload in [
        r#"{"sub":"a","_kidstamp":"e30.c2ln"}"#,
        r#"{"_kidstamp":"e30.c2ln"}"#,
        r#"{"_kidstamp" :"e30.c2ln","sub":"a"}"#,
        r#"{ "_kidstamp":"e30.c2ln","sub":"a"}"#,
        r#"{"_kidstamp":"e30.","sub":"a"}"#,
        r#"{"_kidstamp":".c2ln","sub":"a"}"#,
        r#"{"_kidstamp":"e30.c2l=","sub":"a"}"#,
        r#"{"_kidstamp":"e30.c2ln.c2ln","sub":"a"}"#,
        r#"{"_kidstamp":"e30.c2ln.","sub":"a"}"#,
        r#"{"_kidstamp":"e30.c2ln.MSw1LDU6InRlbiI.MSw1LDU6InRlbiI","sub":"a"}"#,
        r#"{"_kidstamp":"e30.c2ln.MCw5OSwwOg","sub":"a"}"#,
        r#"{"_kidstamp":"e30.c2ln\"","sub":"a"}"#,
        r#"{"_kidstamp":"e31.c2ln","sub":"a"}"#,
        r#"["_kidstamp":"e30.c2ln","sub":"a"}"#,
        r#"x{"_kidstamp":"e30.c2ln","sub":"a"}"#,
    ] {
        assert_eq!(restore(&outer(payload)), None, "{payload}");
    }
    assert_eq!(restore(&format!("{}.x", outer(exact))), None);
    assert_eq!(restore(&outer(exact).repeat(2_000)), None);
}

#[test]
fn fields_are_restored_where_they_stand() {
    let original = format!("e30.{}.c2ln", base64url::encode(r#"{"sub":"a"}"#));
    let outer = format!("e30.{}.c2ln", base64url::encode(r#"{"_kidstamp":"e30.c2ln","sub":"a"}"#));
    let encoded = outer.replace('.', "%2E");
    for (before, after) in [
        (format!("id_token_hint={outer}"), Some(format!("id_token_hint={original}"))),
        (format!("a=%41&&token={encoded}&b=+"), Some(format!("a=%41&&token={original}&b=+"))),
        (format!("%74oken={outer}"), Some(format!("%74oken={original}"))),
        (
            format!("access_token={outer}&token={outer}"),
            Some(format!("access_token={original}&token={original}")),
        ),
        (format!("state={outer}"), None),
        (format!("Token={outer}"), None),
        (format!("token={original}"), None),
        (format!("token={outer}+"), None),
        ("token&=&&%".to_owned(), None),
    ] {
        let result = restore_fields(before.as_bytes()).map(|form| String::from_utf8(form).unwrap());
        assert_eq!(result, after, "{before}");
    }
    let bearer = |scheme: &str| restore_authorization(format!("{scheme} {outer}").as_bytes());
    assert_eq!(bearer("Bearer").unwrap(), format!("Bearer {original}").into_bytes());
    assert_eq!(bearer("bearer ").unwrap(), format!("bearer  {original}").into_bytes());
    assert_eq!(bearer("DPoP"), None);
}

/// A JSON object text with odd spellings, as payload or header.
fn object_text() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("1.10".to_owned()),
        Just("-0".to_owned()),
        Just("1E400".to_owned()),
        Just("\"a\\/\\u00e9\"".to_owned()),
        Just("\"\u{1f600}\"".to_owned()),
        Just("[ 1 , { } ]".to_owned()),
        Just("null".to_owned()),
    ];
    let member = ("[a-z]{4,8}", value, "[ \n\t]{0,2}");
    proptest::collection::btree_map("[a-z]{4,8}", member, 0..5).prop_map(|members| {
        let members: Vec<String> = members
            .into_iter()
            .map(|(name, (_, value, blanks))| {
                format!("{blanks}\"{name}\"{blanks}:{value}{blanks},")
            })
            .collect();
        members.concat()
    })
}

static ES256: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Alg::Es256).unwrap());
static ES256_BRIDGE: LazyLock<Arc<BridgeKey>> =
    LazyLock::new(|| Arc::new(BridgeKey::new(SigningKey::generate(Alg::Es256).unwrap())));

proptest! {
    /// Promise 3, over arbitrary payload texts, headers and claims.
    #[test]
    fn restore_undoes_resign(
        claims in object_text(),
        header in object_text(),
        blanks in "[ \r\n\t]{0,3}",
        kid in prop_oneof![Just(""), Just("\"kid\":\"\","), Just("\"kid\": 1 ,"), Just("\"kid\":\"old\" , ")],
    ) {
        let trust = trust("i", vec![trusted(ES256.public().clone(), Some("a"))]);
        let payload = format!("{blanks}{{{blanks}{claims}\"iss\":\"i\",\"aud\":[\"rp\"],\"exp\":1790000100}}{blanks}");
        let text = token(&ES256, &format!("{{{header}{kid}\"alg\":\"ES256\"}}"), payload.as_bytes());
        let bridge = Bridge { keys: vec![Arc::clone(&ES256_BRIDGE)], ..bridge() };
        let (new, _) = resigned(decide(&trust, &bridge, Mode::Auto, &UpstreamToken::for_test(&text), NOW).decision);
        prop_assert_ne!(&new, &text);
        prop_assert_eq!(restore(&new), Some(text));
        prop_assert!(VerificationKey::new(ES256_BRIDGE.public().clone()).unwrap().verifies(&CompactJws::parse(&new).unwrap()));
    }

    /// The same, where claims are repaired on the way.
    #[test]
    fn restore_undoes_resign_with_repaired_claims(
        claims in object_text(),
        blanks in "[ \r\n\t]{0,2}",
        typ in prop_oneof![Just(""), Just("\"typ\":\"JWT\","), Just("\"typ\" : \"ID+JWT\" ,")],
        exp in prop_oneof![Just("1790000100"), Just("\"1790000100\""), Just("\"2026-09-21T14:15:00Z\""), Just("\"\\u0031790000100\""), Just("1790000100999")],
        iat in prop_oneof![Just(""), Just("\"iat\":\"1789999999.5\", "), Just("\"iat\":1789999999,")],
        rest in prop_oneof![Just(""), Just(",\"at_hash\":null"), Just(" , \"c_hash\":\"\",\"nonce\": null"), Just(", \"at_hash\" :\"77QmUPtjPfzWtF2AnpK9RQ\""), Just(",\"email_verified\":\"true\"")],
        issuer in prop_oneof![Just("i"), Just("i/"), Just("http:\\/\\/inside")],
    ) {
        let mut trust = trust("i", vec![trusted(ES256.public().clone(), Some("a"))]);
        trust.claims.issuer_aliases = vec!["i/".to_owned(), "http://inside".to_owned()];
        let payload = format!("{blanks}{{{claims}\"iss\":\"{issuer}\",{iat}\"aud\":[\"rp\"],{blanks}\"exp\":{exp}{blanks}{rest}}}{blanks}");
        let text = token(&ES256, &format!("{{{typ}\"kid\":\"a\",\"alg\":\"ES256\"}}"), payload.as_bytes());
        let bridge = Bridge { keys: vec![Arc::clone(&ES256_BRIDGE)], ..bridge() };
        let found = UpstreamToken::for_test(&text).beside_access_token("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y");
        let found = found.beside_new_access_token("new");
        let (new, _) = resigned(decide(&trust, &bridge, Mode::Resign, &found, NOW).decision);
        prop_assert_eq!(restore(&new), Some(text.clone()));
        prop_assert!(!CompactJws::parse(&new).unwrap().payload().windows(22).any(|part| part == b"77QmUPtjPfzWtF2AnpK9RQ"));
        let after = CompactJws::parse(&new).unwrap();
        prop_assert!(VerificationKey::new(ES256_BRIDGE.public().clone()).unwrap().verifies(&after));
        let after = Document::parse_bytes(after.payload(), Limits::TOKEN).unwrap();
        let claim = |name: &str| after.root().get(name).unwrap().raw().to_owned();
        prop_assert_eq!(claim("exp"), "1790000100");
        prop_assert_eq!(claim("iss"), "\"i\"");
    }

    /// No marker: the body stays, whatever it is.
    #[test]
    fn what_has_no_carrier_is_left_alone(body in "[a-z=&%._A-Z0-9 -]{0,200}") {
        prop_assert_eq!(restore_fields(body.as_bytes()), None);
        prop_assert_eq!(restore(&body), None);
    }

    /// Promise 2: no token comes out signed unless its own signature is right.
    #[test]
    fn a_changed_token_is_never_signed(position in 0_usize..300, flip in 1_u8..=255) {
        let trust = trust("i", vec![trusted(ES256.public().clone(), Some("a"))]);
        let text = token(&ES256, r#"{"alg":"ES256"}"#, br#"{"iss":"i","aud":"rp","exp":1790000100}"#);
        let mut bytes = text.clone().into_bytes();
        let position = position % bytes.len();
        bytes[position] ^= flip;
        if let Ok(changed) = String::from_utf8(bytes) {
            let bridge = Bridge { keys: vec![Arc::clone(&ES256_BRIDGE)], ..bridge() };
            let decision = decide(&trust, &bridge, Mode::Resign, &UpstreamToken::for_test(&changed), NOW).decision;
            prop_assert!(matches!(decision, Decision::Pass(_)));
        }
    }
}
