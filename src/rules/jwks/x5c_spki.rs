//! `x5c` holds a bare public key (SubjectPublicKeyInfo) instead of a certificate.
//!
//! Some versions of CAS write it that way, without `n` and `e`. All of 53 relying parties refuse the key: "RSA modulus
//! `n` is missing", "Invalid JWK RSA key".
//!
//! **What is changed:** the members of the key are added as the public key says, and `x5c`, which is no chain of
//! certificates (RFC 7517 §4.7), goes.

use super::x5c_only::{first_of_x5c, is_lacked_by, lacking};
use super::{KeySet, Report};
use crate::jose::public_key_from_spki;
use crate::json::quote;
use crate::rules::{Effect, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/x5c-spki",
    summary: "x5c holds a bare public key instead of a certificate",
    reference: "RFC 7517 section 4.7",
    default: Setting::Repair,
    fixed: false,
    answers: &["x5c-spki"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        let Some(x5c) = key.value.get("x5c") else { continue };
        let derived = first_of_x5c(key).and_then(|der| public_key_from_spki(&der));
        if let Some(public) = derived.filter(|public| is_lacked_by(public, key)) {
            report.found(key.pointer(Some("x5c")), "a public key", Effect::Repaired, |edits| {
                for (name, value) in lacking(&public, key) {
                    edits.insert_member(key.value, name, &quote(&value));
                }
                edits.remove(key.value, x5c);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{CERTIFICATE, ED25519_MEMBERS, ED25519_PEM, repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        let spki = ED25519_PEM.lines().nth(1).unwrap();
        repaired(
            &RULE,
            &format!(r#"{{"keys":[{{"kid":"a","x5c":["{spki}"]}}]}}"#),
            &format!(r#"{{"keys":[{{{ED25519_MEMBERS},"kid":"a"}}]}}"#),
        );
        silent(&RULE, &format!(r#"{{"keys":[{{"kty":"RSA","x5c":["{spki}"]}}]}}"#));
        silent(&RULE, &format!(r#"{{"keys":[{{"x5c":["{CERTIFICATE}"]}}]}}"#));
    }
}
