//! Codes, states and nonces, and the PKCE challenge that goes with a verifier.

use crate::jose::{KeyError, base64url};
use aws_lc_rs::{digest, rand};

/// 32 random octets as base64url.
pub(super) fn random() -> Result<String, KeyError> {
    let mut octets = [0; 32];
    rand::fill(&mut octets).map_err(|_| KeyError::Failed)?;
    Ok(base64url::encode(octets))
}

/// The S256 challenge of a verifier (RFC 7636 §4.2).
pub(super) fn s256(verifier: &str) -> String {
    base64url::encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(s256(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert_ne!(random().unwrap(), random().unwrap());
    }
}
