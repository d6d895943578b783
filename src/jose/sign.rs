//! Private keys: read, made, and used to sign.
//!
//! The raw signing operation is visible in this crate only, and the proxy never holds a
//! [`SigningKey`] itself: it holds a [`crate::token::BridgeKey`], which signs verified tokens and nothing else.

use super::alg::{Alg, KeyType};
use super::jwk::{Curve, PublicKey};
use super::{base64url, thumbprint};
use crate::json::{self, Document, Limits, Value};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPairComponents, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaEncoding,
    RsaKeyPair,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use std::cell::Cell;
use std::fmt;
use x509_cert::der::pem::{self, LineEnding};
use zeroize::Zeroizing;

thread_local! {
    /// True where a signature would hold up others.
    static IS_EVENT_LOOP: Cell<bool> = const { Cell::new(false) };
}

/// Says that this thread is an event loop: a signature, which takes up to some milliseconds, must never be made here.
/// Whoever tries is found by the tests, since that is asserted where assertions are on.
pub fn this_is_an_event_loop() {
    IS_EVENT_LOOP.set(true);
}

/// A private key and the one algorithm that it signs with.
pub struct SigningKey {
    alg: Alg,
    pair: Pair,
    public: PublicKey,
    kid: String,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Why a private key can't be used. No variant holds any of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither PEM with a private key nor a JWK.
    #[error("neither a PEM private key (PKCS#8, PKCS#1 or SEC1, not encrypted) nor a private JWK")]
    Unreadable,
    /// A key of a type that can't sign here.
    #[error("not an RSA, P-256, P-384, P-521 or Ed25519 private key")]
    Unsupported,
    /// An RSA key that RFC 7518 §3.3 forbids.
    #[error("an RSA key under 2048 bits; RFC 7518 section 3.3 requires at least 2048")]
    TooSmall,
    /// An RSA key whose signatures cost more than anyone needs.
    #[error("an RSA key over 8192 bits")]
    TooLarge,
    /// The parts of the key contradict each other.
    #[error("the parts of the key do not fit together")]
    Inconsistent,
    /// The algorithm that was asked for is not one of this key's.
    #[error("{alg} needs another type of key")]
    WrongAlg {
        /// The algorithm.
        alg: Alg,
    },
    /// A JWK names an algorithm that this program does not sign with.
    #[error("\"alg\" is none of {}", Alg::names())]
    UnknownAlg,
    /// The cryptographic library failed.
    #[error("the signature could not be made")]
    Failed,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("alg", &self.alg)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Makes a new key for `alg`; RSA keys get 2048 bits.
    pub fn generate(alg: Alg) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Failed;
        let pair = match alg.key_type() {
            KeyType::Rsa => {
                Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?))
            }
            KeyType::Ed25519 => Pair::Ed25519(Ed25519KeyPair::generate().map_err(failed)?),
            other => {
                let algorithm = ecdsa(other).ok_or(KeyError::Unsupported)?;
                Pair::Ec(EcdsaKeyPair::generate(algorithm).map_err(failed)?)
            }
        };
        Self::new(pair, Some(alg))
    }

    /// Reads a key file: PEM (PKCS#8, PKCS#1, SEC1) or a JWK. `alg` says what it signs with, where
    /// that is not what a key of its type usually does.
    pub fn from_file(bytes: &[u8], alg: Option<Alg>) -> Result<Self, KeyError> {
        match std::str::from_utf8(bytes) {
            Ok(text) if text.trim_start().starts_with('{') => Self::from_jwk(text, alg),
            _ => Self::from_pem(bytes, alg),
        }
    }

    fn from_pem(bytes: &[u8], alg: Option<Alg>) -> Result<Self, KeyError> {
        let pair = match PrivateKeyDer::from_pem_slice(bytes).map_err(|_| KeyError::Unreadable)? {
            PrivateKeyDer::Pkcs1(der) => rsa(RsaKeyPair::from_der(der.secret_pkcs1_der()))?,
            PrivateKeyDer::Sec1(der) => ec(der.secret_sec1_der()).ok_or(KeyError::Unsupported)?,
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                let rsa = rsa(RsaKeyPair::from_pkcs8(der));
                if let Ok(pair) = rsa {
                    pair
                } else if let Err(error @ (KeyError::TooSmall | KeyError::TooLarge)) = rsa {
                    return Err(error);
                } else if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
                    Pair::Ed25519(pair)
                } else {
                    ec(der).ok_or(KeyError::Unsupported)?
                }
            }
            _ => return Err(KeyError::Unreadable),
        };
        Self::new(pair, alg)
    }

    fn from_jwk(text: &str, alg: Option<Alg>) -> Result<Self, KeyError> {
        let document = Document::parse(text, Limits::TOKEN).map_err(|_| KeyError::Unreadable)?;
        let jwk = document.root();
        let public = PublicKey::from_jwk(jwk).map_err(|_| KeyError::Unreadable)?;
        let member = |name: &str| secret_member(jwk, name);
        let pair = match &public {
            PublicKey::Rsa { n, e } => rsa(RsaKeyPair::from_components(&KeyPairComponents {
                public_key: PublicKeyComponents { n: &**n, e: &**e },
                d: member("d")?,
                p: member("p")?,
                q: member("q")?,
                dP: member("dp")?,
                dQ: member("dq")?,
                qInv: member("qi")?,
            }))?,
            PublicKey::Ec { x, y, .. } => {
                let key_type = public.key_type().ok_or(KeyError::Unsupported)?;
                let algorithm = ecdsa(key_type).ok_or(KeyError::Unsupported)?;
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                let pair =
                    EcdsaKeyPair::from_private_key_and_public_key(algorithm, &member("d")?, &point);
                Pair::Ec(pair.map_err(|_| KeyError::Inconsistent)?)
            }
            PublicKey::Okp { curve: Curve::Ed25519, x } => {
                let pair = Ed25519KeyPair::from_seed_and_public_key(&member("d")?, x);
                Pair::Ed25519(pair.map_err(|_| KeyError::Inconsistent)?)
            }
            PublicKey::Okp { .. } => return Err(KeyError::Unsupported),
        };
        let own = match jwk.get_str("alg") {
            Some(name) => Some(Alg::from_name(&name).ok_or(KeyError::UnknownAlg)?),
            None => None,
        };
        Self::new(pair, alg.or(own))
    }

    fn new(pair: Pair, alg: Option<Alg>) -> Result<Self, KeyError> {
        let public = pair.public()?;
        let key_type = public.key_type().ok_or(KeyError::Unsupported)?;
        match public.rsa_bits() {
            Some(bits) if bits < *super::RSA_BITS.start() => return Err(KeyError::TooSmall),
            Some(bits) if bits > *super::RSA_BITS.end() => return Err(KeyError::TooLarge),
            _ => {}
        }
        let alg = alg.unwrap_or(key_type.default_alg());
        if alg.key_type() != key_type {
            return Err(KeyError::WrongAlg { alg });
        }
        let kid = thumbprint::of(&public);
        Ok(Self { alg, pair, public, kid })
    }

    /// The algorithm that it signs with.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// The thumbprint of the public key (RFC 7638), which is the `kid` of what it signs.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The JWK to publish: public members, `use`, `alg` and `kid` (RFC 7517 §4).
    pub fn public_jwk(&self) -> String {
        let mut members = vec![
            ("kid", self.kid.clone()),
            ("use", "sig".to_owned()),
            ("alg", self.alg.name().to_owned()),
        ];
        members.extend(self.public.required_members());
        let members: Vec<String> = members
            .iter()
            .map(|(name, value)| format!("{}:{}", json::quote(name), json::quote(value)))
            .collect();
        format!("{{{}}}", members.join(","))
    }

    /// The private key as PEM (PKCS#8), to be written to a file and nowhere else.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let failed = |_| KeyError::Failed;
        let der: Zeroizing<Vec<u8>> = match &self.pair {
            Pair::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                Zeroizing::new(der.as_ref().to_vec())
            }
            Pair::Ec(pair) => Zeroizing::new(pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()),
            Pair::Ed25519(pair) => {
                Zeroizing::new(pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec())
            }
        };
        pem::encode_string("PRIVATE KEY", LineEnding::LF, &der)
            .map(Zeroizing::new)
            .map_err(|_| KeyError::Failed)
    }

    /// Signs `message`; the signature is in JOSE form (RFC 7518 §3.3 to §3.5, RFC 8037 §3.1).
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        debug_assert!(!IS_EVENT_LOOP.get(), "a signature on an event loop");
        match &self.pair {
            Pair::Rsa(pair) => {
                let encoding = rsa_encoding(self.alg).ok_or(KeyError::Failed)?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| KeyError::Failed)?;
                Ok(signature)
            }
            Pair::Ec(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| KeyError::Failed),
            Pair::Ed25519(pair) => pair
                .try_sign(message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| KeyError::Failed),
        }
    }
}

