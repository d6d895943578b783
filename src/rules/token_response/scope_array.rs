//! `scope` is an array: `"scope": ["openid", "email"]`.
//!
//! Twitch answers that way. RFC 6749 §3.3 wants one string with blanks between the scopes, and relying parties with typed readers
//! refuse the response: "invalid type: sequence, expected a string" (oauth2-rs, openidconnect-rs); the OAuth clients of Google for
//! Java and of Dart do too.
//!
//! **What is changed:** the array becomes the string of its elements, with a blank between each two. An array with anything that is
//! no scope in it stays as it is.

use super::{Facts, pointer};
use crate::json::{self, Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "token-response/scope-array",
    summary: "scope is an array",
    reference: "RFC 6749 sections 3.3 and 5.1",
    default: Setting::Repair,
    fixed: false,
    answers: &["TOKR-14"],
};

pub(super) fn check<'d>(response: Value<'d>, _: Facts<'_>, report: &mut Report<'d>) {
    let Some(member) = response.get("scope").filter(|scope| scope.kind() == Kind::Array) else {
        return;
    };
    let scopes: Option<Vec<_>> =
        member.elements().map(|scope| scope.as_str().filter(|scope| is_scope(scope))).collect();
    let Some(scopes) = scopes else { return };
    report.found(pointer(member), shown(member.raw()), Effect::Repaired, |edits| {
        edits.replace(member, json::quote(&scopes.join(" ")));
    });
}

/// RFC 6749 §3.3: `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`.
fn is_scope(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        repaired(&RULE, r#"{"scope":["openid", "a:b"]}"#, r#"{"scope":"openid a:b"}"#);
        repaired(&RULE, r#"{"scope": [ ]}"#, r#"{"scope": ""}"#);
        for kept in ["\"openid email\"", "null", "[\"a b\"]", "[1]", "[\"\"]", "[\"a\\\"\"]", "{}"]
        {
            silent(&RULE, &format!(r#"{{"scope":{kept},"scopes":["a"]}}"#));
        }
    }
}
