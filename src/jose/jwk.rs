//! Public keys, read from and written as JWK (RFC 7517, RFC 7518 §6, RFC 8037 §2).
//!
//! [`PublicKey`] has no field that could hold a private member: whatever is published from it cannot
//! leak one.

use super::alg::KeyType;
use super::base64url;
use crate::json::Value;
use std::ops::RangeInclusive;

/// RSA moduli of these sizes, in bits, may back a signature: RFC 7518 §3.3 gives the lower bound, the
/// cost of a verification the upper one.
pub const RSA_BITS: RangeInclusive<usize> = 2048..=8192;

/// The members of any `kty` that must never be published (RFC 7518 §6.2.2, §6.3.2, §6.4; RFC 8037 §2; `priv` of
/// the post-quantum key types).
pub const PRIVATE_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// A public key, with every component in its one canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PublicKey {
    /// `kty: RSA`; modulus and exponent big-endian without leading zero octets.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The public exponent.
        e: Vec<u8>,
    },
    /// `kty: EC`; both coordinates in the full length of the curve (RFC 7518 §6.2.1.2).
    Ec {
        /// The curve.
        curve: Curve,
        /// The x coordinate.
        x: Vec<u8>,
        /// The y coordinate.
        y: Vec<u8>,
    },
    /// `kty: OKP` (RFC 8037).
    Okp {
        /// The curve: only Ed25519 signs here; others are published as they are.
        curve: Curve,
        /// The public key octets.
        x: Vec<u8>,
    },
}

/// A named curve of RFC 7518 §6.2.1.1 or RFC 8037 §2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
    /// Edwards curve 25519.
    Ed25519,
    /// Edwards curve 448.
    Ed448,
    /// Curve25519 for key agreement.
    X25519,
    /// Curve448 for key agreement.
    X448,
}

impl Curve {
    const ALL: [Self; 7] =
        [Self::P256, Self::P384, Self::P521, Self::Ed25519, Self::Ed448, Self::X25519, Self::X448];

    /// The name in `crv`.
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::Ed25519 => "Ed25519",
            Self::Ed448 => "Ed448",
            Self::X25519 => "X25519",
            Self::X448 => "X448",
        }
    }

    /// The curve of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.name() == name)
    }

    /// Octets of one coordinate, or of the public key.
    pub fn octets(self) -> usize {
        match self {
            Self::P256 | Self::Ed25519 | Self::X25519 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
            Self::Ed448 => 57,
            Self::X448 => 56,
        }
    }

    /// The `kty` that the curve belongs to.
    pub fn kty(self) -> &'static str {
        match self {
            Self::P256 | Self::P384 | Self::P521 => "EC",
            _ => "OKP",
        }
    }
}

/// Why a JWK is not a public key in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// A required member is missing or not a string.
    #[error("member \"{0}\" is missing or not a string")]
    Missing(&'static str),
    /// `kty` names a type that this program does not know. Such keys are left as they are.
    #[error("kty is not one of RSA, EC, OKP")]
    UnknownType,
    /// `crv` names an unknown curve, or one of another `kty`.
    #[error("crv does not name a curve of this kty")]
    UnknownCurve,
    /// A member is not base64url in canonical spelling.
    #[error("member \"{0}\" is not base64url without padding")]
    NotBase64Url(&'static str),
    /// A number has leading zero octets or is empty (RFC 7518 §2).
    #[error("member \"{0}\" has leading zero octets or is empty")]
    NotMinimal(&'static str),
    /// A coordinate has not the length of its curve.
    #[error("member \"{0}\" has not the length of its curve")]
    Length(&'static str),
}

impl PublicKey {
    /// Reads the public key of a JWK object; members that are not part of it are not looked at.
    pub fn from_jwk(jwk: Value<'_>) -> Result<Self, JwkError> {
        let kty = jwk.get_str("kty").ok_or(JwkError::Missing("kty"))?;
        match &*kty {
            "RSA" => Ok(Self::Rsa { n: minimal(jwk, "n")?, e: minimal(jwk, "e")? }),
            "EC" => {
                let curve = curve_of(jwk, "EC")?;
                Ok(Self::Ec { curve, x: sized(jwk, "x", curve)?, y: sized(jwk, "y", curve)? })
            }
            "OKP" => {
                let curve = curve_of(jwk, "OKP")?;
                Ok(Self::Okp { curve, x: sized(jwk, "x", curve)? })
            }
            _ => Err(JwkError::UnknownType),
        }
    }

    /// The members that RFC 7638 §3.2 and RFC 8037 §2 hash, in lexicographic order.
    pub fn required_members(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Rsa { n, e } => {
                vec![
                    ("e", base64url::encode(e)),
                    ("kty", "RSA".to_owned()),
                    ("n", base64url::encode(n)),
                ]
            }
            Self::Ec { curve, x, y } => vec![
                ("crv", curve.name().to_owned()),
                ("kty", "EC".to_owned()),
                ("x", base64url::encode(x)),
                ("y", base64url::encode(y)),
            ],
            Self::Okp { curve, x } => vec![
                ("crv", curve.name().to_owned()),
                ("kty", "OKP".to_owned()),
                ("x", base64url::encode(x)),
            ],
        }
    }

    /// The type of key, where it is one that can verify signatures here.
    pub fn key_type(&self) -> Option<KeyType> {
        match self {
            Self::Rsa { .. } => Some(KeyType::Rsa),
            Self::Ec { curve: Curve::P256, .. } => Some(KeyType::P256),
            Self::Ec { curve: Curve::P384, .. } => Some(KeyType::P384),
            Self::Ec { curve: Curve::P521, .. } => Some(KeyType::P521),
            Self::Okp { curve: Curve::Ed25519, .. } => Some(KeyType::Ed25519),
            _ => None,
        }
    }

    /// Size of an RSA modulus in bits; `None` for other keys.
    pub fn rsa_bits(&self) -> Option<usize> {
        match self {
            Self::Rsa { n, .. } => {
                Some(n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize))
            }
            _ => None,
        }
    }
}

fn member(jwk: Value<'_>, name: &'static str) -> Result<Vec<u8>, JwkError> {
    let text = jwk.get_str(name).ok_or(JwkError::Missing(name))?;
    base64url::decode(&*text).ok_or(JwkError::NotBase64Url(name))
}

fn minimal(jwk: Value<'_>, name: &'static str) -> Result<Vec<u8>, JwkError> {
    let bytes = member(jwk, name)?;
    if bytes.first().is_none_or(|first| *first == 0) {
        Err(JwkError::NotMinimal(name))
    } else {
        Ok(bytes)
    }
}

fn sized(jwk: Value<'_>, name: &'static str, curve: Curve) -> Result<Vec<u8>, JwkError> {
    let bytes = member(jwk, name)?;
    if bytes.len() == curve.octets() { Ok(bytes) } else { Err(JwkError::Length(name)) }
}

fn curve_of(jwk: Value<'_>, kty: &str) -> Result<Curve, JwkError> {
    let name = jwk.get_str("crv").ok_or(JwkError::Missing("crv"))?;
    Curve::from_name(&name).filter(|curve| curve.kty() == kty).ok_or(JwkError::UnknownCurve)
}
