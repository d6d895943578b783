//! A member of a key is `null`.
//!
//! Serialisers that write every field of a class leave `"use": null`, `"x5c": null` and the like. 19 of 53 relying
//! parties refuse the key, or the set: "'use' must be one of ['sig', 'enc']", "object of type 'NoneType' has no
//! len()", "no applicable key found in the JSON Web Key Set".
//!
//! **What is changed:** the member goes: the key says nothing about it. A `kid` of `null` has a rule of its own.

use super::{KeySet, Report};
use crate::json::Kind;
use crate::rules::{Effect, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/null-members",
    summary: "a member of a key is null",
    reference: "RFC 7517 section 4",
    default: Setting::Repair,
    fixed: false,
    answers: &["null-members"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        for member in key.value.members().filter(|member| member.kind() == Kind::Null) {
            let name = member.name();
            if name != "kid" {
                report.found(key.pointer(Some(&name)), "null", Effect::Repaired, |edits| {
                    edits.remove(key.value, member);
                });
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
            r#"{"keys":[{"use":null, "kty":"RSA", "d":null, "kid":null, "x5c":null}]}"#,
            r#"{"keys":[{"kty":"RSA", "kid":null}]}"#,
        );
        silent(
            &RULE,
            r#"{"keys":[null,{"kid":null,"x5c":[null],"use":"null","a":{"b":null}}],"x":null}"#,
        );
    }
}
