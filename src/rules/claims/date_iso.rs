//! A date is written as one: `"exp": "2026-11-23T09:50:58Z"`.
//!
//! RFC 7519 §2 wants the number of seconds since 1970. 48 of 53 relying parties refuse the token: "invalid literal for
//! int() with base 10: '2026-11-23T09:50:58Z'", "invalid number literal, trying to unmarshal … into Number", "Claim
//! 'exp' must be a NumericDate value".
//!
//! **What is changed:** `exp`, `iat`, `nbf` and `auth_time` become the number of whole seconds. Only a date with a time
//! and an offset (RFC 3339) is understood: without an offset nobody knows which moment is meant, and the token passes as
//! it came. The lifetime is checked afterwards.

use super::{Context, dates, pointer};
use crate::json::Value;
use crate::rules::{Effect, Report, Rule, Setting, shown};
use jiff::Timestamp;

pub(super) static RULE: Rule = Rule {
    id: "claims/date-iso",
    summary: "a date is an ISO 8601 text",
    reference: "RFC 7519 section 2, OpenID Connect Core section 2",
    default: Setting::Repair,
    fixed: false,
    answers: &["exp-as-date"],
};

pub(super) fn check<'d>(claims: Value<'d>, _: Context<'_>, report: &mut Report<'d>) {
    for date in dates(claims) {
        let Some(seconds) = date.as_str().and_then(|text| seconds(&text)) else { continue };
        report.found(pointer(date), shown(date.raw()), Effect::Repaired, |edits| {
            edits.replace(date, seconds.to_string());
        });
    }
}

/// The seconds since 1970 of an RFC 3339 text; a fraction is cut off, which never makes a token live longer.
pub(super) fn seconds(text: &str) -> Option<i64> {
    // The parser also takes forms that other readers would not; they are left alone.
    const LONGEST: usize = "2026-11-23T09:50:58.123456789+00:00".len();
    let plain = text.len() <= LONGEST
        && text.as_bytes().get(10) == Some(&b'T')
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"-:.+TZ".contains(&byte));
    let timestamp: Timestamp = plain.then(|| text.parse().ok())??;
    let seconds = timestamp.as_nanosecond().div_euclid(1_000_000_000);
    i64::try_from(seconds).ok().filter(|seconds| *seconds >= 0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        repaired(
            &RULE,
            r#"{"exp":"2026-11-23T09:50:58Z","iat":"2026-11-23T10:50:58.999+01:00"}"#,
            r#"{"exp":1795427458,"iat":1795427458}"#,
        );
        for text in [
            "2026-11-23T09:50:58",
            "2026-11-23",
            "2026-11-23 09:50:58Z",
            "2026-13-23T09:50:58Z",
            "2026-02-30T09:50:58Z",
            "1969-12-31T23:59:59Z",
            "2026-11-23T09:50:58Z[Europe/Berlin]",
            "Mon, 23 Nov 2026 09:50:58 GMT",
            "never",
        ] {
            silent(&RULE, &format!(r#"{{"exp":"{text}"}}"#));
        }
        silent(&RULE, r#"{"updated_at":"2026-11-23T09:50:58Z","exp":1}"#);
    }
}
