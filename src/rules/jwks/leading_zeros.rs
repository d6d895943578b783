//! A number of an RSA key begins with zero octets.
//!
//! Encoders of signed big integers put a zero octet before a high bit. RFC 7518 §6.3.1.1 forbids it: the
//! key works in most libraries, but has another thumbprint than everywhere else, and strict ones refuse it.
//!
//! **What is changed:** the zero octets go.

use super::{KeySet, Report};
use crate::jose::base64url;
use crate::json;
use crate::rules::{Effect, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "jwks/leading-zeros",
    summary: "n or e begins with zero octets",
    reference: "RFC 7518 section 6.3.1.1",
    default: Setting::Repair,
    fixed: false,
    answers: &["leading-zero-n", "JWKS-41", "JWKS-43", "JWKS-44", "JWKS-45", "JWKS-46"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements().filter(|key| key.is("RSA")) {
        for name in ["n", "e"] {
            let Some(value) = key.value.get(name) else { continue };
            let Some(octets) = value.as_str().and_then(|text| base64url::decode(&*text)) else {
                continue;
            };
            let zeros = octets.iter().take_while(|octet| **octet == 0).count();
            match octets.get(zeros..) {
                Some(rest) if zeros > 0 && !rest.is_empty() => {
                    report.found(
                        key.pointer(Some(name)),
                        shown(value.raw()),
                        Effect::Repaired,
                        |edits| {
                            edits.replace(value, json::quote(&base64url::encode(rest)));
                        },
                    );
                }
                _ => {}
            }
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
            r#"{"keys":[{"kty":"RSA","e":"AAEAAQ"}]}"#,
            r#"{"keys":[{"kty":"RSA","e":"AQAB"}]}"#,
        );
        repaired(
            &RULE,
            r#"{"keys":[{"kty":"RSA","n":"AACA"}]}"#,
            r#"{"keys":[{"kty":"RSA","n":"gA"}]}"#,
        );
        silent(
            &RULE,
            r#"{"keys":[{"kty":"RSA","e":"AQAB","n":"AA"},{"kty":"EC","x":"AAE","e":"AAE"}]}"#,
        );
    }
}
