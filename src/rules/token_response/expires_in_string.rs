//! `expires_in` is a string: `"expires_in": "3600"`.
//!
//! Azure AD v1, Criipto and WordPress plugins write it. RFC 6749 §5.1 and appendix A.14 want a number, and relying parties with
//! typed readers refuse the response: "invalid type: string \"3600\", expected u64" (openidconnect-rs), "cannot unmarshal
//! string into Go struct field TokenResponse.expires_in of type int64" (oauth2c, Couchbase Sync Gateway).
//!
//! **What is changed:** the quotes go, the digits stay. A fraction, a sign or a word stays as it is.

use super::{Facts, pointer};
use crate::json::Value;
use crate::rules::{Effect, Report, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "token-response/expires-in-string",
    summary: "expires_in is a string",
    reference: "RFC 6749 sections 5.1 and A.14",
    default: Setting::Repair,
    fixed: false,
    answers: &["expires-in-string", "TOKR-03", "TOKR-04"],
};

pub(super) fn check<'d>(response: Value<'d>, _: Facts<'_>, report: &mut Report<'d>) {
    let Some(member) = response.get("expires_in") else { return };
    let Some(text) = member.as_str() else { return };
    if text.parse::<u32>().is_ok_and(|seconds| seconds.to_string() == text) {
        report.found(pointer(member), shown(member.raw()), Effect::Repaired, |edits| {
            edits.replace(member, text);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        repaired(&RULE, r#"{"expires_in" : "3600"}"#, r#"{"expires_in" : 3600}"#);
        repaired(&RULE, r#"{"expires_in":"0"}"#, r#"{"expires_in":0}"#);
        for kept in
            ["3600", "\"\"", "\"-1\"", "\"+1\"", "\"01\"", "\"1.5\"", "\"4294967296\"", "null"]
        {
            silent(&RULE, &format!(r#"{{"expires_in":{kept}}}"#));
        }
        silent(&RULE, r#"{"ext_expires_in":"3600","nested":{"expires_in":"1"}}"#);
    }
}
