//! The response has an access token, but no `token_type`.
//!
//! Rancher, LinkedIn and others leave it out or empty. RFC 6749 §5.1 requires it, and 8 of 53 relying parties refuse the
//! response: "\"response\" body \"token_type\" property must be a string" (openid-client), "Missing required attribute
//! 'token_type'" (pyoidc), "Unexpected Token Type:" (ruby), "missing field `token_type`" (Rust), "Missing JSON object member
//! with key token_type" (Nimbus), "Token type is but must be Bearer" (LemonLDAP::NG).
//!
//! **What is changed:** `token_type` becomes `Bearer` where it is missing, empty or `null`. A type that is named stays, also in
//! lower case, which RFC 6749 allows. Where the request had a proof of possession (`DPoP`), nothing is changed: the token may be
//! bound to that key (RFC 9449 §5), and a client that takes it for a bearer token would send it without the proof.

use super::Facts;
use crate::json::{Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "token-response/token-type-missing",
    summary: "an access token without a token_type",
    reference: "RFC 6749 section 5.1",
    default: Setting::Repair,
    fixed: false,
    answers: &["token-type-missing", "TOKR-01", "TOKR-02", "TOKR-12"],
};

pub(super) fn check<'d>(response: Value<'d>, facts: Facts<'_>, report: &mut Report<'d>) {
    const NAME: &str = "token_type";
    if response.get_str("access_token").is_none_or(|token| token.is_empty()) {
        return;
    }
    let found = match response.get(NAME) {
        None => "missing".to_owned(),
        Some(odd) if odd.kind() == Kind::Null || odd.is_str("") => shown(odd.raw()),
        Some(_) => return,
    };
    if facts.has_proof {
        let found = format!("{found}, and the request had a DPoP proof");
        return report.found(format!("/{NAME}"), found, Effect::Kept, |_| {});
    }
    report.found(format!("/{NAME}"), found, Effect::Repaired, |edits| {
        edits.set_member(response, NAME, "\"Bearer\"");
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{left, repaired, silent};
    use super::{Facts, RULE};

    #[test]
    fn fixtures() {
        repaired(
            &RULE,
            r#"{ "access_token": "a" }"#,
            r#"{ "token_type": "Bearer", "access_token": "a" }"#,
        );
        for odd in ["null", "\"\""] {
            repaired(
                &RULE,
                &format!(r#"{{"access_token":"a","token_type": {odd}}}"#),
                r#"{"access_token":"a","token_type": "Bearer"}"#,
            );
        }
        for kept in ["\"bearer\"", "\"DPoP\"", "\"N_A\"", "1"] {
            silent(&RULE, &format!(r#"{{"access_token":"a","token_type":{kept}}}"#));
        }
        silent(&RULE, r#"{"id_token":"a"}"#);
        silent(&RULE, r#"{"access_token":null}"#);
        silent(&RULE, r#"{"error":"invalid_grant"}"#);
    }

    #[test]
    fn a_token_that_may_be_bound_to_a_key_becomes_no_bearer_token() {
        let facts = Facts { has_proof: true, ..Facts::default() };
        for response in [r#"{"access_token":"a"}"#, r#"{"access_token":"a","token_type":null}"#] {
            left(&RULE, facts, response);
        }
    }
}
