//! An optional member of the token response is `null`.
//!
//! Serialisers that write every member do that: `expires_in` at several APIs, `id_token` at LemonLDAP::NG. Relying parties read
//! "present" and fail on the value: "strconv.ParseInt: parsing \"\": invalid syntax" (golang.org/x/oauth2), "Invalid token response"
//! (OpenID Connect Generic for WordPress).
//!
//! **What is changed:** `expires_in`, `refresh_token`, `scope` and `id_token` are removed where they are `null`.

use super::{Facts, pointer};
use crate::json::{Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "token-response/null-member",
    summary: "an optional member is null",
    reference: "RFC 6749 section 5.1",
    default: Setting::Repair,
    fixed: false,
    answers: &["TOKR-05", "TOKR-15"],
};

pub(super) fn check<'d>(response: Value<'d>, _: Facts<'_>, report: &mut Report<'d>) {
    for name in ["expires_in", "refresh_token", "scope", "id_token"] {
        let Some(member) = response.get(name).filter(|member| member.kind() == Kind::Null) else {
            continue;
        };
        report.found(pointer(member), "null", Effect::Repaired, |edits| {
            edits.remove(response, member);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        repaired(
            &RULE,
            r#"{"access_token":"a", "expires_in":null, "id_token":null, "scope":"b"}"#,
            r#"{"access_token":"a", "scope":"b"}"#,
        );
        silent(&RULE, r#"{"access_token":null,"token_type":null,"state":null,"expires_in":0}"#);
    }
}
