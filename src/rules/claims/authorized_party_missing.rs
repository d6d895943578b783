//! `aud` names several audiences, and there is no `azp`.
//!
//! Oracle IDCS, NetSuite and others leave it out, as OpenID Connect Core §2 lets them. 11 of 53 relying parties then refuse:
//! "missing required JWT property azp" (openid-client), "Missing claim: 'azp'" (Authlib), "authorized party is not set. If
//! Token is valid for multiple audiences, azp must not be empty" (Zitadel), "multiple audiences and authorized party … is not
//! equal client_id".
//!
//! **What is changed,** where the rule is set to `repair`: `azp` becomes that audience which `issuer.audiences` lists, if it lists
//! exactly one of the token's. **The risk,** for which the rule is off by default: kidstamp does not know which client asked. If
//! the provider issues one token for several of its clients, the listed client would accept one that another client was given.

use super::{Context, pointer};
use crate::json::{Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "claims/azp-missing",
    summary: "several audiences and no azp",
    reference: "OpenID Connect Core sections 2 and 3.1.3.7 (4)",
    default: Setting::Off,
    fixed: false,
    answers: &["azp-missing", "IDT-12"],
};

pub(super) fn check<'d>(claims: Value<'d>, context: Context<'_>, report: &mut Report<'d>) {
    let Some(audience) = claims.get("aud").filter(|aud| aud.elements().nth(1).is_some()) else {
        return;
    };
    if claims.get("azp").is_some() || audience.elements().any(|aud| aud.kind() != Kind::String) {
        return;
    }
    let mut listed = audience
        .elements()
        .filter(|aud| context.options.audiences.iter().any(|listed| aud.is_str(listed)));
    if let (Some(party), None) = (listed.next(), listed.next()) {
        report.found(pointer(audience), "no azp beside it", Effect::Repaired, |edits| {
            edits.insert_member(claims, "azp", party.raw());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::super::testing::{repaired_with, silent_with};
    use super::RULE;

    #[test]
    fn fixtures() {
        let listing = |audiences: &[&str]| Options {
            audiences: audiences.iter().map(|audience| (*audience).to_owned()).collect(),
            ..Options::default()
        };
        repaired_with(
            &RULE,
            &listing(&["rp", "other"]),
            r#"{"aud":["api","rp"],"exp":1}"#,
            r#"{"azp":"rp","aud":["api","rp"],"exp":1}"#,
        );
        let text = r#"{"aud":["api","rp"],"exp":1}"#;
        silent_with(&RULE, &listing(&[]), text);
        silent_with(&RULE, &listing(&["rp", "api"]), text);
        silent_with(&RULE, &listing(&["other"]), text);
        for text in [
            r#"{"aud":["rp"]}"#,
            r#"{"aud":"rp"}"#,
            r#"{"aud":["rp","api"],"azp":"api"}"#,
            r#"{"aud":["rp",1]}"#,
        ] {
            silent_with(&RULE, &listing(&["rp"]), text);
        }
    }
}
