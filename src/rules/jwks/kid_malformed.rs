//! The `kid` of a key holds control characters, or more than 128 bytes.
//!
//! Some relying parties use the `kid` in file names, queries, headers and logs (RFC 8725 §3.10). A
//! provider has no reason for such a one.
//!
//! **What is changed:** the key gets its SHA-256 thumbprint (RFC 7638) as `kid`; tokens that name the old one
//! are re-signed.

use super::{KeySet, Report};
use crate::jose::Kid;
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/kid-malformed",
    summary: "the kid of a key holds control characters or more than 128 bytes",
    reference: "RFC 8725 section 3.10",
    default: Setting::Repair,
    fixed: false,
    answers: &[],
};

const MOST_BYTES: usize = 128;

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        if let Kid::Text(kid) = Kid::of(key.value)
            && is_malformed(&kid)
        {
            key.stamp(report, format!("a kid of {} bytes, or with control characters", kid.len()));
        }
    }
}

pub(super) fn is_malformed(kid: &str) -> bool {
    kid.len() > MOST_BYTES || kid.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{kid_becomes_the_thumbprint, silent};
    use super::{MOST_BYTES, RULE};

    #[test]
    fn fixtures() {
        kid_becomes_the_thumbprint(&RULE, r#""a\r\nSet-Cookie: b=c""#);
        kid_becomes_the_thumbprint(&RULE, &format!("{:?}", "k".repeat(MOST_BYTES + 1)));
        silent(
            &RULE,
            &format!(
                r#"{{"keys":[{{"kty":"X","kid":"{}"}},{{"kty":"X","kid":"../é +="}}]}}"#,
                "k".repeat(MOST_BYTES)
            ),
        );
    }
}
