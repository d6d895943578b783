//! `use` is spelt in another case than `sig` or `enc`.
//!
//! The value is case-sensitive (RFC 7517 §4.2). A relying party that looks for `sig` does not find the
//! key: "The JWKS endpoint did not contain any signing keys".
//!
//! **What is changed:** `use` gets its registered spelling.

use super::{KeySet, Report};
use crate::json;
use crate::rules::{Effect, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "jwks/use-case",
    summary: "use is spelt in the wrong case",
    reference: "RFC 7517 section 4.2",
    default: Setting::Repair,
    fixed: false,
    answers: &[],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        let Some(usage) = key.value.get("use") else { continue };
        let Some(text) = usage.as_str() else { continue };
        let registered = ["sig", "enc"].into_iter().find(|name| name.eq_ignore_ascii_case(&text));
        if let Some(name) = registered.filter(|name| *name != text) {
            report.found(key.pointer(Some("use")), shown(usage.raw()), Effect::Repaired, |edits| {
                edits.replace(usage, json::quote(name));
            });
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
            r#"{"keys":[{"kty":"X","use":"SIG"}]}"#,
            r#"{"keys":[{"kty":"X","use":"sig"}]}"#,
        );
        silent(&RULE, r#"{"keys":[{"use":"enc"},{"use":"signature"},{"use":null}]}"#);
    }
}
