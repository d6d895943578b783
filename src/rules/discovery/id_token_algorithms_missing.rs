//! `id_token_signing_alg_values_supported` is missing or empty.
//!
//! OpenID Connect Discovery §3 requires it, and 9 of 53 relying parties refuse a document without it: "KeyError:
//! 'id_token_signing_alg_values_supported'" (PyJWT's own example), "Id token signing alg values supported can't be blank" (ruby),
//! "missing field `id_token_signing_alg_values_supported`" (openidconnect-rs).
//!
//! **What is changed:** the member is added, with the algorithms of the signing keys in the provider's key set: the `alg` that a key
//! names, and else the one that its kind of key signs with by default.

use super::{Facts, require};
use crate::json::{self, Value};
use crate::rules::{Report, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "discovery/id-token-algorithms-missing",
    summary: "id_token_signing_alg_values_supported is missing or empty",
    reference: "OpenID Connect Discovery section 3",
    default: Setting::Repair,
    fixed: false,
    answers: &["discovery-minimal", "DISC-14", "DISC-16"],
};

pub(super) fn check<'d>(document: Value<'d>, facts: Facts<'_>, report: &mut Report<'d>) {
    if facts.algorithms.is_empty() {
        return;
    }
    let names: Vec<String> = facts.algorithms.iter().map(|name| json::quote(name)).collect();
    let list = format!("[{}]", names.join(","));
    require(document, report, "id_token_signing_alg_values_supported", &list);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOTHING, repaired, silent, silent_with};
    use super::RULE;

    #[test]
    fn fixtures() {
        let after = r#"{"id_token_signing_alg_values_supported":["RS256","ES256"],"issuer":"i"}"#;
        repaired(&RULE, r#"{"issuer":"i"}"#, after);
        for odd in ["[]", "null", "[ ]"] {
            let before =
                format!(r#"{{"id_token_signing_alg_values_supported":{odd},"issuer":"i"}}"#);
            repaired(&RULE, &before, after);
        }
        silent(&RULE, r#"{"id_token_signing_alg_values_supported":["HS256"]}"#);
        silent_with(&RULE, NOTHING, "{}");
    }
}
