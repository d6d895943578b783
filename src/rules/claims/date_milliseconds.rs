//! A date counts milliseconds: `"exp": 1790000000000`.
//!
//! WSO2 Identity Server did. Read as seconds it lies 56,000 years ahead: relying parties that look at `iat` refuse the
//! token (mod_auth_openidc: "JWT was issued more than 600 seconds in the future"), and those that look at `exp` alone
//! would accept it for ever.
//!
//! **What is changed:** `exp`, `iat`, `nbf` and `auth_time` from 10^12 to 10^13 are divided by 1000: as milliseconds they lie between
//! the years 2001 and 2286. Seconds reach that range in the year 33658; a provider that writes the end of the year 9999 for "never"
//! (253402300799) means seconds, and is left alone. The lifetime is checked afterwards, so the token only ever lives shorter.

use super::{Context, dates, pointer};
use crate::json::{Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "claims/date-milliseconds",
    summary: "a date counts milliseconds",
    reference: "RFC 7519 section 2",
    default: Setting::Repair,
    fixed: false,
    answers: &["IDT-14"],
};

pub(super) fn check<'d>(claims: Value<'d>, _: Context<'_>, report: &mut Report<'d>) {
    for date in dates(claims).filter(|date| date.kind() == Kind::Number) {
        let whole = date.raw().split('.').next().unwrap_or_default();
        let Ok(milliseconds) = whole.parse::<u64>() else { continue };
        if (1_000_000_000_000..10_000_000_000_000).contains(&milliseconds) {
            report.found(pointer(date), shown(date.raw()), Effect::Repaired, |edits| {
                edits.replace(date, (milliseconds / 1000).to_string());
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
            r#"{"exp":1790000000999,"iat":1000000000000.5,"nbf":1}"#,
            r#"{"exp":1790000000,"iat":1000000000,"nbf":1}"#,
        );
        silent(
            &RULE,
            r#"{"exp":999999999999,"iat":10000000000000,"nbf":1e12,"auth_time":"1790000000999"}"#,
        );
    }
    /// The end of the year 9999 is a way to write "never".
    #[test]
    fn a_date_of_seconds_far_away_is_left_alone() {
        silent(&RULE, r#"{"exp":253402300799,"iat":1790000000}"#);
    }
}
