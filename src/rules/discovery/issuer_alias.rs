//! `issuer` is not the issuer that relying parties know, but another name of it that the configuration knows.
//!
//! A slash too many, an internal host, a path that nobody configured: a relying party compares the issuer to the letter with what it
//! was set up with (OpenID Connect Discovery §4.3), and 39 of 53 refuse a single slash: "oidc: issuer URL provided to client …
//! did not match the issuer URL returned by provider …" (go-oidc), "Issuer name does not match authority" (Duende).
//!
//! **What is changed:** an `issuer` that `issuer.aliases` lists, to the letter, becomes `issuer.issuer`; so do `iss` in ID tokens
//! (`claims/issuer-alias`) and the `iss` parameter of redirects to relying parties (RFC 9207). The three always say the same: a
//! configuration under which they would not is refused. Nothing is guessed, not even a slash.

use super::Facts;
use crate::json::{self, Value};
use crate::rules::{Effect, Report, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "discovery/issuer-alias",
    summary: "issuer is another name of the issuer, as configured",
    reference: "OpenID Connect Discovery section 4.3",
    default: Setting::Repair,
    fixed: false,
    answers: &[
        "discovery-trailing-slash",
        "DISC-01",
        "DISC-02",
        "DISC-03",
        "DISC-07",
        "DISC-08",
        "DISC-10",
        "DISC-34",
        "DISC-36",
        "FRONT-02",
    ],
};

pub(super) fn check<'d>(document: Value<'d>, facts: Facts<'_>, report: &mut Report<'d>) {
    let (Some(issuer), Some(member)) = (facts.issuer, document.get("issuer")) else { return };
    if member.is_str(issuer) || !facts.aliases.iter().any(|alias| member.is_str(alias)) {
        return;
    }
    report.found("/issuer".to_owned(), shown(member.raw()), Effect::Repaired, |edits| {
        edits.replace(member, json::quote(issuer));
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{FACTS, NOTHING, repaired, silent, silent_with};
    use super::{Facts, RULE};

    #[test]
    fn fixtures() {
        let after = r#"{ "issuer" : "https://idp.test","x":1}"#;
        for alias in ["https://idp.test/", "http://idp:8080", "https:\\/\\/idp.test\\/"] {
            repaired(&RULE, &after.replace("https://idp.test", alias), after);
        }
        for other in
            ["https://idp.test//", "https://idp.test", "http://idp:80", "HTTPS://idp.test/"]
        {
            silent(&RULE, &format!(r#"{{"issuer":"{other}"}}"#));
        }
        silent_with(&RULE, NOTHING, r#"{"issuer":"https://idp.test/"}"#);
        // Where nothing says which name relying parties know, none is chosen.
        silent_with(&RULE, Facts { issuer: None, ..FACTS }, r#"{"issuer":"https://idp.test/"}"#);
    }
}
