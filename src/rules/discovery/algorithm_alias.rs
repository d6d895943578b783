//! An algorithm has another name than its registered one: `"SHA256withRSA"`.
//!
//! Java's cryptography calls it that, and Cloud Foundry UAA published the name. 13 of 53 relying parties then refuse every token:
//! "Algorithm of 'RS256' is not allowed" (Authlib, joserfc), "Wrong signing algorithm, expected ['SHA256withRSA'] got RS256"
//! (cryptojwt), "unexpected JWT \"alg\" header parameter" (openid-client), "invalid algorithm" (jsonwebtoken).
//!
//! **What is changed:** in the lists `…_signing_alg_values_supported`, the names of Java become the registered ones (RFC 7518 §3.1).

use super::Facts;
use crate::json::{self, Value};
use crate::rules::{Effect, Report, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "discovery/algorithm-alias",
    summary: "a signing algorithm has another name than its registered one",
    reference: "RFC 7518 section 3.1",
    default: Setting::Repair,
    fixed: false,
    answers: &["signing-alg-alias", "DISC-15"],
};

const NAMES: [(&str, &str); 8] = [
    ("SHA256withRSA", "RS256"),
    ("SHA384withRSA", "RS384"),
    ("SHA512withRSA", "RS512"),
    ("RSA256", "RS256"),
    ("SHA256withECDSA", "ES256"),
    ("SHA384withECDSA", "ES384"),
    ("SHA512withECDSA", "ES512"),
    ("HmacSHA256", "HS256"),
];

pub(super) fn check<'d>(document: Value<'d>, _: Facts<'_>, report: &mut Report<'d>) {
    let lists =
        document.members().filter(|list| list.name().ends_with("_signing_alg_values_supported"));
    for list in lists {
        for (place, value) in list.elements().enumerate() {
            let Some(text) = value.as_str() else { continue };
            let known = NAMES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(&text));
            let Some((_, name)) = known else { continue };
            let pointer = format!("/{}/{place}", list.name());
            report.found(pointer, shown(value.raw()), Effect::Repaired, |edits| {
                // The list may have the right name too; a name twice would be the next flaw.
                if list.elements().any(|other| other.is_str(name)) {
                    edits.remove(list, value);
                } else {
                    edits.replace(value, json::quote(name));
                }
            });
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
            r#"{"id_token_signing_alg_values_supported":["SHA256withRSA", "SHA384WITHECDSA"]}"#,
            r#"{"id_token_signing_alg_values_supported":["RS256", "ES384"]}"#,
        );
        repaired(
            &RULE,
            r#"{"userinfo_signing_alg_values_supported":["SHA256withRSA","RS256"]}"#,
            r#"{"userinfo_signing_alg_values_supported":["RS256"]}"#,
        );
        silent(
            &RULE,
            r#"{"id_token_signing_alg_values_supported":["RS256","none","SHA1withRSA","rs256"],"algs":["RSA256"]}"#,
        );
    }
}
