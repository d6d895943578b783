//! The `kid` of a key is `null`.
//!
//! 23 of 53 relying parties refuse it ("Key ID header parameter must be a string"), though the token says the same.
//!
//! **What is changed:** the key gets its SHA-256 thumbprint (RFC 7638) as `kid`.

use super::{KeySet, Report};
use crate::json::Kind;
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/kid-null",
    summary: "the kid of a key is null",
    reference: "RFC 7517 section 4.5",
    default: Setting::Repair,
    fixed: false,
    answers: &["null-kid"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        if key.value.get("kid").is_some_and(|kid| kid.kind() == Kind::Null) {
            key.stamp(report, "a kid that is null");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{kid_becomes_the_thumbprint, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        kid_becomes_the_thumbprint(&RULE, "null");
        silent(&RULE, r#"{"keys":[{"kty":"RSA","kid":"null"},{"kty":"RSA"}]}"#);
    }
}
