//! A date is a string of digits: `"exp": "1790000000"`.
//!
//! Serialisers that know claims only as strings write dates that way (early Azure AD libraries, node-jsonwebtoken given
//! a string). RFC 7519 §2 wants a number, and 31 of 53 relying parties refuse the token: "expected number value to
//! unmarshal NumericDate", "invalid type for claim: exp is invalid", "Claim 'exp' must be a NumericDate value", "The
//! exp claim must be a number", "\"iat\" claim must be a number".
//!
//! **What is changed:** the quotes around `exp`, `iat`, `nbf` and `auth_time` go; the digits stay. The lifetime is
//! checked afterwards: what has expired stays expired.

use super::{Context, dates, pointer};
use crate::json::Value;
use crate::rules::{Effect, Report, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "claims/date-string",
    summary: "a date is a string of digits",
    reference: "RFC 7519 section 2, OpenID Connect Core section 2",
    default: Setting::Repair,
    fixed: false,
    answers: &["exp-as-string", "IDT-19"],
};

pub(super) fn check<'d>(claims: Value<'d>, _: Context<'_>, report: &mut Report<'d>) {
    for date in dates(claims) {
        let Some(text) = date.as_str().filter(|text| is_seconds(text)) else { continue };
        report.found(pointer(date), shown(date.raw()), Effect::Repaired, |edits| {
            edits.replace(date, text);
        });
    }
}

/// A number of seconds as JSON would write it, with a fraction perhaps: no sign, no exponent, no blanks.
fn is_seconds(text: &str) -> bool {
    const MOST: usize = 15;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| {
        (1..=MOST).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    digits(whole) && digits(fraction) && (whole == "0" || !whole.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        repaired(
            &RULE,
            r#"{"sub":"7","exp": "1790000000" ,"iat":"0","nbf":"1.50","auth_time":"\u0031"}"#,
            r#"{"sub":"7","exp": 1790000000 ,"iat":0,"nbf":1.50,"auth_time":1}"#,
        );
        for text in ["", "soon", "01", "-1", "+1", "1e3", "1.", ".5", " 1", "1 ", "0x10", "١"] {
            silent(&RULE, &format!(r#"{{"exp":"{text}"}}"#));
        }
        silent(&RULE, r#"{"exp":"1234567890123456","iat":1,"sub":"1","updated_at":"1"}"#);
    }
}
