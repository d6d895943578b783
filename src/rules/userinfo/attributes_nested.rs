//! The claims stand in an object `attributes`, one level too deep.
//!
//! Apereo CAS answers so where the view of a profile is `NESTED`. Relying parties find no `email` and no name: "claims
//! missing" (b3desk), and VuFind signs nobody in.
//!
//! **What is changed,** where the rule is set to `repair`: each member of `attributes` is also written at the top, but for those that are
//! `null`, or whose name stands there already. `sub` never is. It is off by default: what is called `attributes` may mean something else elsewhere.

use super::pointer;
use crate::json::{Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "userinfo/attributes-nested",
    summary: "the claims of userinfo stand in an object of their own",
    reference: "OpenID Connect Core section 5.3.2",
    default: Setting::Off,
    fixed: false,
    answers: &["UINF-11"],
};

pub(super) fn check<'d>(response: Value<'d>, (): (), report: &mut Report<'d>) {
    let Some(attributes) = response.get("attributes") else { return };
    let is_new = |claim: &Value<'d>| {
        let name = claim.name();
        name != "sub" && claim.kind() != Kind::Null && response.get(&name).is_none()
    };
    let new: Vec<Value<'d>> = attributes.members().filter(is_new).collect();
    if !new.is_empty() {
        let detail = format!("{} claims in it", new.len());
        report.found(pointer(attributes), detail, Effect::Repaired, |edits| {
            for claim in new {
                edits.insert_member(response, &claim.name(), claim.raw());
            }
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
            r#"{"sub":"a","attributes":{"email":"a@b","groups":["x"],"sub":"b"},"id":"a"}"#,
            r#"{"email":"a@b","groups":["x"],"sub":"a","attributes":{"email":"a@b","groups":["x"],"sub":"b"},"id":"a"}"#,
        );
        silent(&RULE, r#"{"sub":"a","email":"a@b","attributes":{"email":"c@d"}}"#);
        silent(&RULE, r#"{"attributes":{"sub":"b","name":null}}"#);
        silent(&RULE, r#"{"sub":"a","attributes":["email"]}"#);
        silent(&RULE, r#"{"sub":"a","address":{"region":"x"}}"#);
    }
}
