//! A provider's keys, and what its tokens are verified and re-signed with.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use kidstamp::jose::{Alg, PublicKey, SigningKey, VerificationKey};
use kidstamp::json::{Document, Limits};
use kidstamp::rules::{Setting, claims};
use kidstamp::token::{Bridge, BridgeKey, Trust, TrustedKey};
use serde_json::Value;
use std::sync::{Arc, LazyLock};

pub(super) const ISSUER: &str = "https://idp.test";
pub(super) const NOW: i64 = 1_790_000_000;
pub(super) const SKEW: u32 = 60;

/// One key of the provider, for kidstamp and for the crate that judges it.
pub(super) struct Key {
    pub(super) alg: Alg,
    /// Missing for the key of the laundering vectors, whose private half nobody has.
    pub(super) signing: Option<EncodingKey>,
    pub(super) judge: (Algorithm, DecodingKey),
}

pub(super) struct Provider {
    pub(super) keys: Vec<Key>,
    /// With the rules for claims at their defaults, and with all of them off.
    pub(super) trusts: [Trust; 2],
    pub(super) bridge: Bridge,
}

pub(super) static PROVIDER: LazyLock<Provider> = LazyLock::new(Provider::new);

const LAUNDER: &str = include_str!("../../tests/fixtures/jwt/launder-upstream-jwks.json");

fn public(jwk: &str) -> PublicKey {
    let document = Document::parse(jwk, Limits::TOKEN).expect("JSON");
    PublicKey::from_jwk(document.root()).expect("a key")
}

fn judge(alg: Alg, jwk: &str) -> (Algorithm, DecodingKey) {
    let algorithm = alg.name().parse().expect("an algorithm that both know");
    let jwk = serde_json::from_str(jwk).expect("a JWK for the judge too");
    (algorithm, DecodingKey::from_jwk(&jwk).expect("a key for the judge too"))
}

impl Provider {
    fn new() -> Self {
        let launder: Value = serde_json::from_str(LAUNDER).expect("JSON");
        let launder = launder["keys"][0].to_string();
        let mut keys =
            vec![Key { alg: Alg::Rs256, signing: None, judge: judge(Alg::Rs256, &launder) }];
        let mut publics = vec![public(&launder)];
        for alg in [Alg::Es256, Alg::EdDsa] {
            let signing = SigningKey::generate(alg).expect("a new key");
            publics.push(signing.public().clone());
            let judge = judge(alg, &signing.public_jwk());
            let pem = signing.to_pem().expect("PEM");
            let encoding = match alg {
                Alg::EdDsa => EncodingKey::from_ed_pem(pem.as_bytes()),
                _ => EncodingKey::from_ec_pem(pem.as_bytes()),
            };
            keys.push(Key {
                alg,
                signing: Some(encoding.expect("a key for the judge too")),
                judge,
            });
        }
        let trust = |settings| Trust {
            issuer: ISSUER.to_owned(),
            access_token_issuer: None,
            audiences: Vec::new(),
            clock_skew: SKEW,
            keys: publics
                .iter()
                .enumerate()
                .map(|(index, public)| TrustedKey {
                    key: VerificationKey::new(public.clone()).expect("usable"),
                    alg: None,
                    kid: Some(format!("kid-{index}")),
                    settled: true,
                })
                .collect(),
            claims: claims::Options {
                issuer: ISSUER.to_owned(),
                settings,
                ..claims::Options::default()
            },
            client: None,
        };
        let off = claims::rules().map(|rule| (rule.id.to_owned(), Setting::Off)).collect();
        let bridge_keys = [Alg::Rs256, Alg::Es256, Alg::EdDsa].map(|alg| {
            let key = SigningKey::generate(alg).expect("a new key");
            Arc::new(BridgeKey::new(key))
        });
        Self {
            keys,
            trusts: [trust(Default::default()), trust(off)],
            bridge: Bridge {
                keys: bridge_keys.to_vec(),
                carrier: true,
                instead_of_mac: None,
                max_token_bytes: 65_536,
            },
        }
    }
}
