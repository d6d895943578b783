//! A key has a `kty` that kidstamp does not know.
//!
//! RFC 7517 §5 tells readers to ignore such keys, but some fail on the whole set ("unsupported key type/format",
//! "Invalid key type: 'AKP'"), for instance on post-quantum keys.
//!
//! **What is changed:** nothing but its `kid`, as for every key; it is reported. It never backs a signature. Set to
//! `repair`, the rule takes such keys out of the set, for relying parties that fail on them; the risk is that
//! those who know the type can't use them any more.

use super::{KeySet, Report};
use crate::jose::{JwkError, PublicKey};
use crate::rules::{Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "jwks/kty-unknown",
    summary: "a key has an unknown kty",
    reference: "RFC 7517 section 5",
    default: Setting::Warn,
    fixed: false,
    answers: &["unknown-kty", "JWKS-36", "JWKS-37", "JWKS-38"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        if PublicKey::from_jwk(key.value) == Err(JwkError::UnknownType) {
            let kty = key.value.get("kty").map(|kty| shown(kty.raw())).unwrap_or_default();
            set.drop(report, key, format!("kty {kty}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, reported, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        let text = r#"{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"AQ"},{"kty":"RSA"}]}"#;
        reported(&RULE, text);
        repaired(&RULE, text, r#"{"keys":[{"kty":"RSA"}]}"#);
        silent(&RULE, r#"{"keys":[{"kty":"RSA"},{"kty":"OKP"},{}]}"#);
    }
}
