//! `email_verified` or `phone_number_verified` is the string "true" or "false".
//!
//! JumpCloud, Centrify and providers whose claims come out of templates write it. OpenID Connect Core §5.1 wants a JSON
//! boolean; Go programs refuse the token: "json: cannot unmarshal string into Go struct field .email_verified of type bool"
//! (Coder, listmonk, oauth2-proxy: "failed to parse id_token claims"). Others take any string for true, "false" too.
//!
//! **What is changed:** the boolean that the provider meant takes the place of the string. What it says stays: kidstamp
//! never sets the claim to what the provider did not say.

use super::{Context, pointer};
use crate::json::Value;
use crate::rules::{Effect, Report, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "claims/verified-string",
    summary: "email_verified or phone_number_verified is a string",
    reference: "OpenID Connect Core section 5.1",
    default: Setting::Repair,
    fixed: false,
    answers: &["IDT-34", "IDT-35"],
};

pub(super) fn check<'d>(claims: Value<'d>, _: Context<'_>, report: &mut Report<'d>) {
    mend(claims, report);
}

/// Of any object with claims about a person.
pub(super) fn mend<'d>(claims: Value<'d>, report: &mut Report<'d>) {
    for name in ["email_verified", "phone_number_verified"] {
        let Some(claim) = claims.get(name) else { continue };
        let Some(text) = claim.as_str() else { continue };
        let meant = match text.to_ascii_lowercase().as_str() {
            "true" => "true",
            "false" => "false",
            _ => continue,
        };
        report.found(pointer(claim), shown(claim.raw()), Effect::Repaired, |edits| {
            edits.replace(claim, meant);
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
            r#"{"email_verified":"true","phone_number_verified": "False"}"#,
            r#"{"email_verified":true,"phone_number_verified": false}"#,
        );
        silent(&RULE, r#"{"email_verified":true,"phone_number_verified":null,"admin":"true"}"#);
        silent(&RULE, r#"{"email_verified":"1","phone_number_verified":"yes"}"#);
    }
}
