//! A member is missing or wrong, and only who runs the provider can know what holds.
//!
//! `code_challenge_methods_supported` is left out though PKCE works, so that relying parties don't use it and the provider then asks
//! for it: "code_verifier is not valid" (Immich). `token_endpoint_auth_methods_supported` is left out though only
//! `client_secret_post` works, which means the other: "invalid_client" (nextcloud user_oidc); or a relying party can't do without it:
//! "Required property 'token_endpoint_auth_methods_supported' not found in JSON" (Entra External ID), "NullPointerException" (Open
//! Liberty). Or the provider promises what it doesn't do: "iss missing from the response".
//!
//! **What is changed:** each member that `[issuer.discovery]` names gets the value that stands there. Nothing is changed without
//! that. What is written there is promised in the provider's name: write only what it does.

use super::Facts;
use crate::json::Value;
use crate::rules::{Effect, Report, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "discovery/as-configured",
    summary: "a member is not what the configuration says it should be",
    reference: "RFC 8414 section 2",
    default: Setting::Repair,
    fixed: false,
    answers: &["DISC-17", "DISC-18", "DISC-19", "DISC-20", "DISC-21", "FRONT-03"],
};

pub(super) fn check<'d>(document: Value<'d>, facts: Facts<'_>, report: &mut Report<'d>) {
    for (name, value) in facts.configured {
        let found = match document.get(name) {
            None => "missing".to_owned(),
            Some(member) if is_same(member.raw(), value) => continue,
            Some(member) => shown(member.raw()),
        };
        report.found(format!("/{name}"), found, Effect::Repaired, |edits| {
            edits.set_member(document, name, value);
        });
    }
}

/// Two texts of one value; blanks don't matter.
fn is_same(one: &str, other: &str) -> bool {
    let read = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    one == other || read(one).is_some_and(|one| Some(one) == read(other))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOTHING, repaired, silent, silent_with};
    use super::RULE;

    #[test]
    fn fixtures() {
        let after = r#"{"code_challenge_methods_supported":["S256"],"issuer":"i"}"#;
        repaired(&RULE, r#"{"issuer":"i"}"#, after);
        repaired(&RULE, r#"{"code_challenge_methods_supported":["plain"],"issuer":"i"}"#, after);
        silent(&RULE, r#"{"code_challenge_methods_supported": [ "S256" ]}"#);
        silent_with(&RULE, NOTHING, r#"{"issuer":"i"}"#);
    }
}
