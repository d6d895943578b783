//! `subject_types_supported` is missing or empty.
//!
//! Gravitee, SPIRE, IBM Security Access Manager and others leave it out. OpenID Connect Discovery §3 requires it; relying parties
//! refuse: "Missing JSON object member with key subject_types_supported" (Nimbus, so Spring and SonarQube), "Subject types supported can't
//! be blank" (ruby), "At least one supported subject type must be specified".
//!
//! **What is changed:** `["public"]` is added. It is what a provider does that has never heard of the other type, `pairwise`; relying
//! parties read the member and do nothing with it. One that has heard of it says so itself, or in `[issuer.discovery]`.

use super::{Facts, require};
use crate::json::Value;
use crate::rules::{Report, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "discovery/subject-types-missing",
    summary: "subject_types_supported is missing or empty",
    reference: "OpenID Connect Discovery section 3",
    default: Setting::Repair,
    fixed: false,
    answers: &["discovery-minimal", "DISC-09", "DISC-11", "DISC-12", "DISC-13", "DISC-14"],
};

pub(super) fn check<'d>(document: Value<'d>, _: Facts<'_>, report: &mut Report<'d>) {
    require(document, report, "subject_types_supported", "[\"public\"]");
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        let after = r#"{"subject_types_supported":["public"], "issuer":"i"}"#;
        repaired(&RULE, r#"{"subject_types_supported":[], "issuer":"i"}"#, after);
        repaired(&RULE, r#"{"issuer":"i"}"#, &after.replace(", \"issuer", ",\"issuer"));
        silent(&RULE, r#"{"subject_types_supported":["pairwise"]}"#);
        silent(&RULE, r#"{"subject_types_supported":"public"}"#);
    }
}
