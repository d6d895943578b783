//! The `kid` of a key is `""`.
//!
//! PyJWT and others take it for a missing one; 13 of 53 relying parties refuse it even where the token says the
//! same.
//!
//! **What is changed:** the key gets its SHA-256 thumbprint (RFC 7638) as `kid`.

use super::{KeySet, Report};
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/kid-empty",
    summary: "the kid of a key is the empty string",
    reference: "RFC 7517 section 4.5",
    default: Setting::Repair,
    fixed: false,
    answers: &["empty-kid"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        if key.value.get("kid").is_some_and(|kid| kid.is_str("")) {
            key.stamp(report, "an empty kid");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{kid_becomes_the_thumbprint, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        kid_becomes_the_thumbprint(&RULE, r#""""#);
        silent(
            &RULE,
            r#"{"keys":[{"kty":"RSA","kid":" "},{"kty":"RSA"},{"kty":"RSA","kid":null}]}"#,
        );
    }
}
