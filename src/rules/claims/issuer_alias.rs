//! `iss` is not the issuer of the discovery document, but another name of it that the configuration knows.
//!
//! A slash too many, an internal host, an old domain: the provider writes one name into tokens and another into its metadata.
//! 50 of 53 relying parties compare to the letter and refuse: "oidc: id token issued by a different provider, expected … got …"
//! (go-oidc), "invalid issuer claim (iss)" (go-jose), "Unexpected 'iss' value" (Auth0), "Invalid claim: 'iss'" (Authlib).
//!
//! **What is changed:** an `iss` that `issuer.aliases` lists, to the letter, becomes the issuer. Nothing is listed by default, and
//! nothing is ever guessed, not even a slash: two issuers may differ in just that. List only names that this very provider signs
//! with: whoever else could use one could sign in as anyone.

use super::{Context, pointer};
use crate::json::{self, Value};
use crate::rules::{Effect, Report, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "claims/issuer-alias",
    summary: "iss is another name of the issuer, as configured",
    reference: "OpenID Connect Core section 3.1.3.7 (2)",
    default: Setting::Repair,
    fixed: false,
    answers: &["issuer-trailing-slash", "IDT-39"],
};

pub(super) fn check<'d>(claims: Value<'d>, context: Context<'_>, report: &mut Report<'d>) {
    let Some(issuer) = claims.get("iss") else { return };
    let options = context.options;
    if issuer.is_str(&options.issuer) {
        return;
    }
    if options.issuer_aliases.iter().any(|alias| issuer.is_str(alias)) {
        report.found(pointer(issuer), shown(issuer.raw()), Effect::Repaired, |edits| {
            edits.replace(issuer, json::quote(&options.issuer));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::super::testing::{repaired_with, silent, silent_with};
    use super::RULE;

    #[test]
    fn fixtures() {
        let options = Options {
            issuer: "https://idp.test".to_owned(),
            issuer_aliases: vec!["https://idp.test/".to_owned(), "http://idp:8080".to_owned()],
            ..Options::default()
        };
        for alias in ["https://idp.test/", "http://idp:8080", "https:\\/\\/idp.test\\/"] {
            repaired_with(
                &RULE,
                &options,
                &format!(r#"{{"sub":"a","iss":"{alias}"}}"#),
                r#"{"sub":"a","iss":"https://idp.test"}"#,
            );
        }
        for other in
            ["https://idp.test//", "https://idp.test/x", "HTTPS://idp.test/", "http://idp:80"]
        {
            silent_with(&RULE, &options, &format!(r#"{{"iss":"{other}"}}"#));
        }
        silent_with(&RULE, &options, r#"{"iss":["https://idp.test/"]}"#);
        silent(&RULE, r#"{"iss":"https://idp.test/"}"#);
    }
}
