//! `key_ops` is a single string instead of an array.
//!
//! RFC 7517 §4.3 makes it an array of strings; typed libraries fail to load the key, or the set.
//!
//! **What is changed:** the string is put into an array.

use super::{KeySet, Report};
use crate::json::Kind;
use crate::rules::{Effect, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "jwks/key-ops-not-array",
    summary: "key_ops is not an array",
    reference: "RFC 7517 section 4.3",
    default: Setting::Repair,
    fixed: false,
    answers: &[],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        if let Some(operations) =
            key.value.get("key_ops").filter(|value| value.kind() == Kind::String)
        {
            report.found(
                key.pointer(Some("key_ops")),
                shown(operations.raw()),
                Effect::Repaired,
                |edits| {
                    edits.replace(operations, format!("[{}]", operations.raw()));
                },
            );
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
            r#"{"keys":[{"key_ops":"verify"}]}"#,
            r#"{"keys":[{"key_ops":["verify"]}]}"#,
        );
        silent(&RULE, r#"{"keys":[{"key_ops":["verify"]}]}"#);
    }
}
