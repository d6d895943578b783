//! A key has a `kty` that kidstamp does not know.
//!
//! RFC 7517 §5 tells readers to ignore such keys, but some fail on the whole set ("unsupported key type/format",
//! "Invalid key type: 'AKP'"), for instance on post-quantum keys.
//!
//! **What is changed:** nothing but its `kid`, as for every key; it is reported. It never backs a signature.

use super::{KeySet, Report};
use crate::jose::{JwkError, PublicKey};
use crate::rules::{Effect, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "jwks/kty-unknown",
    summary: "a key has an unknown kty",
    reference: "RFC 7517 section 5",
    default: Setting::Warn,
    fixed: false,
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        if PublicKey::from_jwk(key.value) == Err(JwkError::UnknownType) {
            let kty = key.value.get("kty").map(|kty| shown(kty.raw())).unwrap_or_default();
            report.found(key.pointer(Some("kty")), kty, Effect::Kept, |_| {});
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{reported, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        reported(&RULE, r#"{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"AQ"}]}"#);
        silent(&RULE, r#"{"keys":[{"kty":"RSA"},{"kty":"OKP"},{}]}"#);
    }
}
