//! `kty` is spelt in another case than the registered one, such as `rsa`.
//!
//! The value is case-sensitive (RFC 7517 §4.1). Most libraries answer that the key type is
//! not supported, some refuse the whole set.
//!
//! **What is changed:** `kty` gets its registered spelling: `RSA`, `EC` or `OKP`.

use super::{KeySet, Report};
use crate::json;
use crate::rules::{Effect, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "jwks/kty-case",
    summary: "kty is spelt in the wrong case",
    reference: "RFC 7517 section 4.1",
    default: Setting::Repair,
    fixed: false,
    answers: &[],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        let Some(kty) = key.value.get("kty") else { continue };
        let Some(text) = kty.as_str() else { continue };
        let registered =
            ["RSA", "EC", "OKP"].into_iter().find(|name| name.eq_ignore_ascii_case(&text));
        if let Some(name) = registered.filter(|name| *name != text) {
            report.found(key.pointer(Some("kty")), shown(kty.raw()), Effect::Repaired, |edits| {
                edits.replace(kty, json::quote(name));
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
        repaired(&RULE, r#"{"keys":[{"kty":"rsa"}]}"#, r#"{"keys":[{"kty":"RSA"}]}"#);
        repaired(&RULE, r#"{"keys":[{"kty":"Ec"}]}"#, r#"{"keys":[{"kty":"EC"}]}"#);
        silent(&RULE, r#"{"keys":[{"kty":"RSA"},{"kty":"ecdsa"},{"kty":1}]}"#);
    }
}
