//! What the fixtures of the rules are checked with: one rule at a time, on the text before and after.

use super::{KeySet, Options, Report, Step, TABLE, array_of};
use crate::json::{self, Document, Limits};
use crate::rules::{Effect, Finding, Rule, Setting};

/// The members of the Ed25519 key of RFC 8037 A.2, and its thumbprint.
pub(crate) const ED25519: &str =
    r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
pub(crate) const ED25519_KID: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

fn run(
    rule: &'static Rule,
    options: &Options,
    setting: Setting,
    text: &str,
) -> (Vec<Finding>, Option<String>) {
    let document =
        Document::parse_with_duplicates(text, Limits::DOCUMENT).expect("the fixture is JSON");
    let keys = array_of(&document).expect("the fixture is a key set");
    let places: Vec<usize> = (0..keys.elements().count()).collect();
    let entry =
        TABLE.iter().find(|entry| entry.rule.id == rule.id).expect("the rule is in the table");
    let mut report = Report::new(rule, setting);
    (entry.check)(&KeySet { keys, places: &places, options }, &mut report);
    let splices = report.edits.splices(&document);
    let step = Step::apply(rule.id, text, splices);
    if let Some((step, result)) = &step {
        assert_eq!(
            json::apply(result, &step.undo).as_deref(),
            Ok(text),
            "the edits of {} can be undone",
            rule.id
        );
    }
    (report.findings, step.map(|(_, result)| result))
}

/// The rule fires on `before` and makes `after` of it, on which it is silent.
pub(crate) fn repaired(rule: &'static Rule, before: &str, after: &str) {
    repaired_with(rule, &Options::default(), before, after);
}

/// As [`repaired`], with options.
pub(crate) fn repaired_with(rule: &'static Rule, options: &Options, before: &str, after: &str) {
    let (findings, result) = run(rule, options, Setting::Repair, before);
    assert!(!findings.is_empty(), "{} fires on {before}", rule.id);
    assert_eq!(result.as_deref(), Some(after), "{}", rule.id);
    silent(rule, after);
    let (findings, result) = run(rule, options, Setting::Warn, before);
    assert!(
        findings.iter().all(|finding| finding.effect == Effect::Kept),
        "{} can only warn",
        rule.id
    );
    assert_eq!(result, None, "{} changes nothing where it only warns", rule.id);
}

/// The rule fires on `text` and leaves it.
pub(crate) fn reported(rule: &'static Rule, text: &str) {
    let (findings, result) = run(rule, &Options::default(), rule.default, text);
    assert!(!findings.is_empty(), "{} fires on {text}", rule.id);
    assert_eq!(result, None, "{}", rule.id);
}

/// The near miss: the rule does not fire on `text`.
pub(crate) fn silent(rule: &'static Rule, text: &str) {
    let (findings, result) = run(rule, &Options::default(), Setting::Repair, text);
    assert_eq!((findings, result), (Vec::new(), None), "{} is silent on {text}", rule.id);
}

/// A key with the JSON text `kid` gets its thumbprint instead, and nothing else changes.
pub(crate) fn kid_becomes_the_thumbprint(rule: &'static Rule, kid: &str) {
    let set = |kid: &str| format!("{{ \"keys\": [ {{ \"kid\" : {kid} , {ED25519} }} ] }}");
    repaired(rule, &set(kid), &set(&json::quote(ED25519_KID)));
}
