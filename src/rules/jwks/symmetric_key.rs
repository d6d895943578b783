//! The set holds a symmetric key.
//!
//! A MAC key that everybody can read authenticates nothing; a relying party that accepts `HS256` from the set
//! accepts tokens of anyone.
//!
//! **What is changed:** the key is no longer published. This rule can't be switched off.

use super::{KeySet, Report};
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/symmetric-key",
    summary: "the set holds a symmetric key",
    reference: "RFC 7518 section 6.4, RFC 8725 section 3.5",
    default: Setting::Repair,
    fixed: true,
    answers: &[],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        let kty = key.value.get_str("kty").unwrap_or_default();
        if kty.eq_ignore_ascii_case("oct") || (kty.is_empty() && key.value.get("k").is_some()) {
            set.drop(report, key, "a symmetric key in a public set");
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
            r#"{"keys":[{"kty":"oct","k":"AQ"},{"kty":"X"}]}"#,
            r#"{"keys":[{"kty":"X"}]}"#,
        );
        silent(&RULE, r#"{"keys":[{"kty":"OKP"},{"kty":"octal"}]}"#);
    }
}
