//! Providers that sign with something else than RSA's PKCS #1, over sockets.

use crate::stage::{ISSUER, Stage};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{self as primitive, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use http::StatusCode;
use kidstamp::clock;
use kidstamp::demo::http::json as answer;
use kidstamp::jose::base64url;
use kidstamp::token::restore;
use serde_json::{Value, json};

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A key of the provider, as it publishes it, and how it signs.
fn ec(
    crv: &str,
    alg: Option<&str>,
    signing: &'static primitive::EcdsaSigningAlgorithm,
) -> (Value, Sign) {
    let key = EcdsaKeyPair::generate(signing).unwrap();
    let (x, y) = key.public_key().as_ref()[1..].split_at(key.public_key().as_ref().len() / 2);
    let jwk = json!({"kty": "EC", "crv": crv, "x": base64url::encode(x), "y": base64url::encode(y), "alg": alg});
    let sign = move |input: &[u8]| key.sign(&SystemRandom::new(), input).unwrap().as_ref().to_vec();
    (jwk, Box::new(sign))
}

fn ed25519(alg: &str) -> (Value, Sign) {
    let key = Ed25519KeyPair::generate().unwrap();
    let x = base64url::encode(key.public_key());
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "alg": alg});
    (jwk, Box::new(move |input| key.sign(input).as_ref().to_vec()))
}

fn ps256() -> (Value, Sign) {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let (n, e) = (key.public_key().modulus(), key.public_key().exponent());
    let [n, e] = [n, e].map(|number| base64url::encode(number.big_endian_without_leading_zero()));
    let jwk = json!({"kty": "RSA", "n": n, "e": e, "alg": "PS256"});
    let sign = move |input: &[u8]| {
        let mut signature = vec![0; key.public_modulus_len()];
        let random = SystemRandom::new();
        key.sign(&primitive::RSA_PSS_SHA256, &random, input, &mut signature).unwrap();
        signature
    };
    (jwk, Box::new(sign))
}

#[tokio::test]
async fn every_signature_of_a_provider_gets_one_that_can_be_found() {
    let keys = [
        ("ES256", ec("P-256", Some("ES256"), &primitive::ECDSA_P256_SHA256_FIXED_SIGNING)),
        ("ES384", ec("P-384", None, &primitive::ECDSA_P384_SHA384_FIXED_SIGNING)),
        ("ES512", ec("P-521", Some("ES512"), &primitive::ECDSA_P521_SHA512_FIXED_SIGNING)),
        // In the form of DER.
        ("ES256", ec("P-256", None, &primitive::ECDSA_P256_SHA256_ASN1_SIGNING)),
        ("ES512", ec("P-521", None, &primitive::ECDSA_P521_SHA512_ASN1_SIGNING)),
        ("EdDSA", ed25519("EdDSA")),
        ("Ed25519", ed25519("Ed25519")),
        ("PS256", ps256()),
    ];
    let jwks: Vec<Value> = keys
        .iter()
        .map(|(_, (jwk, _))| {
            let mut jwk = jwk.clone();
            jwk.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            jwk
        })
        .collect();
    let set = json!({"keys": jwks}).to_string();
    let stage = Stage::start_before(&set, &[], "", "").await;
    let exp = clock::now() + 300;
    let payload = format!("{{\"iss\":\"{ISSUER}\", \"aud\":\"rp\",\"exp\":{exp}}}");
    for (alg, (jwk, sign)) in keys {
        let header = format!("{{\"alg\":\"{alg}\"}}");
        let input = format!("{}.{}", base64url::encode(header), base64url::encode(&payload));
        let original = format!("{input}.{}", base64url::encode(sign(input.as_bytes())));
        stage.answer("/token", answer(StatusCode::OK, json!({"id_token": original})));
        let form = "application/x-www-form-urlencoded";
        let body = stage.post("/token", form, "grant_type=x").await.into_body();
        let body: Value = serde_json::from_str(&body).unwrap();
        let new = body["id_token"].as_str().unwrap();
        assert!(stage.accepts(new).await, "{alg} by {jwk}");
        assert_ne!(new, original, "{alg}");
        assert_eq!(restore(new), Some(original), "{alg}");
    }
}
