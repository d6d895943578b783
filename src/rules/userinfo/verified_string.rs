//! `email_verified` or `phone_number_verified` is the string "true" or "false".
//!
//! AWS Cognito, Apple, PayPal, JumpCloud and others write it into userinfo. OpenID Connect Core §5.1 wants a JSON boolean; programs with
//! typed readers refuse the response: "cannot unmarshal string into Go struct field UserInfo.email_verified of type bool"
//! (oidc-authservice), "failed to decode userinfo" (go-oidc, in Miniflux; Zitadel), "\"true\", wrong type of value for
//! \"email_verified\"" (pyoidc), "Failed to get userinfo".
//!
//! **What is changed:** the boolean that the provider meant takes the place of the string. What it says stays.

use crate::json::Value;
use crate::rules::{Report, Rule, Setting, claims};

pub(super) static RULE: Rule = Rule {
    id: "userinfo/verified-string",
    summary: "email_verified or phone_number_verified of userinfo is a string",
    reference: "OpenID Connect Core section 5.1",
    default: Setting::Repair,
    fixed: false,
    answers: &["UINF-01", "UINF-02", "UINF-03", "UINF-04"],
};

pub(super) fn check<'d>(response: Value<'d>, (): (), report: &mut Report<'d>) {
    claims::mend_flags(response, report);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        repaired(
            &RULE,
            r#"{"sub":"a","email_verified": "True","phone_number_verified":"false"}"#,
            r#"{"sub":"a","email_verified": true,"phone_number_verified":false}"#,
        );
        silent(&RULE, r#"{"sub":"true","email_verified":true,"phone_number_verified":null}"#);
        silent(
            &RULE,
            r#"{"email_verified":"yes","verified":"true","x":{"email_verified":"true"}}"#,
        );
    }
}
