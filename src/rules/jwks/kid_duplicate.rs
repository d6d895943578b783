//! Different keys have the same `kid`.
//!
//! A relying party takes the first or the last of them, or refuses the set: 36 of 53 refuse a login
//! signed with the second.
//!
//! **What is changed:** the first key for signatures keeps the `kid`, or, if there is none, the first
//! key; the others get their SHA-256 thumbprint (RFC 7638). Tokens of those others are re-signed.

use super::{KeySet, Report};
use crate::jose::Kid;
use crate::rules::{Rule, Setting};
use std::collections::HashMap;

pub(super) static RULE: Rule = Rule {
    id: "jwks/kid-duplicate",
    summary: "different keys have the same kid",
    reference: "RFC 7517 section 4.5",
    default: Setting::Repair,
    fixed: false,
    answers: &["duplicate-kid"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    // By kid: the place of its owner, and why that key keeps it: it is its thumbprint, it signs.
    let mut owners: HashMap<String, (usize, (bool, bool))> = HashMap::new();
    for key in set.elements() {
        let Kid::Text(kid) = Kid::of(key.value) else { continue };
        // Another key of that kid gets its own thumbprint, but this one would only get the same kid again.
        let claim = (key.thumbprint().as_ref() == Some(&kid), key.is_for_signatures());
        let owner = owners.entry(kid).or_insert((key.place, claim));
        if claim > owner.1 {
            *owner = (key.place, claim);
        }
    }
    for key in set.elements() {
        let Kid::Text(kid) = Kid::of(key.value) else { continue };
        if owners.get(&kid).is_some_and(|(owner, _)| *owner != key.place) {
            key.stamp(report, "a kid that another key of the set has");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ED25519, ED25519_KID, repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        repaired(
            &RULE,
            &format!(
                r#"{{"keys":[{{"kid":"a","use":"enc",{ED25519}}},{{"kid":"a","use":"sig","kty":"X"}}]}}"#
            ),
            &format!(
                r#"{{"keys":[{{"kid":"{ED25519_KID}","use":"enc",{ED25519}}},{{"kid":"a","use":"sig","kty":"X"}}]}}"#
            ),
        );
        repaired(
            &RULE,
            &format!(r#"{{"keys":[{{"kid":"a","kty":"X"}},{{"kid":"a",{ED25519}}}]}}"#),
            &format!(r#"{{"keys":[{{"kid":"a","kty":"X"}},{{"kid":"{ED25519_KID}",{ED25519}}}]}}"#),
        );
        let x = "GKqcKejo4UCtQSlqgAxMKizN3_nSyx6pEmADmL4wFRY";
        repaired(
            &RULE,
            &format!(
                r#"{{"keys":[{{"kid":"{ED25519_KID}","use":"sig","kty":"X"}},{{"kid":"{ED25519_KID}",{ED25519}}}]}}"#
            ),
            &format!(
                r#"{{"keys":[{{"kid":"{x}","use":"sig","kty":"X"}},{{"kid":"{ED25519_KID}",{ED25519}}}]}}"#
            ),
        );
        silent(&RULE, &format!(r#"{{"keys":[{{"kid":"a","kty":"X"}},{{"kid":"A",{ED25519}}}]}}"#));
    }
}
