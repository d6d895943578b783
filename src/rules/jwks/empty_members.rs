//! A member that describes a key is empty.
//!
//! Serialisers that write every field leave `"alg": ""`, `"crv": ""` in an RSA key, `"x5c": []` or `"oth": []`. Typed
//! libraries take the empty text for a value that they don't know and skip the key, or refuse the set; an
//! empty `oth`, a member of private keys, breaks decoders of public ones.
//!
//! **What is changed:** the member goes. An empty `kid` has a rule of its own, and an empty `key_ops`, which could
//! mean that the key is for nothing, stays.

use super::{Key, KeySet, Report};
use crate::jose::PRIVATE_MEMBERS;
use crate::json::{Kind, Value};
use crate::rules::{Effect, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/empty-members",
    summary: "a member that describes a key is empty",
    reference: "RFC 7517 section 4",
    default: Setting::Repair,
    fixed: false,
    answers: &["JWKS-33", "JWKS-51"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        for member in key.value.members().filter(|member| says_nothing(key, *member)) {
            let pointer = key.pointer(Some(&member.name()));
            report.found(pointer, "empty", Effect::Repaired, |edits| {
                edits.remove(key.value, member);
            });
        }
    }
}

/// True if a key that does not say its type has these members, so that it will be known for one that has no others.
fn is_without_kty(key: Key<'_>, members: [&str; 2]) -> bool {
    let says = |name: &str| key.value.get(name).is_some_and(|member| !member.is_str(""));
    key.value.get("kty").is_none() && members.into_iter().all(says)
}

fn says_nothing(key: Key<'_>, member: Value<'_>) -> bool {
    let name = member.name();
    let may_be_empty = match &*name {
        "alg" | "use" | "x5u" | "x5t" | "x5t#S256" | "x5c" => true,
        "crv" | "x" | "y" => key.is("RSA") || is_without_kty(key, ["n", "e"]),
        "n" | "e" => key.is("EC") || key.is("OKP") || is_without_kty(key, ["crv", "x"]),
        // A key that should be secret is another rule's, whatever stands in it.
        "k" => false,
        other => PRIVATE_MEMBERS.contains(&other),
    };
    let is_empty = match member.kind() {
        Kind::String => member.is_str(""),
        Kind::Array => member.elements().all(|element| element.is_str("")),
        _ => false,
    };
    may_be_empty && is_empty
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        repaired(
            &RULE,
            r#"{"keys":[{"kty":"RSA","alg":"","crv":"","x5c":[""],"oth":[],"d":"","n":"AQ"}]}"#,
            r#"{"keys":[{"kty":"RSA","n":"AQ"}]}"#,
        );
        // Which type a key will be known for decides here, too: what one repair leaves, no second one changes.
        repaired(
            &RULE,
            r#"{"keys":[{"n":"AQ","e":"AQAB","y":""}]}"#,
            r#"{"keys":[{"n":"AQ","e":"AQAB"}]}"#,
        );
        silent(
            &RULE,
            r#"{"keys":[{"kty":"EC","crv":"","x":"","kid":"","key_ops":[],"alg":" ","oth":[{}],"k":""}]}"#,
        );
    }
}
