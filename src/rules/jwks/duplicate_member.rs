//! A key has a member twice.
//!
//! Some readers take the first of the two, most the last, strict ones refuse: an attacker who
//! can add a member to a key could make two programs see different keys under one `kid`. RFC 7517 §4 lets a
//! reader refuse or take the last; kidstamp never picks one silently.
//!
//! **What is changed:** the key is no longer published. The other keys of the set stay.

use super::{KeySet, Report};
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/duplicate-member",
    summary: "a key has a member twice",
    reference: "RFC 7517 section 4",
    default: Setting::Repair,
    fixed: true,
    answers: &[],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements().filter(|key| key.value.has_duplicates()) {
        set.drop(report, key, "a member stands twice in this key");
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
            r#"{"keys":[{"kty":"X","a":"1","a":"1"},{"kty":"X"}]}"#,
            r#"{"keys":[{"kty":"X"}]}"#,
        );
        repaired(
            &RULE,
            r#"{"keys":[{"kty":"X"},{"kty":"X","a":{"b":1,"\u0062":1}}]}"#,
            r#"{"keys":[{"kty":"X"}]}"#,
        );
        silent(&RULE, r#"{"keys":[{"kty":"X","a":"1","A":"1"},{"kty":"X"}]}"#);
    }
}
