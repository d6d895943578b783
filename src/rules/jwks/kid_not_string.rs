//! The `kid` of a key is a number or another value that is not a string.
//!
//! 34 of 53 relying parties refuse a number, even where the token has the same one.
//!
//! **What is changed:** the key gets its SHA-256 thumbprint (RFC 7638) as `kid`.

use super::{KeySet, Report};
use crate::json::Kind;
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/kid-not-string",
    summary: "the kid of a key is not a string",
    reference: "RFC 7517 section 4.5",
    default: Setting::Repair,
    fixed: false,
    answers: &["numeric-kid"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        if key.value.get("kid").is_some_and(|kid| !matches!(kid.kind(), Kind::String | Kind::Null))
        {
            key.stamp(report, "a kid that is not a string");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{kid_becomes_the_thumbprint, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        for kid in ["1", "true", "[]", "{}"] {
            kid_becomes_the_thumbprint(&RULE, kid);
        }
        silent(
            &RULE,
            r#"{"keys":[{"kty":"RSA","kid":"1"},{"kty":"RSA","kid":null},{"kty":"RSA"}]}"#,
        );
    }
}
