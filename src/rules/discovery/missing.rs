//! There is no discovery document.
//!
//! Providers from before OpenID Connect Discovery, or with their own idea of it, answer 404, and every one of 53 relying parties that
//! is told the issuer alone gives up: "404 Not Found" (go-oidc), "Unable to resolve the Configuration with the provided Issuer"
//! (Spring).
//!
//! **What is changed:** where the configuration has `issuer`, `jwks_uri`, `authorization_endpoint` and `token_endpoint`, a document is
//! made of them and of the other endpoints there, with the URLs outside: `response_types_supported` is `["code"]`,
//! `subject_types_supported` `["public"]`, and `id_token_signing_alg_values_supported` what the keys of the set sign with.
//! `[issuer.discovery]` adds what else holds. Without those settings nothing is made.

use super::Facts;
use crate::json;
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "discovery/missing",
    summary: "there is no discovery document, though the configuration knows what it would say",
    reference: "OpenID Connect Discovery section 4",
    default: Setting::Repair,
    fixed: false,
    answers: &["no-discovery", "DISC-23", "DISC-25", "DISC-39", "DISC-41"],
};

/// The document that the provider lacks; `None` where too little is known for one.
pub(super) fn make(endpoints: &[(&str, String)], facts: Facts<'_>) -> Option<String> {
    const REQUIRED: [&str; 3] = ["authorization_endpoint", "token_endpoint", "jwks_uri"];
    let is_known = |name: &&str| endpoints.iter().any(|(known, _)| known == name);
    let issuer = facts.issuer.filter(|_| REQUIRED.iter().all(is_known))?;
    let algorithms: Vec<String> = facts.algorithms.iter().map(|name| json::quote(name)).collect();
    let mut members = vec![("issuer", json::quote(issuer))];
    members.extend(endpoints.iter().map(|(name, url)| (*name, json::quote(url))));
    members.push(("response_types_supported", "[\"code\"]".to_owned()));
    members.push(("subject_types_supported", "[\"public\"]".to_owned()));
    if !algorithms.is_empty() {
        let list = format!("[{}]", algorithms.join(","));
        members.push(("id_token_signing_alg_values_supported", list));
    }
    let members: Vec<String> =
        members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    Some(format!("{{{}}}", members.join(",")))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{FACTS, NOTHING};
    use super::make;

    #[test]
    fn it_is_made_of_what_is_known_and_of_nothing_less() {
        let endpoints = |names: &[&'static str]| -> Vec<(&'static str, String)> {
            names.iter().map(|name| (*name, format!("https://idp.test/{name}"))).collect()
        };
        let all = endpoints(&["authorization_endpoint", "token_endpoint", "jwks_uri"]);
        assert_eq!(
            make(&all, FACTS).as_deref(),
            Some(
                r#"{"issuer":"https://idp.test","authorization_endpoint":"https://idp.test/authorization_endpoint","token_endpoint":"https://idp.test/token_endpoint","jwks_uri":"https://idp.test/jwks_uri","response_types_supported":["code"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256","ES256"]}"#
            )
        );
        assert_eq!(make(&all, NOTHING), None, "no issuer");
        assert_eq!(make(&endpoints(&["token_endpoint", "jwks_uri"]), FACTS), None);
    }
}
