//! HMACs (RFC 7518 §3.2): what providers sign with that share a secret with each client (OpenID Connect Core §10.1).
//!
//! They stand apart from [`Alg`], so that no key of a set can ever select one, and there is nothing here that
//! makes one.

use super::alg::{Alg, Hash};
use super::client_secret::ClientSecret;
use super::jws::CompactJws;
use aws_lc_rs::hmac;

/// A symmetric JWS algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mac {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

impl Mac {
    /// The algorithm of that registered name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Hs256, Self::Hs384, Self::Hs512].into_iter().find(|mac| mac.name() == name)
    }

    /// The registered name, as it stands in `alg`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// What relying parties take most often that has the same hash function.
    pub fn instead(self) -> Alg {
        match self {
            Self::Hs256 => Alg::Rs256,
            Self::Hs384 => Alg::Rs384,
            Self::Hs512 => Alg::Rs512,
        }
    }

    /// Its hash function.
    pub fn hash(self) -> Hash {
        match self {
            Self::Hs256 => Hash::Sha256,
            Self::Hs384 => Hash::Sha384,
            Self::Hs512 => Hash::Sha512,
        }
    }
}

impl ClientSecret {
    /// True if the token's `alg` is an HMAC, and its signature one with this secret; compared in constant time.
    pub fn verifies(&self, jws: &CompactJws<'_>) -> bool {
        let Some(mac) = jws.header().mac else { return false };
        let algorithm = match mac {
            Mac::Hs256 => hmac::HMAC_SHA256,
            Mac::Hs384 => hmac::HMAC_SHA384,
            Mac::Hs512 => hmac::HMAC_SHA512,
        };
        let key = hmac::Key::new(algorithm, self.octets());
        hmac::verify(&key, jws.signing_input(), jws.signature()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::base64url;

    /// RFC 7515 A.1.
    #[test]
    fn the_example_of_rfc_7515() {
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let secret = base64url::decode(
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        );
        let secret = ClientSecret::from_file(&secret.unwrap()).unwrap();
        assert!(secret.verifies(&CompactJws::parse(token).unwrap()));
        let changed = token.replacen(".e", ".f", 1);
        assert!(!secret.verifies(&CompactJws::parse(&changed).unwrap()));
        let (input, mac) = token.rsplit_once('.').unwrap();
        let mac = base64url::decode(mac).unwrap();
        for length in [0, 16, 31] {
            let part = base64url::encode(mac.get(..length).unwrap());
            let cut = format!("{input}.{part}");
            assert!(!secret.verifies(&CompactJws::parse(&cut).unwrap()), "a part is none");
        }
        let other = ClientSecret::from_file(b"other").unwrap();
        assert!(!other.verifies(&CompactJws::parse(token).unwrap()));
    }

    #[test]
    fn an_asymmetric_algorithm_is_no_mac() {
        for alg in Alg::ALL {
            assert_eq!(Mac::from_name(alg.name()), None);
        }
        assert_eq!(Mac::from_name("hs256"), None);
        assert_eq!(Alg::from_name("HS256"), None);
    }
}
