//! A key is given by its certificate alone: `x5c` without `n` and `e`, or without `x` and `y`.
//!
//! RFC 7517 §4.7 wants the key's own members beside the certificate. 49 of 53 relying parties refuse the key: "RSA
//! modulus `n` is missing", "invalid RSA key, missing n/e values", "'n' is required", "Expected "jwk.e" to be a
//! String".
//!
//! **What is changed:** the members of the key are added as the first certificate says. Whether that certificate
//! is valid plays no part, as for every key of a set: what vouches for it is where the set came from.

use super::{Key, KeySet, Report};
use crate::jose::{PublicKey, public_key_from_certificate};
use crate::json::quote;
use crate::rules::{Effect, Rule, Setting};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(super) static RULE: Rule = Rule {
    id: "jwks/x5c-only",
    summary: "a key is given by its certificate alone",
    reference: "RFC 7517 section 4.7, RFC 7518 section 6",
    default: Setting::Repair,
    fixed: false,
    answers: &["x5c-only"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        let derived = first_of_x5c(key).and_then(|der| public_key_from_certificate(&der));
        if let Some(public) = derived.filter(|public| is_lacked_by(public, key)) {
            report.found(
                key.pointer(Some("x5c")),
                "a certificate alone",
                Effect::Repaired,
                |edits| {
                    for (name, value) in lacking(&public, key) {
                        edits.insert_member(key.value, name, &quote(&value));
                    }
                },
            );
        }
    }
}

/// The octets that stand first in `x5c`.
pub(super) fn first_of_x5c(key: Key<'_>) -> Option<Vec<u8>> {
    let first = key.value.get("x5c")?.elements().next()?;
    STANDARD.decode(&*first.as_str()?).ok()
}

/// True if `key` has no number or coordinate yet, and nothing that speaks against `public`.
pub(super) fn is_lacked_by(public: &PublicKey, key: Key<'_>) -> bool {
    let members = public.required_members();
    ["n", "e", "x", "y", "k"].iter().all(|name| key.value.get(name).is_none())
        && members
            .iter()
            .all(|(name, value)| key.value.get(name).is_none_or(|present| present.is_str(value)))
}

/// The members of `public` that `key` has not.
pub(super) fn lacking(public: &PublicKey, key: Key<'_>) -> Vec<(&'static str, String)> {
    let mut members = public.required_members();
    members.retain(|(name, _)| key.value.get(name).is_none());
    members
}

#[cfg(test)]
mod tests {
    use super::super::testing::{CERTIFICATE, CERTIFICATE_X, repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        let set = |members: &str| format!(r#"{{"keys":[{{{members}"x5c":["{CERTIFICATE}"]}}]}}"#);
        let key = format!(r#""crv":"Ed25519","x":"{CERTIFICATE_X}","#);
        repaired(&RULE, &set(r#""kty":"OKP","#), &set(&format!("{key}\"kty\":\"OKP\",")));
        repaired(
            &RULE,
            &set(""),
            &set(&format!(r#""crv":"Ed25519","kty":"OKP","x":"{CERTIFICATE_X}","#)),
        );
        silent(&RULE, &set(r#""kty":"RSA","#));
        silent(&RULE, &set(r#""kty":"OKP","x":"other","#));
        silent(&RULE, r#"{"keys":[{"kty":"RSA","x5c":["AQAB"]},{"kty":"RSA","x5c":[]}]}"#);
    }
}
