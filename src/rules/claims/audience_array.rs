//! `aud` is an array of one, and a relying party wants a string.
//!
//! RFC 7519 §4.1.3 allows both, so this is no flaw of the provider, and the rule is off by default. Some relying parties know
//! only the string: okta-jwt-verifier says "audience claim X does not match expected client id: X", Bacularis "Array to string
//! conversion", angular-auth-oidc-client "authorizedCallback incorrect aud".
//!
//! **What is changed,** where the rule is set to `repair`: the array gives way to its one string. Every ID token of such a
//! provider is re-signed then. The opposite rule is `claims/audience-string`; of the two, switch on one.

use super::{Context, pointer};
use crate::json::{Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "claims/audience-array",
    summary: "aud is an array of one, which is allowed but refused by some",
    reference: "RFC 7519 section 4.1.3",
    default: Setting::Off,
    fixed: false,
    answers: &["aud-array", "IDT-09", "IDT-10", "IDT-11"],
};

pub(super) fn check<'d>(claims: Value<'d>, _: Context<'_>, report: &mut Report<'d>) {
    let Some(audience) = claims.get("aud") else { return };
    let mut elements = audience.elements();
    if let (Some(only), None) = (elements.next(), elements.next())
        && only.kind() == Kind::String
    {
        report.found(pointer(audience), shown(audience.raw()), Effect::Repaired, |edits| {
            edits.replace(audience, only.raw());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        repaired(&RULE, r#"{"aud":[ "a\/b" ],"exp":1}"#, r#"{"aud":"a\/b","exp":1}"#);
        for aud in ["\"a\"", "[]", "[\"a\",\"b\"]", "[1]", "[[\"a\"]]"] {
            silent(&RULE, &format!(r#"{{"aud":{aud},"amr":["pwd"]}}"#));
        }
    }
}
