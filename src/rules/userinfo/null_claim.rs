//! A claim of userinfo is `null`.
//!
//! OpenID Connect Core §5.3.2 wants a claim without a value left out. Programs with typed readers that know no absent values refuse
//! `null` for a text, a number or a boolean.
//!
//! **What is changed,** where the rule is set to `repair`: members that are `null` are left out, but for `sub`. It is off by default,
//! since a program that looks for the member itself would miss it.

use super::pointer;
use crate::json::{Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "userinfo/null-claim",
    summary: "a claim of userinfo is null, which some refuse",
    reference: "OpenID Connect Core section 5.3.2",
    default: Setting::Off,
    fixed: false,
    answers: &[],
};

pub(super) fn check<'d>(response: Value<'d>, (): (), report: &mut Report<'d>) {
    for claim in response.members().filter(|claim| claim.kind() == Kind::Null) {
        if claim.name() != "sub" {
            report.found(pointer(claim), "null", Effect::Repaired, |edits| {
                edits.remove(response, claim);
            });
        }
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
            r#"{"name":null,"sub":null,"email" : null,"address":{"region":null}}"#,
            r#"{"sub":null,"address":{"region":null}}"#,
        );
        silent(&RULE, r#"{"sub":null,"name":"null","email":"","groups":[null]}"#);
    }
}
