//! An element of the set is no key that anyone could use.
//!
//! It is not an object, has no `kty`, or lacks a member that its `kty` requires. Typed libraries fail on
//! the whole set because of it.
//!
//! **What is changed:** the element is no longer published. A key of an unknown `kty` stays.

use super::{KeySet, Report};
use crate::jose::{JwkError, PublicKey};
use crate::json::Kind;
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/unreadable-key",
    summary: "an element of the set is not a key",
    reference: "RFC 7517 section 4.1, RFC 7518 section 6",
    default: Setting::Repair,
    fixed: false,
    answers: &["JWKS-40", "JWKS-50"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        if key.value.kind() != Kind::Object {
            set.drop(report, key, "not an object");
            continue;
        }
        match PublicKey::from_jwk(key.value) {
            Ok(_) | Err(JwkError::UnknownType) => {}
            Err(error) => set.drop(report, key, error.to_string()),
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
            r#"{"keys":[1,null,{},{"kty":"RSA","e":"AQAB"},{"kty":"EC","crv":"P-1","x":"","y":""},{"kty":"AKP"}]}"#,
            r#"{"keys":[{"kty":"AKP"}]}"#,
        );
        silent(&RULE, r#"{"keys":[{"kty":"RSA","e":"AQAB","n":"gQ"},{"kty":"AKP","pub":"x"}]}"#);
    }
}
