//! `aud` is a string, and a relying party wants an array.
//!
//! RFC 7519 §4.1.3 allows both, so this is no flaw of the provider, and the rule is off by default, for relying parties whose
//! reader knows only the array.
//!
//! **What is changed,** where the rule is set to `repair`: the string becomes an array of one. Every ID token of such a
//! provider is re-signed then. The opposite rule is `claims/audience-array`; of the two, switch on one.

use super::{Context, pointer};
use crate::json::{Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "claims/audience-string",
    summary: "aud is a string, which is allowed but refused by some",
    reference: "RFC 7519 section 4.1.3",
    default: Setting::Off,
    fixed: false,
    answers: &[],
};

pub(super) fn check<'d>(claims: Value<'d>, _: Context<'_>, report: &mut Report<'d>) {
    if let Some(audience) = claims.get("aud").filter(|audience| audience.kind() == Kind::String) {
        report.found(pointer(audience), shown(audience.raw()), Effect::Repaired, |edits| {
            edits.replace(audience, format!("[{}]", audience.raw()));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        repaired(&RULE, r#"{"aud": "a","exp":1}"#, r#"{"aud": ["a"],"exp":1}"#);
        silent(&RULE, r#"{"aud":["a"],"azp":"a"}"#);
        silent(&RULE, r#"{"aud":null}"#);
    }
}
