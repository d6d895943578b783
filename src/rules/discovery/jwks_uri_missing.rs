//! The document has no `jwks_uri`.
//!
//! Cloud Foundry UAA left it out. OpenID Connect Discovery §3 requires it, and 52 of 53 relying parties find no key: "Missing
//! \"jwks_uri\" in metadata" (Authlib), "provider did not return JWKS URL" (Kubernetes), "No valid jwks_uri key found in
//! providerConfig".
//!
//! **What is changed:** the `jwks_uri` that the configuration names (`issuer.jwks_uri`) is added. Nothing is guessed: without that
//! setting the document stays.

use super::Facts;
use crate::json::{self, Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "discovery/jwks-uri-missing",
    summary: "no jwks_uri, though the configuration knows one",
    reference: "OpenID Connect Discovery section 3",
    default: Setting::Repair,
    fixed: false,
    answers: &["no-jwks-uri", "DISC-15"],
};

pub(super) fn check<'d>(document: Value<'d>, facts: Facts<'_>, report: &mut Report<'d>) {
    const NAME: &str = "jwks_uri";
    let Some(uri) = facts.jwks_uri else { return };
    if document.get(NAME).is_none_or(|member| member.kind() == Kind::Null) {
        report.found(format!("/{NAME}"), "missing", Effect::Repaired, |edits| {
            edits.set_member(document, NAME, &json::quote(uri));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOTHING, repaired, silent, silent_with};
    use super::RULE;

    #[test]
    fn fixtures() {
        let after = r#"{"jwks_uri":"https://idp.test/keys","issuer":"i"}"#;
        repaired(&RULE, r#"{"issuer":"i"}"#, after);
        repaired(&RULE, r#"{"jwks_uri":null,"issuer":"i"}"#, after);
        silent(&RULE, r#"{"jwks_uri":"https://elsewhere.test/"}"#);
        silent_with(&RULE, NOTHING, r#"{"issuer":"i"}"#);
    }
}
