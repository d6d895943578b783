//! The signature algorithms that kidstamp verifies and signs with (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2).
//!
//! `none` and the HMAC family are missing on purpose: no key of a key set can ever select them
//! (RFC 8725 §2.1, §3.1).

use super::base64url;
use aws_lc_rs::digest;
use std::fmt;

/// An asymmetric JWS algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Alg {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// EdDSA on Ed25519, by the name that does not say so.
    EdDsa,
    /// EdDSA on Ed25519, by its own name.
    Ed25519,
}

/// The families of keys, as `kty` and `crv` tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// `RSA`
    Rsa,
    /// `EC` on P-256
    P256,
    /// `EC` on P-384
    P384,
    /// `EC` on P-521
    P521,
    /// `OKP` on Ed25519
    Ed25519,
}

impl Alg {
    /// Every algorithm, in the order in which messages list them.
    pub const ALL: [Self; 11] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Ed25519,
    ];

    /// The registered name, as it stands in `alg`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// The algorithm of that registered name; names are case-sensitive (RFC 7515 §4.1.1).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.name() == name)
    }

    /// The kind of key that it needs.
    pub fn key_type(self) -> KeyType {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => {
                KeyType::Rsa
            }
            Self::Es256 => KeyType::P256,
            Self::Es384 => KeyType::P384,
            Self::Es512 => KeyType::P521,
            Self::EdDsa | Self::Ed25519 => KeyType::Ed25519,
        }
    }

    /// Its hash function. EdDSA on Ed25519 hashes with SHA-512 (RFC 8032 §5.1).
    pub fn hash(self) -> Hash {
        match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 => Hash::Sha256,
            Self::Rs384 | Self::Ps384 | Self::Es384 => Hash::Sha384,
            Self::Rs512 | Self::Ps512 | Self::Es512 | Self::EdDsa | Self::Ed25519 => Hash::Sha512,
        }
    }

    /// All names, for messages: `RS256, RS384, …`.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

/// The hash functions of the algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// The left half of the hash of `text` in base64url (OpenID Connect Core §3.1.3.6).
    pub fn left_half(self, text: &str) -> String {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        let hash = digest::digest(algorithm, text.as_bytes());
        let (half, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
        base64url::encode(half)
    }
}

impl fmt::Display for Alg {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl KeyType {
    /// The algorithm that a key of this type signs with unless told otherwise.
    pub fn default_alg(self) -> Alg {
        match self {
            Self::Rsa => Alg::Rs256,
            Self::P256 => Alg::Es256,
            Self::P384 => Alg::Es384,
            Self::P521 => Alg::Es512,
            Self::Ed25519 => Alg::EdDsa,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OpenID Connect Core A.3 and A.4.
    #[test]
    fn the_left_half_of_a_hash() {
        let access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(Alg::Rs256.hash().left_half(access_token), "77QmUPtjPfzWtF2AnpK9RQ");
        let code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk";
        assert_eq!(Alg::Es256.hash().left_half(code), "LDktKdoQak3Pk0cnXxCltA");
        for alg in Alg::ALL {
            let octets = match alg.name() {
                "EdDSA" | "Ed25519" => 32,
                name => name.get(2..).unwrap().parse::<usize>().unwrap() / 16,
            };
            assert_eq!(
                base64url::decode(alg.hash().left_half("a")).unwrap().len(),
                octets,
                "{alg}"
            );
        }
    }
}
