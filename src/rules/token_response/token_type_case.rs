//! `token_type` is `bearer` in lower case, and a relying party wants `Bearer`.
//!
//! RFC 6749 §7.1 compares it without regard to case, and none of 53 relying parties that were measured minds. Some clients of their own
//! make compare to the letter, and one that builds `Authorization` of it sends the scheme in lower case: the rule is for those, and off
//! by default.
//!
//! **What is changed,** where the rule is set to `repair`: `token_type` becomes `Bearer` where it is that in another case.

use super::{Facts, pointer};
use crate::json::Value;
use crate::rules::{Effect, Report, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "token-response/token-type-case",
    summary: "token_type is not spelt Bearer, which is allowed but refused by some",
    reference: "RFC 6749 section 7.1",
    default: Setting::Off,
    fixed: false,
    answers: &["token-type-lowercase", "TOKR-06"],
};

pub(super) fn check<'d>(response: Value<'d>, _: Facts<'_>, report: &mut Report<'d>) {
    const BEARER: &str = "Bearer";
    let Some(member) = response.get("token_type") else { return };
    let is_other = |text: &str| text.eq_ignore_ascii_case(BEARER) && text != BEARER;
    if member.as_str().is_some_and(|text| is_other(&text)) {
        report.found(pointer(member), shown(member.raw()), Effect::Repaired, |edits| {
            edits.replace(member, format!("\"{BEARER}\""));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        for odd in ["bearer", "BEARER"] {
            repaired(
                &RULE,
                &format!(r#"{{"access_token":"a", "token_type" : "{odd}"}}"#),
                r#"{"access_token":"a", "token_type" : "Bearer"}"#,
            );
        }
        for kept in ["\"Bearer\"", "\"DPoP\"", "\"\"", "null", "\"bearer \""] {
            silent(&RULE, &format!(r#"{{"token_type":{kept}}}"#));
        }
    }
}
