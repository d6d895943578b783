//! Every algorithm of a provider against every algorithm of a bridge key, and signatures in the form of DER.
//!
//! What comes out is verified by a witness that shares no code with `src/jose` but the library of primitives.

use super::*;
use crate::jose::{Alg, CompactJws, Curve, PublicKey, SigningKey, VerificationKey, base64url};
use crate::rules::{Effect, Setting, claims};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self as primitive, KeyPair as _, UnparsedPublicKey};
use proptest::prelude::*;
use serde_json::Value as Json;
use std::sync::{Arc, LazyLock};

const NOW: i64 = 1_790_000_000;
const PAYLOAD: &str = r#"{"iss":"i","aud":"rp","exp":1790000100}"#;

struct Pair {
    alg: Alg,
    upstream: SigningKey,
    bridge: Arc<BridgeKey>,
}

static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    let pair = |alg| Pair {
        alg,
        upstream: SigningKey::generate(alg).unwrap(),
        bridge: Arc::new(BridgeKey::new(SigningKey::generate(alg).unwrap())),
    };
    Alg::ALL.map(pair).into_iter().collect()
});

fn bridge(keys: Vec<Arc<BridgeKey>>) -> Bridge {
    Bridge { keys, carrier: true, instead_of_mac: None, max_token_bytes: 8192 }
}

fn trust(public: PublicKey) -> Trust {
    trust_for(public, None)
}

/// Where the JWK names that algorithm.
fn trust_for(public: PublicKey, alg: Option<Alg>) -> Trust {
    Trust {
        issuer: "i".to_owned(),
        access_token_issuer: None,
        audiences: Vec::new(),
        clock_skew: 60,
        keys: Arc::new([TrustedKey {
            key: VerificationKey::new(public).unwrap(),
            alg,
            kid: Some("a".to_owned()),
            settled: true,
        }]),
        claims: claims::Options { issuer: "i".to_owned(), ..claims::Options::default() },
        client: None,
    }
}

fn input(header: &str) -> String {
    format!("{}.{}", base64url::encode(header), base64url::encode(PAYLOAD))
}

