//! A date counts milliseconds: `"exp": 1790000000000`.
//!
//! WSO2 Identity Server did. Read as seconds it lies 56,000 years ahead: relying parties that look at `iat` refuse the
//! token (mod_auth_openidc: "JWT was issued more than 600 seconds in the future"), and those that look at `exp` alone
//! would accept it for ever.
//!
//! **What is changed:** `exp`, `iat`, `nbf` and `auth_time` between 10^11 and 10^14 are divided by 1000. Seconds reach
//! that range in the year 5138. The lifetime is checked afterwards, so the token only ever lives shorter.

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
        if (100_000_000_000..100_000_000_000_000).contains(&milliseconds) {
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
            r#"{"exp":1790000000999,"iat":100000000000.5,"nbf":1}"#,
            r#"{"exp":1790000000,"iat":100000000,"nbf":1}"#,
        );
        silent(
            &RULE,
            r#"{"exp":99999999999,"iat":100000000000000,"nbf":1e12,"auth_time":"1790000000999"}"#,
        );
    }
}
