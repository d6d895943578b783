//! A key is published with its private members.
//!
//! Whoever has read the set once can sign as the provider. Taking the members away would turn a set that
//! careful relying parties refuse into one that they trust, so the key itself is no longer
//! published.
//!
//! **What is changed:** the key is taken out of the set. Tokens in the provider's own responses are still
//! verified with it and re-signed under the bridge key, with an alarm until the provider has a new key.
//! `jwks.publish_compromised = true` publishes the public half instead. Private members never leave in any case: this
//! rule can't be switched off.

use super::{KeySet, Report};
use crate::jose::PRIVATE_MEMBERS;
use crate::rules::{Effect, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/private-members",
    summary: "a key is published with its private members, so that anyone can sign with it",
    reference: "RFC 7517 section 9.2",
    default: Setting::Repair,
    fixed: true,
    answers: &["private-members"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements().filter(|key| !key.is("oct")) {
        let private: Vec<_> = key
            .value
            .members()
            .filter(|member| PRIVATE_MEMBERS.contains(&&*member.name()))
            .collect();
        if private.is_empty() {
            continue;
        }
        let names: Vec<String> = private.iter().map(|member| member.name().into_owned()).collect();
        let detail = format!("private members {} are published", names.join(", "));
        if set.options.publish_compromised {
            report.found(key.pointer(None), detail, Effect::Repaired, |edits| {
                private.into_iter().for_each(|member| edits.remove(key.value, member));
            });
        } else {
            report.compromised.extend(key.public());
            report.found(key.pointer(None), detail, Effect::Compromised, |edits| {
                edits.remove(set.keys, key.value);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::super::testing::{repaired, repaired_with, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        repaired(
            &RULE,
            r#"{"keys":[{"kty":"RSA","n":"AQ","d":"AQ"},{"kty":"X"}]}"#,
            r#"{"keys":[{"kty":"X"}]}"#,
        );
        let options = Options { publish_compromised: true, ..Options::default() };
        repaired_with(
            &RULE,
            &options,
            r#"{"keys":[{"kty":"RSA","n":"AQ","d":"AQ","p":"AQ"}]}"#,
            r#"{"keys":[{"kty":"RSA","n":"AQ"}]}"#,
        );
        silent(&RULE, r#"{"keys":[{"kty":"RSA","n":"AQ","D":"AQ"}]}"#);
    }
}