fn token_of(key: &SigningKey) -> String {
    signed(key, &format!(r#"{{"alg":"{}"}}"#, key.alg()))
}

fn signed(key: &SigningKey, header: &str) -> String {
    let input = input(header);
    let signature = base64url::encode(key.sign(input.as_bytes()).unwrap());
    format!("{input}.{signature}")
}

/// Reads `token` and `jwk` with `serde_json`, and asks the primitives.
fn witness_accepts(jwk: &str, token: &str) -> bool {
    let jwk: Json = serde_json::from_str(jwk).unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let header: Json =
        serde_json::from_slice(&base64url::decode(input.split('.').next().unwrap()).unwrap())
            .unwrap();
    if header["kid"] != jwk["kid"] || header["alg"] != jwk["alg"] {
        return false;
    }
    let member = |name: &str| base64url::decode(jwk[name].as_str().unwrap()).unwrap();
    let (message, signature) = (input.as_bytes(), base64url::decode(signature).unwrap());
    let ec = |algorithm| {
        let point = [&[4], member("x").as_slice(), &member("y")].concat();
        UnparsedPublicKey::new(algorithm, point).verify(message, &signature).is_ok()
    };
    let rsa = |parameters| {
        let key = PublicKeyComponents { n: member("n"), e: member("e") };
        key.verify(parameters, message, &signature).is_ok()
    };
    match header["alg"].as_str().unwrap() {
        "RS256" => rsa(&primitive::RSA_PKCS1_2048_8192_SHA256),
        "RS384" => rsa(&primitive::RSA_PKCS1_2048_8192_SHA384),
        "RS512" => rsa(&primitive::RSA_PKCS1_2048_8192_SHA512),
        "PS256" => rsa(&primitive::RSA_PSS_2048_8192_SHA256),
        "PS384" => rsa(&primitive::RSA_PSS_2048_8192_SHA384),
        "PS512" => rsa(&primitive::RSA_PSS_2048_8192_SHA512),
        "ES256" => ec(&primitive::ECDSA_P256_SHA256_FIXED),
        "ES384" => ec(&primitive::ECDSA_P384_SHA384_FIXED),
        "ES512" => ec(&primitive::ECDSA_P521_SHA512_FIXED),
        "EdDSA" | "Ed25519" => {
            let key = UnparsedPublicKey::new(&primitive::ED25519, member("x"));
            key.verify(message, &signature).is_ok()
        }
        other => panic!("{other}"),
    }
}

#[test]
fn every_algorithm_meets_every_bridge_key() {
    for upstream in &*PAIRS {
        let text = token_of(&upstream.upstream);
        let trust = trust(upstream.upstream.public().clone());
        for other in &*PAIRS {
            let place = format!("{} with a bridge key for {}", upstream.alg, other.alg);
            let bridge = bridge(vec![Arc::clone(&other.bridge)]);
            let token = UpstreamToken::for_test(&text);
            match decide(&trust, &bridge, Mode::Auto, &token, NOW).decision {
                Decision::Resign(unsigned, ResignReason::KidMissing) => {
                    assert_eq!(upstream.alg, other.alg, "{place}");
                    let new = unsigned.sign().unwrap();
                    assert!(witness_accepts(&other.bridge.public_jwk(), &new), "{place}");
                    assert_eq!(restore(&new).as_ref(), Some(&text), "{place}");
                    let changed = new.replacen('.', ".e", 1);
                    assert!(!witness_accepts(&other.bridge.public_jwk(), &changed), "{place}");
                }
                Decision::Pass(PassReason::NoKeyForAlg(alg)) => {
                    assert_ne!(upstream.alg, other.alg, "{place}");
                    assert_eq!(alg, upstream.alg, "{place}");
                }
                decision => panic!("{place}: {decision:?}"),
            }
        }
    }
}

/// The same bytes go in, the same bytes come out, where the algorithm draws no random number.
#[test]
fn threat_47_signatures_repeat_where_they_can() {
    for pair in &*PAIRS {
        let text = token_of(&pair.upstream);
        let trust = trust(pair.upstream.public().clone());
        let bridge = bridge(vec![Arc::clone(&pair.bridge)]);
        let new = || {
            let token = UpstreamToken::for_test(&text);
            let decided = decide(&trust, &bridge, Mode::Auto, &token, NOW);
            let Decision::Resign(unsigned, _) = decided.decision else { panic!("{}", pair.alg) };
            unsigned.sign().unwrap()
        };
        let repeats = matches!(pair.alg.name(), "RS256" | "RS384" | "RS512" | "EdDSA" | "Ed25519");
        assert_eq!(new() == new(), repeats, "{}", pair.alg);
    }
}

/// A key whose JWK names one algorithm verifies no other, not even with the same primitive.
#[test]
fn threat_02_the_key_fixes_the_algorithm() {
    for pair in &*PAIRS {
        let text = token_of(&pair.upstream);
        for other in Alg::ALL {
            let trust = trust_for(pair.upstream.public().clone(), Some(other));
            let token = UpstreamToken::for_test(&text);
            let verified = trust.verify(&token, NOW, &mut Vec::new());
            let expected = (other != pair.alg).then_some(Unverified::Signature);
            assert_eq!(verified.err(), expected, "{} under a key for {other}", pair.alg);
        }
    }
}

/// A provider's token whose signature is as the library gives it.
struct Der {
    public: PublicKey,
    text: String,
}

fn der(alg: Alg) -> Der {
    let (algorithm, curve) = match alg {
        Alg::Es256 => (&primitive::ECDSA_P256_SHA256_ASN1_SIGNING, Curve::P256),
        Alg::Es384 => (&primitive::ECDSA_P384_SHA384_ASN1_SIGNING, Curve::P384),
        _ => (&primitive::ECDSA_P521_SHA512_ASN1_SIGNING, Curve::P521),
    };
    let key = primitive::EcdsaKeyPair::generate(algorithm).unwrap();
    let (x, y) = key.public_key().as_ref()[1..].split_at(curve.octets());
    let input = input(&format!(r#"{{"alg":"{alg}","kid":"a"}}"#));
    let signature = key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    Der {
        public: PublicKey::Ec { curve, x: x.to_vec(), y: y.to_vec() },
        text: format!("{input}.{}", base64url::encode(signature)),
    }
}

fn judged(trust: &Trust, alg: Alg, text: &str) -> (Decision, Vec<(&'static str, Effect)>) {
    let key = PAIRS.iter().find(|pair| pair.alg == alg).unwrap();
    let bridge = bridge(vec![Arc::clone(&key.bridge)]);
    let decided = decide(trust, &bridge, Mode::Auto, &UpstreamToken::for_test(text), NOW);
    let findings = decided.findings.iter().map(|finding| (finding.rule, finding.effect));
    (decided.decision, findings.collect())
}

#[test]
fn a_signature_in_der_is_signed_anew_in_joses_form() {
    for alg in [Alg::Es256, Alg::Es384, Alg::Es512] {
        let Der { public, text } = der(alg);
        let mut trust = trust(public);
        let (decision, findings) = judged(&trust, alg, &text);
        let Decision::Resign(unsigned, ResignReason::SignatureForm) = decision else {
            panic!("{alg}: {decision:?}");
        };
        assert_eq!(findings, [("claims/signature-der", Effect::Repaired)]);
        let new = unsigned.sign().unwrap();
        let key = PAIRS.iter().find(|pair| pair.alg == alg).unwrap();
        assert!(witness_accepts(&key.bridge.public_jwk(), &new), "{alg}");
        assert_eq!(restore(&new), Some(text.clone()), "{alg}: the DER comes back");
        for (setting, found) in [(Setting::Warn, 1), (Setting::Off, 0)] {
            trust.claims.settings.insert("claims/signature-der".to_owned(), setting);
            let (decision, findings) = judged(&trust, alg, &text);
            let unverified = PassReason::Unverified(Unverified::Signature);
            assert!(matches!(decision, Decision::Pass(reason) if reason == unverified), "{alg}");
            assert_eq!(findings.len(), found, "{alg}");
        }
    }
}

/// What is not strict DER by the right key is not verified: nothing of it is signed.
#[test]
fn threat_01_a_der_signature_is_read_strictly() {
    let Der { public, text } = der(Alg::Es256);
    let trust = trust(public);
    let (input, signature) = text.rsplit_once('.').unwrap();
    let signature = base64url::decode(signature).unwrap();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = signature.clone();
        change(&mut changed);
        format!("{input}.{}", base64url::encode(changed))
    };
    let jws = CompactJws::parse(&text).unwrap();
    assert!(trust.keys[0].key.verifies_der(&jws) && !trust.keys[0].key.verifies(&jws));
    for (what, changed) in [
        ("a byte behind", with(&|der| der.push(0))),
        ("a byte before", with(&|der| der.insert(0, 0))),
        ("cut short", with(&|der| der.truncate(der.len() - 1))),
        ("a length in the long form", with(&|der| der.insert(1, 0x81))),
        ("another number", with(&|der| *der.last_mut().unwrap() ^= 1)),
        (
            "a leading zero too many",
            with(&|der| {
                der.insert(4, 0);
                der[3] += 1;
                der[1] += 1;
            }),
        ),
    ] {
        let (decision, findings) = judged(&trust, Alg::Es256, &changed);
        let unverified = PassReason::Unverified(Unverified::Signature);
        assert!(matches!(decision, Decision::Pass(reason) if reason == unverified), "{what}");
        assert_eq!(findings, [], "{what}");
    }
    // Right, but by the key of somebody else, or of another curve.
    for alg in [Alg::Es256, Alg::Es384] {
        let (decision, _) = judged(&trust, Alg::Es256, &der(alg).text);
        assert!(matches!(decision, Decision::Pass(_)), "{alg}");
    }
}

/// How much longer tokens become: the figures of docs/configuration.md, which this test measures.
#[test]
fn tokens_grow_by_what_the_manual_says() {
    let manual = include_str!("../../docs/configuration.md");
    let (_, table) = manual.split_once("| token | with its carrier | without |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<&str>> =
        rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
    assert_eq!(rows.len(), 6);
    let (mut said, mut measured) = (Vec::new(), Vec::new());
    for row in rows {
        let alg = Alg::from_name(row[0].split(' ').next().unwrap()).unwrap();
        let pair = PAIRS.iter().find(|pair| pair.alg == alg).unwrap();
        let text = signed(&pair.upstream, &format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#));
        let trust = trust(pair.upstream.public().clone());
        for (carrier, figure) in [(true, row[1]), (false, row[2])] {
            let bridge = Bridge { carrier, ..bridge(vec![Arc::clone(&pair.bridge)]) };
            let token = UpstreamToken::for_test(&text);
            let decided = decide(&trust, &bridge, Mode::Auto, &token, NOW);
            let Decision::Resign(unsigned, _) = decided.decision else { panic!("{alg}") };
            let growth = unsigned.sign().unwrap().len() - text.len();
            measured.push((alg, carrier, growth.to_string()));
            said.push((alg, carrier, figure.to_owned()));
        }
    }
    assert_eq!(said, measured, "docs/configuration.md says, and it is");
}

proptest! {
    /// However a signature in DER is changed, it is right no more.
    #[test]
    fn threat_01_a_changed_der_signature_is_never_signed(
        position in 0_usize..80,
        flip in 1_u8..=255,
        more in proptest::collection::vec(any::<u8>(), 0..3),
    ) {
        static TOKEN: LazyLock<Der> = LazyLock::new(|| der(Alg::Es256));
        let trust = trust(TOKEN.public.clone());
        let (input, signature) = TOKEN.text.rsplit_once('.').unwrap();
        let mut changed = base64url::decode(signature).unwrap();
        let position = position % changed.len();
        if more.is_empty() {
            changed[position] ^= flip;
        } else {
            changed.splice(position..position, more);
        }
        let text = format!("{input}.{}", base64url::encode(changed));
        let (decision, findings) = judged(&trust, Alg::Es256, &text);
        prop_assert!(matches!(decision, Decision::Pass(_)), "{decision:?}");
        prop_assert_eq!(findings, vec![]);
    }
}
