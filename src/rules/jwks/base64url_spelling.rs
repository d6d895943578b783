//! A member of a key is base64, but not the base64url of JOSE.
//!
//! Padding (`=`, or even `,`), the standard alphabet (`+` and `/`), line breaks and set bits behind the last octet
//! are what general base64 encoders leave. RFC 7515 §2 allows none of them: strict libraries fail to
//! load the key ("illegal base64 data", "Invalid key"), and lenient ones compute another thumbprint than
//! strict ones.
//!
//! **What is changed:** `n`, `e`, `x` and `y` are written in the canonical spelling of the same octets.

use super::{KeySet, Report};
use crate::jose::base64url;
use crate::json;
use crate::rules::{Effect, Rule, Setting, shown};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

pub(super) static RULE: Rule = Rule {
    id: "jwks/base64url-spelling",
    summary: "a number or coordinate is base64 in another spelling than JOSE's",
    reference: "RFC 7515 section 2",
    default: Setting::Repair,
    fixed: false,
    answers: &["padded", "std-base64", "comma-padded", "JWKS-42", "JWKS-47", "JWKS-48"],
};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        for name in ["n", "e", "x", "y"] {
            let Some(value) = key.value.get(name) else { continue };
            let Some(text) = value.as_str() else { continue };
            if base64url::decode(&*text).is_some() {
                continue;
            }
            if let Some(octets) = decode_leniently(&text) {
                report.found(
                    key.pointer(Some(name)),
                    shown(value.raw()),
                    Effect::Repaired,
                    |edits| {
                        edits.replace(value, json::quote(&base64url::encode(octets)));
                    },
                );
                report.shows(match () {
                    () if text.contains(',') => "comma-padded",
                    () if text.contains(['+', '/']) => "std-base64",
                    () => "padded",
                });
            }
        }
    }
}

pub(super) fn decode_leniently(text: &str) -> Option<Vec<u8>> {
    let text: String = text
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| match c {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect();
    LENIENT.decode(text.trim_end_matches(['=', ','])).ok()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        for (before, after) in [
            ("AQ==", "AQ"),
            ("+/8", "-_8"),
            ("AQ\\r\\nAB", "AQAB"),
            ("AR", "AQ"),
            ("A+8=", "A-8"),
            ("AQ,,", "AQ"),
        ] {
            let set = |text: &str| format!(r#"{{"keys":[{{"n":"{text}"}}]}}"#);
            repaired(&RULE, &set(before), &set(after));
        }
        silent(
            &RULE,
            r#"{"keys":[{"n":"AQAB","e":65537,"x":"A","y":"A*B=","k":"AQ=="},{"n":",AQ"}]}"#,
        );
    }
}
