//! The provider's keys and tokens, made and checked with the cryptographic library alone: nothing of kidstamp's
//! own JOSE code is used to judge it.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{self, KeyPair as _, RsaKeyPair};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const ISSUER: &str = "https://idp.test";
/// The header of a provider that knows no `kid`.
pub(crate) const PLAIN: &str = r#"{"alg":"RS256","typ":"JWT"}"#;

/// An RSA key pair.
pub(crate) struct Key(RsaKeyPair);

impl Key {
    fn generate() -> Self {
        Self(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// The provider's.
    pub(crate) fn idp() -> &'static Self {
        static KEY: LazyLock<Key> = LazyLock::new(Key::generate);
        &KEY
    }

    /// The one that the provider turns to.
    pub(crate) fn next() -> &'static Self {
        static KEY: LazyLock<Key> = LazyLock::new(Key::generate);
        &KEY
    }

    /// One that nobody published.
    pub(crate) fn stranger() -> &'static Self {
        static KEY: LazyLock<Key> = LazyLock::new(Key::generate);
        &KEY
    }

    /// Kidstamp's, as the text of a key file.
    pub(crate) fn bridge() -> &'static Self {
        static KEY: LazyLock<Key> = LazyLock::new(Key::generate);
        &KEY
    }

    /// Kidstamp's after a change.
    pub(crate) fn other_bridge() -> &'static Self {
        static KEY: LazyLock<Key> = LazyLock::new(Key::generate);
        &KEY
    }

    fn n(&self) -> String {
        encode(self.0.public_key().modulus().big_endian_without_leading_zero())
    }

    fn e(&self) -> String {
        encode(self.0.public_key().exponent().big_endian_without_leading_zero())
    }

    /// The public JWK, with more members (`,"kid":"x"`).
    pub(crate) fn jwk(&self, more: &str) -> String {
        let (n, e) = (self.n(), self.e());
        format!(r#"{{"kty":"RSA","use":"sig","alg":"RS256","n":"{n}","e":"{e}"{more}}}"#)
    }

    /// RFC 7638.
    pub(crate) fn thumbprint(&self) -> String {
        let text = format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, self.e(), self.n());
        encode(digest::digest(&digest::SHA256, text.as_bytes()))
    }

    fn der(&self) -> Vec<u8> {
        let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = self.0.as_der().unwrap();
        der.as_ref().to_vec()
    }

    /// The file that an operator mounts.
    pub(crate) fn pem(&self) -> String {
        let text = STANDARD.encode(self.der());
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
    }

    /// Texts of which none may ever be seen outside: parts of the private half, as a JWK and as hexadecimal.
    pub(crate) fn private_members(&self) -> Vec<String> {
        let der = self.der();
        // The second half of the DER holds d and the primes; any window of it will do.
        let secret = &der[der.len() / 2..];
        let windows = secret.chunks_exact(33).flat_map(|part| [encode(part), hex(part)]);
        windows.collect()
    }

    /// A JWS with this header and payload, to the letter.
    pub(crate) fn sign(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", encode(header), encode(payload));
        let mut octets = vec![0; self.0.public_modulus_len()];
        let random = SystemRandom::new();
        self.0.sign(&signature::RSA_PKCS1_SHA256, &random, input.as_bytes(), &mut octets).unwrap();
        format!("{input}.{}", encode(octets))
    }

    /// The forgery that takes the public key for a secret.
    pub(crate) fn hmac_with_public_half(&self, payload: &str) -> String {
        let input = format!("{}.{}", encode(r#"{"alg":"HS256","typ":"JWT"}"#), encode(payload));
        let secret = hmac::Key::new(hmac::HMAC_SHA256, self.jwk("").as_bytes());
        format!("{input}.{}", encode(hmac::sign(&secret, input.as_bytes())))
    }
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The claims of a good ID token.
pub(crate) fn claims() -> String {
    claims_with(ISSUER, now() + 3600)
}

pub(crate) fn claims_with(issuer: &str, expires: u64) -> String {
    let issued = now();
    // Blanks, an escape and a number that a careless rewrite would change.
    format!(
        r#"{{ "iss":"{issuer}", "sub":"5c1\u00e9","aud":"rp","exp":{expires},"iat":{issued},"x":1.50 }}"#
    )
}

/// A good ID token, as the provider makes it.
pub(crate) fn id_token() -> String {
    Key::idp().sign(PLAIN, &claims())
}

/// A token response around it, in a form that a careless rewrite would change.
pub(crate) fn token_response(id_token: &str) -> String {
    format!(
        "{{ \"access_token\" : \"opaque\\u002daccess\",\n\t\"id_token\":\"{id_token}\", \"token_type\":\"Bearer\",\
         \"expires_in\":3600.0, \"x\":[1e2,{{}}] }}\n"
    )
}

pub(crate) fn discovery() -> String {
    discovery_with(ISSUER, "https://idp.test/jwks.json")
}

pub(crate) fn discovery_with(issuer: &str, jwks_uri: &str) -> String {
    let base = ISSUER;
    format!(
        r#"{{"issuer":"{issuer}","jwks_uri":"{jwks_uri}","authorization_endpoint":"{base}/authorize",
"token_endpoint":"{base}/token","userinfo_endpoint":"{base}/userinfo",
"introspection_endpoint":"{base}/introspect","revocation_endpoint":"{base}/revoke",
"end_session_endpoint":"{base}/logout","response_types_supported":["code"],
"id_token_signing_alg_values_supported":["RS256"]}}"#
    )
}

/// The member `id_token` of a token response.
pub(crate) fn id_token_of(response: &str) -> String {
    let response: Value = serde_json::from_str(response).expect("JSON");
    response["id_token"].as_str().expect("an ID token").to_owned()
}

/// The header of a token.
pub(crate) fn header_of(token: &str) -> Value {
    serde_json::from_slice(&decode(token.split('.').next().unwrap())).expect("a JWS header")
}

/// The payload's text.
pub(crate) fn payload_of(token: &str) -> String {
    String::from_utf8(decode(token.split('.').nth(1).expect("a payload"))).unwrap()
}

/// Verifies like a strict relying party: the key is the one whose `kid` the token names, and nothing is tried.
pub(crate) fn verify(token: &str, jwks: &str) -> Result<(), String> {
    let jwks: Value = serde_json::from_str(jwks).map_err(|error| error.to_string())?;
    let keys = jwks["keys"].as_array().ok_or("no keys")?;
    if keys.iter().any(|key| !key["kid"].is_string()) {
        return Err("Bad JWK value".to_owned());
    }
    let header = header_of(token);
    let kid = header["kid"].as_str().ok_or("the token has no kid")?;
    let named: Vec<&Value> = keys.iter().filter(|key| key["kid"] == kid).collect();
    let [key] = named.as_slice() else { return Err(format!("{} keys have its kid", named.len())) };
    if header["alg"] != "RS256"
        || key.get("alg").is_some_and(|alg| alg != "RS256")
        || key["kty"] != "RSA"
    {
        return Err("not the algorithm".to_owned());
    }
    let (input, octets) = token.rsplit_once('.').ok_or("not a JWS")?;
    let member = |name: &str| decode(key[name].as_str().unwrap_or_default());
    PublicKeyComponents { n: member("n"), e: member("e") }
        .verify(&signature::RSA_PKCS1_2048_8192_SHA256, input.as_bytes(), &decode(octets))
        .map_err(|_| "JWT signature not verified".to_owned())
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
