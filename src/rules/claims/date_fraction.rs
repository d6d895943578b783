//! A date has a fraction: `"iat": 1790000000.25`.
//!
//! RFC 7519 §2 allows it, so this is no flaw of the provider, and the rule is off by default. Some relying parties take
//! whole seconds only: "invalid type: floating point …, expected i64" (the openid crate), mod_auth_openidc once said "JWT
//! did not contain an \"exp\" number value", jumbojett's OpenID-Connect-PHP "Unable to verify JWT claims".
//!
//! **What is changed,** where the rule is set to `repair`: the fraction of `exp`, `iat`, `nbf` and `auth_time` is cut off,
//! which never makes a token live longer. Every ID token of such a provider is re-signed then.

use super::{Context, dates, pointer};
use crate::json::{Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "claims/date-fraction",
    summary: "a date has a fraction, which is allowed but refused by some",
    reference: "RFC 7519 section 2",
    default: Setting::Off,
    fixed: false,
    answers: &["fractional-dates", "IDT-15", "IDT-16", "IDT-17", "IDT-18"],
};

pub(super) fn check<'d>(claims: Value<'d>, _: Context<'_>, report: &mut Report<'d>) {
    for date in dates(claims).filter(|date| date.kind() == Kind::Number) {
        let Some((whole, fraction)) = date.raw().split_once('.') else { continue };
        if whole.starts_with('-') || fraction.contains(['e', 'E']) {
            continue;
        }
        report.found(pointer(date), shown(date.raw()), Effect::Repaired, |edits| {
            edits.replace(date, whole);
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
            r#"{"exp":1790000000.999999,"iat":0.0,"auth_time":1}"#,
            r#"{"exp":1790000000,"iat":0,"auth_time":1}"#,
        );
        silent(&RULE, r#"{"exp":1790000000,"iat":1.5e9,"nbf":-1.5,"rate":0.5,"auth_time":"1.5"}"#);
    }
}