impl Pair {
    fn public(&self) -> Result<PublicKey, KeyError> {
        match self {
            Self::Rsa(pair) => {
                let public = pair.public_key();
                Ok(PublicKey::Rsa {
                    n: public.modulus().big_endian_without_leading_zero().to_vec(),
                    e: public.exponent().big_endian_without_leading_zero().to_vec(),
                })
            }
            Self::Ec(pair) => {
                let point = pair.public_key().as_ref();
                let curve = match point.len() {
                    65 => Curve::P256,
                    97 => Curve::P384,
                    133 => Curve::P521,
                    _ => return Err(KeyError::Unsupported),
                };
                let (x, y) = point
                    .get(1..)
                    .and_then(|point| point.split_at_checked(curve.octets()))
                    .ok_or(KeyError::Unsupported)?;
                Ok(PublicKey::Ec { curve, x: x.to_vec(), y: y.to_vec() })
            }
            Self::Ed25519(pair) => {
                Ok(PublicKey::Okp { curve: Curve::Ed25519, x: pair.public_key().as_ref().to_vec() })
            }
        }
    }
}

fn secret_member(jwk: Value<'_>, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let text = jwk.get_str(name).ok_or(KeyError::Unreadable)?;
    base64url::decode(&*text).map(Zeroizing::new).ok_or(KeyError::Unreadable)
}

