//! Verifying signatures: a public key, ready to use.

use super::alg::{Alg, KeyType};
use super::ecdsa_der;
use super::jwk::{PublicKey, RSA_BITS};
use super::jws::CompactJws;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters};
use std::sync::OnceLock;

/// A public key that may verify signatures: large enough, and on its curve.
#[derive(Debug)]
pub struct VerificationKey {
    public: PublicKey,
    key_type: KeyType,
    ready: Ready,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a set has few keys, and most are RSA")]
enum Ready {
    /// Parsed for an algorithm when it is first asked for: a set rarely uses more than one.
    Rsa {
        components: PublicKeyComponents<Vec<u8>>,
        parsed: [OnceLock<Option<ParsedPublicKey>>; 6],
    },
    Other(ParsedPublicKey),
}

/// Why a public key may not verify signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableKey {
    /// A key for something else, such as key agreement.
    #[error("not a key for signatures")]
    NotForSignatures,
    /// An RSA modulus outside [`RSA_BITS`].
    #[error("an RSA modulus of {0} bits; 2048 to 8192 are accepted")]
    Size(usize),
    /// An RSA exponent of 1, an even one, or one too large to be used.
    #[error("an RSA exponent that makes no safe key")]
    Exponent,
    /// A point that is not on its curve.
    #[error("not a point on its curve")]
    OffCurve,
}

impl VerificationKey {
    /// Checks `public` (RFC 8725 §3.4) and prepares it.
    pub fn new(public: PublicKey) -> Result<Self, UnusableKey> {
        let key_type = public.key_type().ok_or(UnusableKey::NotForSignatures)?;
        let ready = match &public {
            PublicKey::Rsa { n, e } => {
                if !is_safe_exponent(e) {
                    return Err(UnusableKey::Exponent);
                }
                let bits = public.rsa_bits().unwrap_or_default();
                if !RSA_BITS.contains(&bits) {
                    return Err(UnusableKey::Size(bits));
                }
                let components = PublicKeyComponents { n: n.clone(), e: e.clone() };
                Ready::Rsa { components, parsed: Default::default() }
            }
            PublicKey::Ec { x, y, .. } => {
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                let algorithm = ecdsa(key_type).ok_or(UnusableKey::NotForSignatures)?;
                Ready::Other(
                    ParsedPublicKey::new(algorithm, point).map_err(|_| UnusableKey::OffCurve)?,
                )
            }
            PublicKey::Okp { x, .. } => Ready::Other(
                ParsedPublicKey::new(&signature::ED25519, x).map_err(|_| UnusableKey::OffCurve)?,
            ),
        };
        Ok(Self { public, key_type, ready })
    }

    /// The key itself.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// True if the token's own `alg` is one of this key's, and its signature is by this key.
    pub fn verifies(&self, jws: &CompactJws<'_>) -> bool {
        jws.header()
            .alg
            .is_some_and(|alg| self.verifies_as(alg, jws.signing_input(), jws.signature()))
    }

    /// True if the token's own `alg` is one of this key's, and its signature is by this key, but in strict DER instead
    /// of JOSE's form (RFC 7518 §3.4).
    pub fn verifies_der(&self, jws: &CompactJws<'_>) -> bool {
        let (Some(alg), PublicKey::Ec { curve, .. }) = (jws.header().alg, &self.public) else {
            return false;
        };
        ecdsa_der::to_jose(*curve, jws.signature())
            .is_some_and(|signature| self.verifies_as(alg, jws.signing_input(), &signature))
    }

    /// True if `signature`, in JOSE form, is by this key with `alg` over `message`.
    pub fn verifies_as(&self, alg: Alg, message: &[u8], signature: &[u8]) -> bool {
        if alg.key_type() != self.key_type {
            return false;
        }
        let key = match &self.ready {
            Ready::Other(key) => Some(key),
            Ready::Rsa { components, parsed } => rsa(alg).and_then(|(slot, parameters)| {
                parsed
                    .get(slot)?
                    .get_or_init(|| components.to_parsed_public_key(parameters).ok())
                    .as_ref()
            }),
        };
        key.is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }
}

/// Odd and above 1: with 1 anyone can sign, and an even exponent has no inverse.
pub(crate) fn is_safe_exponent(e: &[u8]) -> bool {
    e.last().is_some_and(|last| last % 2 == 1) && e != [1]
}

fn rsa(alg: Alg) -> Option<(usize, &'static RsaParameters)> {
    match alg {
        Alg::Rs256 => Some((0, &signature::RSA_PKCS1_2048_8192_SHA256)),
        Alg::Rs384 => Some((1, &signature::RSA_PKCS1_2048_8192_SHA384)),
        Alg::Rs512 => Some((2, &signature::RSA_PKCS1_2048_8192_SHA512)),
        Alg::Ps256 => Some((3, &signature::RSA_PSS_2048_8192_SHA256)),
        Alg::Ps384 => Some((4, &signature::RSA_PSS_2048_8192_SHA384)),
        Alg::Ps512 => Some((5, &signature::RSA_PSS_2048_8192_SHA512)),
        _ => None,
    }
}

fn ecdsa(key_type: KeyType) -> Option<&'static EcdsaVerificationAlgorithm> {
    match key_type {
        KeyType::P256 => Some(&signature::ECDSA_P256_SHA256_FIXED),
        KeyType::P384 => Some(&signature::ECDSA_P384_SHA384_FIXED),
        KeyType::P521 => Some(&signature::ECDSA_P521_SHA512_FIXED),
        _ => None,
    }
}
