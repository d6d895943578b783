//! A user is in one group, and `groups` is a string instead of a list of one.
//!
//! IdentityServer, JumpCloud, AD FS and Ping write a claim with one value as that value. Applications that read a list refuse: "cannot
//! unmarshal string into Go struct field OIDCClaims.groups of type []string" (Headscale, Rancher, Harbor, Kubernetes, AKHQ). No standard
//! says what `groups` is, and other applications may read the string: the rule is off by default.
//!
//! **What is changed,** where the rule is set to `repair`: `groups` and `roles` that are strings become lists of one. No group is added
//! or taken away; what a list holds is left as it is.

use super::{Context, pointer};
use crate::json::{Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "claims/groups-string",
    summary: "groups or roles is a string, which some applications refuse",
    reference: "OpenID Connect Core section 5.1.2",
    default: Setting::Off,
    fixed: false,
    answers: &["IDT-37"],
};

pub(super) fn check<'d>(claims: Value<'d>, _: Context<'_>, report: &mut Report<'d>) {
    for claim in ["groups", "roles"].into_iter().filter_map(|name| claims.get(name)) {
        if claim.kind() == Kind::String {
            // The name of somebody's group is nobody else's to read.
            report.found(pointer(claim), "a string", Effect::Repaired, |edits| {
                edits.replace(claim, format!("[{}]", claim.raw()));
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
            r#"{"groups": "a,b","roles":"c","group":"d"}"#,
            r#"{"groups": ["a,b"],"roles":["c"],"group":"d"}"#,
        );
        silent(&RULE, r#"{"groups":["a"],"roles":[{"name":"b"}]}"#);
        silent(&RULE, r#"{"groups":null,"roles":7}"#);
    }
}