fn rsa(pair: Result<RsaKeyPair, aws_lc_rs::error::KeyRejected>) -> Result<Pair, KeyError> {
    pair.map(|pair| Pair::Rsa(Box::new(pair))).map_err(|rejected| {
        // The library tells its reasons apart by their text alone.
        match rejected.to_string().as_str() {
            "TooSmall" => KeyError::TooSmall,
            "TooLarge" => KeyError::TooLarge,
            _ => KeyError::Inconsistent,
        }
    })
}

fn ec(der: &[u8]) -> Option<Pair> {
    [KeyType::P256, KeyType::P384, KeyType::P521]
        .into_iter()
        .filter_map(ecdsa)
        .find_map(|algorithm| EcdsaKeyPair::from_private_key_der(algorithm, der).ok())
        .map(Pair::Ec)
}

fn ecdsa(key_type: KeyType) -> Option<&'static EcdsaSigningAlgorithm> {
    match key_type {
        KeyType::P256 => Some(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        KeyType::P384 => Some(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        KeyType::P521 => Some(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
        KeyType::Rsa | KeyType::Ed25519 => None,
    }
}

fn rsa_encoding(alg: Alg) -> Option<&'static dyn RsaEncoding> {
    match alg {
        Alg::Rs256 => Some(&signature::RSA_PKCS1_SHA256),
        Alg::Rs384 => Some(&signature::RSA_PKCS1_SHA384),
        Alg::Rs512 => Some(&signature::RSA_PKCS1_SHA512),
        Alg::Ps256 => Some(&signature::RSA_PSS_SHA256),
        Alg::Ps384 => Some(&signature::RSA_PSS_SHA384),
        Alg::Ps512 => Some(&signature::RSA_PSS_SHA512),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_signature_is_made_on_an_event_loop() {
        let key = SigningKey::generate(Alg::Es256).unwrap();
        assert!(key.sign(b"message").is_ok());
        let tried = std::thread::spawn(move || {
            this_is_an_event_loop();
            key.sign(b"message")
        });
        assert!(tried.join().is_err(), "the tests would see it");
    }
}
