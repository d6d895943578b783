//! A URL of the document leads to the provider's address inside, which relying parties can't reach.
//!
//! A provider behind a proxy that builds URLs from what it sees of the request names its container, its cluster address or plain
//! http: Authelia, Hydra, Dex, Keycloak and node-oidc-provider have all been seen with it. All of 53 relying parties fail on such a
//! `jwks_uri`: "dial tcp …: connect: connection refused", "connect ECONNREFUSED", "Max retries exceeded with url".
//!
//! **What is changed:** a URL whose origin is the upstream's own (`upstream.url`), or plain http under the external name where that
//! is https, gets the external origin; path and query stay. Origins are compared as a whole: `https://idp.test.evil` is not
//! `https://idp.test`. Only members whose names end in `_endpoint`, `_uri` or `_iframe` are looked at, and never `issuer`.

use super::Facts;
use crate::json::{self, Value};
use crate::rules::{Effect, Report, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "discovery/inside-url",
    summary: "a URL leads to the provider's address inside, or to plain http",
    reference: "OpenID Connect Discovery section 3",
    default: Setting::Repair,
    fixed: false,
    answers: &["http-jwks-uri", "DISC-27", "DISC-28", "DISC-29", "DISC-30", "DISC-32"],
};

pub(super) fn check<'d>(document: Value<'d>, facts: Facts<'_>, report: &mut Report<'d>) {
    for member in document.members() {
        let name = member.name();
        if !["_endpoint", "_uri", "_iframe"].iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let Some(outside) = member.as_str().and_then(|url| (facts.outside)(&url)) else { continue };
        report.found(format!("/{name}"), shown(member.raw()), Effect::Repaired, |edits| {
            edits.replace(member, json::quote(&outside));
        });
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
            r#"{"jwks_uri":"http:\/\/idp:8080\/jwks?a=b", "token_endpoint" : "http://idp:8080/t"}"#,
            r#"{"jwks_uri":"https://idp.test/jwks?a=b", "token_endpoint" : "https://idp.test/t"}"#,
        );
        silent(
            &RULE,
            r#"{"issuer":"http://idp:8080/","jwks_uri":"http://idp:8080.evil/","x":{"a_uri":"http://idp:8080/"},"logo":"http://idp:8080/l","op_policy_uri":["http://idp:8080/"]}"#,
        );
    }
}
