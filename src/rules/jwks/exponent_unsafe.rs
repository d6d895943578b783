//! The exponent of an RSA key is 1, or even.
//!
//! With exponent 1 every message is its own signature; an even exponent has no inverse, so nobody can
//! have signed with it. No relying party can use such a key safely.
//!
//! **What is changed:** the key is no longer published.

use super::{KeySet, Report};
use crate::jose::PublicKey;
use crate::jose::is_safe_exponent;
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/exponent-unsafe",
    summary: "the exponent of an RSA key is 1 or even",
    reference: "RFC 8017 section 3.1, RFC 8725 section 3.4",
    default: Setting::Repair,
    fixed: false,
    answers: &[],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        if let Some(PublicKey::Rsa { e, .. }) = key.public()
            && !is_safe_exponent(&e)
        {
            set.drop(report, key, "an exponent that makes no safe key");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        for unsafe_exponent in ["AQ", "AQAA"] {
            let before = format!(
                r#"{{"keys":[{{"kty":"X"}},{{"kty":"RSA","n":"gQ","e":"{unsafe_exponent}"}}]}}"#
            );
            repaired(&RULE, &before, r#"{"keys":[{"kty":"X"}]}"#);
        }
        silent(
            &RULE,
            r#"{"keys":[{"kty":"RSA","n":"gQ","e":"AQAB"},{"kty":"RSA","n":"gQ","e":"Aw"}]}"#,
        );
    }
}
