//! The set holds a key for encryption.
//!
//! That is allowed, and relying parties pass it over. A few refuse the whole set for it ("jwks unsupported key algorithm
//! RSA-OAEP-256"), and some take it for the signing key where both have one `kid`, which other rules mend.
//!
//! **What is changed:** nothing unless the rule is set to `repair`; then keys with `use` `enc` are no longer
//! published. The risk: relying parties can't encrypt request objects to the provider any more.

use super::{KeySet, Report};
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/enc-key",
    summary: "the set holds a key for encryption",
    reference: "RFC 7517 section 4.2",
    default: Setting::Off,
    fixed: false,
    answers: &["JWKS-62"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        if key.value.get("use").is_some_and(|usage| usage.is_str("enc")) {
            set.drop(report, key, "a key for encryption");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        repaired(
            &RULE,
            r#"{"keys":[{"kty":"RSA","use":"enc"},{"kty":"RSA"}]}"#,
            r#"{"keys":[{"kty":"RSA"}]}"#,
        );
        silent(&RULE, r#"{"keys":[{"kty":"RSA","alg":"RSA-OAEP"},{"kty":"RSA","use":"sig"}]}"#);
    }
}
