//! A key says of a certificate what its tokens don't, and a relying party looks there first.
//!
//! WSO2 writes `x5t` into tokens in another spelling than into the set: a relying party that looks a key up by it finds none, and doesn't
//! try `kid` (jose4j). One library refuses a set with `x5t` and no `x5c`: "X5T in marshal does not match X5T in marshalled" (keyfunc).
//! The members are allowed, so the rule is off by default.
//!
//! **What is changed,** where the rule is set to `repair`: `x5c`, `x5t`, `x5t#S256` and `x5u` are taken out of keys that have the members
//! of their type besides, so that relying parties look for the `kid`. A relying party that checks the certificate finds none then.

use super::{KeySet, Report};
use crate::rules::{Effect, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/certificate-members",
    summary: "a key points at a certificate, which is allowed but refused by some",
    reference: "RFC 7517 sections 4.6 to 4.9",
    default: Setting::Off,
    fixed: false,
    answers: &["JWKS-64", "JWKS-65"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements().filter(|key| key.public().is_some()) {
        for name in ["x5c", "x5t", "x5t#S256", "x5u"] {
            let Some(member) = key.value.get(name) else { continue };
            report.found(key.pointer(Some(name)), "a certificate", Effect::Repaired, |edits| {
                edits.remove(key.value, member);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ED25519_MEMBERS, repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        repaired(
            &RULE,
            &format!(r#"{{"keys":[{{{ED25519_MEMBERS},"x5t":"AQAB","kid":"a","x5c":["AQ"]}}]}}"#),
            &format!(r#"{{"keys":[{{{ED25519_MEMBERS},"kid":"a"}}]}}"#),
        );
        // Nothing else says what the key is.
        silent(&RULE, r#"{"keys":[{"kty":"RSA","x5c":["AQ"]}]}"#);
        silent(&RULE, &format!(r#"{{"keys":[{{{ED25519_MEMBERS},"kid":"a"}}]}}"#));
    }
}
