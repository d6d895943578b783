//! `id_token_signing_alg_values_supported` lacks an algorithm that a key of the provider's set names.
//!
//! The provider has changed to `ES256` and goes on saying `RS256`. 29 of 53 relying parties believe the document and refuse the token:
//! "id token signed with unsupported algorithm, expected [\"RS256\"] got \"ES256\"" (go-oidc), "unexpected JWT alg received, expected
//! RS256, got: ES384" (openid-client).
//!
//! **What is changed:** the algorithms that signing keys of the set name in their own `alg` are added at the end of the list. A key
//! without `alg` adds nothing, and nothing is taken out. A list that is missing is another rule's.

use super::Facts;
use crate::json::{self, Value};
use crate::rules::{Effect, Report, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "discovery/algorithms-undeclared",
    summary: "id_token_signing_alg_values_supported lacks an algorithm that a key names",
    reference: "OpenID Connect Discovery section 3",
    default: Setting::Repair,
    fixed: false,
    answers: &["alg-undeclared", "DISC-22"],
};

pub(super) fn check<'d>(document: Value<'d>, facts: Facts<'_>, report: &mut Report<'d>) {
    const NAME: &str = "id_token_signing_alg_values_supported";
    let Some(list) = document.get(NAME).filter(|list| list.elements().next().is_some()) else {
        return;
    };
    for name in facts.named_algorithms {
        if !list.elements().any(|known| known.is_str(name)) {
            report.found(format!("/{NAME}"), format!("lacks {name}"), Effect::Repaired, |edits| {
                edits.append_element(list, json::quote(name));
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOTHING, repaired, silent, silent_with};
    use super::RULE;

    #[test]
    fn fixtures() {
        repaired(
            &RULE,
            r#"{"id_token_signing_alg_values_supported":["RS256"]}"#,
            r#"{"id_token_signing_alg_values_supported":["RS256","ES256"]}"#,
        );
        silent(&RULE, r#"{"id_token_signing_alg_values_supported":["ES256","RS256"]}"#);
        silent(&RULE, r#"{"id_token_signing_alg_values_supported":[]}"#);
        silent(&RULE, r#"{"id_token_signing_alg_values_supported":"RS256"}"#);
        // What a key could sign with is no promise that it does.
        silent_with(&RULE, NOTHING, r#"{"id_token_signing_alg_values_supported":["RS256"]}"#);
    }
}
