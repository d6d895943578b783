//! There is no `at_hash`, though an access token stands beside the ID token.
//!
//! Entra ID and PingFederate leave it out in the code flow, as OpenID Connect Core §3.1.3.6 lets them, and one provider
//! called it `ht_hash`. 2 of 53 relying parties want it: "KeyError: 'at_hash'" (a recipe of PyJWT), and CXF.
//!
//! **What is changed,** where the rule is set to `repair`: the hash of the access token in the same response is added. It is
//! off by default, since what is missing is allowed to be; and then it is kidstamp's word and not the provider's that the two
//! belong together.

use super::Context;
use crate::json::{self, Value};
use crate::rules::{Effect, Report, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "claims/at-hash-missing",
    summary: "no at_hash, though an access token stands beside the ID token",
    reference: "OpenID Connect Core sections 3.1.3.6 and 3.2.2.10",
    default: Setting::Off,
    fixed: false,
    answers: &["at-hash-missing", "IDT-24", "IDT-25"],
};

pub(super) fn check<'d>(claims: Value<'d>, context: Context<'_>, report: &mut Report<'d>) {
    let Some(right) = &context.hashes.at_hash else { return };
    if claims.get("at_hash").is_none() {
        let detail = "an access token stands beside it";
        report.found(String::new(), detail, Effect::Repaired, |edits| {
            edits.insert_member(claims, "at_hash", &json::quote(right));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Hashes;
    use super::super::testing::{repaired_beside, silent, silent_beside};
    use super::RULE;

    #[test]
    fn fixtures() {
        let hashes = Hashes { at_hash: Some("A".to_owned()), ..Hashes::default() };
        repaired_beside(
            &RULE,
            &hashes,
            r#"{"sub":"a", "exp":1}"#,
            r#"{"at_hash":"A", "sub":"a", "exp":1}"#,
        );
        silent_beside(&RULE, &hashes, r#"{"sub":"a","at_hash":"wrong"}"#);
        silent_beside(&RULE, &hashes, r#"{"sub":"a","at_hash":null}"#);
        silent(&RULE, r#"{"sub":"a"}"#);
    }
}
