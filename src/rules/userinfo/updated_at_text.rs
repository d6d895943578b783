//! `updated_at` is a string: digits, or a date.
//!
//! Providers that hand on what their database holds write it so. OpenID Connect Core §5.1 wants the number of seconds since 1970,
//! and programs with typed readers refuse the whole response, as they do with an `email_verified` that is a string.
//!
//! **What is changed:** a string of digits becomes the number, and a date with a time and an offset (RFC 3339) the number of its whole
//! seconds. Any other text stays.

use super::pointer;
use crate::json::Value;
use crate::rules::{Effect, Report, Rule, Setting, claims, shown};

pub(super) static RULE: Rule = Rule {
    id: "userinfo/updated-at-text",
    summary: "updated_at of userinfo is a string",
    reference: "OpenID Connect Core section 5.1",
    default: Setting::Repair,
    fixed: false,
    answers: &[],
};

pub(super) fn check<'d>(response: Value<'d>, (): (), report: &mut Report<'d>) {
    let Some(claim) = response.get("updated_at") else { return };
    let Some(text) = claim.as_str() else { return };
    let digits = text.parse::<u32>().ok().filter(|seconds| seconds.to_string() == text);
    let seconds = digits.map(i64::from).or_else(|| claims::seconds_of_date(&text));
    if let Some(seconds) = seconds {
        report.found(pointer(claim), shown(claim.raw()), Effect::Repaired, |edits| {
            edits.replace(claim, seconds.to_string());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        for text in ["1795427458", "2026-11-23T09:50:58.123Z", "2026-11-23T10:50:58+01:00"] {
            repaired(
                &RULE,
                &format!(r#"{{"sub":"a","updated_at" : "{text}"}}"#),
                r#"{"sub":"a","updated_at" : 1795427458}"#,
            );
        }
        for kept in ["1795427458", "\"2026-11-23\"", "\"\"", "\"01\"", "\"-1\"", "null", "\"now\""]
        {
            silent(
                &RULE,
                &format!(r#"{{"updated_at":{kept},"birthdate":"2026-11-23T09:50:58Z"}}"#),
            );
        }
    }
}
