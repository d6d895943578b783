//! After a refresh, the response has no `refresh_token`.
//!
//! AWS Cognito leaves it out, as RFC 6749 §6 lets it: the old one stays good. Clients that take what a response has for all that they
//! have lose it, and their next refresh fails (PlusAuth's client).
//!
//! **What is changed,** where the rule is set to `repair`: the response to a request with `grant_type=refresh_token` gets the
//! `refresh_token` of that very request, where it has an access token and none of its own, or `null`. It is off by default, since
//! what is missing is allowed to be.

use super::Facts;
use crate::json::{self, Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "token-response/refresh-token-missing",
    summary: "no refresh_token after a refresh, which is allowed but lost by some",
    reference: "RFC 6749 section 6",
    default: Setting::Off,
    fixed: false,
    answers: &["TOKR-09"],
};

pub(super) fn check<'d>(response: Value<'d>, facts: Facts<'_>, report: &mut Report<'d>) {
    const NAME: &str = "refresh_token";
    let Some(sent) = facts.refresh_token.filter(|sent| !sent.is_empty()) else { return };
    if response.get_str("access_token").is_none_or(|token| token.is_empty()) {
        return;
    }
    if response.get(NAME).is_none_or(|member| member.kind() == Kind::Null) {
        // Neither of the two is for a message.
        report.found(format!("/{NAME}"), "missing", Effect::Repaired, |edits| {
            edits.set_member(response, NAME, &json::quote(sent));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired_with, silent, silent_with};
    use super::{Facts, RULE};

    #[test]
    fn fixtures() {
        let facts = Facts { refresh_token: Some("r\"1"), ..Facts::default() };
        let after = r#"{"refresh_token":"r\"1","access_token":"a"}"#;
        repaired_with(&RULE, facts, r#"{"access_token":"a"}"#, after);
        repaired_with(&RULE, facts, r#"{"refresh_token":null,"access_token":"a"}"#, after);
        for kept in [
            r#"{"access_token":"a","refresh_token":"new"}"#,
            r#"{"access_token":"a","refresh_token":""}"#,
            r#"{"access_token":null}"#,
            r#"{"error":"invalid_grant"}"#,
        ] {
            silent_with(&RULE, facts, kept);
        }
        silent_with(&RULE, Facts { refresh_token: Some(""), ..facts }, r#"{"access_token":"a"}"#);
        silent(&RULE, r#"{"access_token":"a"}"#);
    }
}
