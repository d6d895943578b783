//! An ECDSA signature is in the form of DER, as cryptographic libraries make it, and not in that of JOSE.
//!
//! Seen in OpenCred, Keycloak and a library of Vapor. 52 of 53 relying parties refuse the token: "signature verification failed"
//! (jose), "Signature verification failed" (PyJWT), "BadJWSException: Signed JWT rejected: Invalid signature" (Nimbus), "ES256
//! signatures must be 64 bytes, saw 70" (jwks-rsa).
//!
//! **What is changed:** a signature that is not right in JOSE's form is read as DER, strictly: one sequence of two positive numbers
//! of the key's own curve, with nothing before, between or behind. If the provider's key then verifies it, the token is re-signed
//! in JOSE's form. The carrier holds the signature as it came. Set to `warn`, such a token is reported, and passes.

use crate::rules::{Effect, Finding, Rule, Setting, Settings};

pub(super) static RULE: Rule = Rule {
    id: "claims/signature-der",
    summary: "an ECDSA signature is in the form of DER",
    reference: "RFC 7518 section 3.4",
    default: Setting::Repair,
    fixed: false,
    answers: &["der-ecdsa"],
};

/// The finding for a token whose signature is right, but in DER; `None` where nobody wants to know.
pub(super) fn found(settings: &Settings) -> Option<Finding> {
    let effect = match RULE.setting(settings) {
        Setting::Repair => Effect::Repaired,
        Setting::Warn => Effect::Kept,
        Setting::Off => return None,
    };
    Some(Finding {
        rule: RULE.id,
        pointer: String::new(),
        detail: "the signature is a DER sequence".to_owned(),
        effect,
        flaw: RULE.answers.first().copied(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_decides() {
        let set = |setting| Settings::from([(RULE.id.to_owned(), setting)]);
        assert_eq!(found(&Settings::new()).unwrap().effect, Effect::Repaired);
        assert_eq!(found(&set(Setting::Warn)).unwrap().effect, Effect::Kept);
        assert_eq!(found(&set(Setting::Off)), None);
    }
}
