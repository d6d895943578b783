//! What the fixtures of the rules are checked with: one rule at a time, on the text before and after.

use super::shape::shape;
use super::{KeySet, Options, Report, Step, TABLE, array_of};
use crate::json::{self, Document, Limits};
use crate::rules::{Effect, Finding, Rule, Setting};

/// The members of the Ed25519 key of RFC 8037 A.2, and its thumbprint.
pub(crate) const ED25519: &str =
    r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
pub(crate) const ED25519_KID: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

/// The same key, as kidstamp writes the members of one, and as PEM.
pub(crate) const ED25519_MEMBERS: &str =
    r#""crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
pub(crate) const ED25519_PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

/// A self-signed certificate, and the `x` of its Ed25519 key.
pub(crate) const CERTIFICATE: &str = "MIIBPDCB76ADAgECAhR+mO91kYhxH12NmjQepJDA4wFigzAFBgMrZXAwEzERMA8GA1UEAwwIaWRwLnRlc3QwIBcN\
    MjYxMTIzMjEyNjIxWhgPMjEyNjEwMzAyMTI2MjFaMBMxETAPBgNVBAMMCGlkcC50ZXN0MCowBQYDK2VwAyEADRTe\
    cph63IgrJrl/PxjwWfiO6cOI0peBL+msTTxtCfWjUzBRMB0GA1UdDgQWBBSK59GE84Ok4FGkokJ9pNmTQehsyDAf\
    BgNVHSMEGDAWgBSK59GE84Ok4FGkokJ9pNmTQehsyDAPBgNVHRMBAf8EBTADAQH/MAUGAytlcANBAJwV30C7cK89\
    +eYL0WhzqUX6FtDJA8TTEyawLmFyzQJZ3ls1nzVfVnOH6wEsur/vj9OjnWTXBm5USDvQY3mjYg4=";
pub(crate) const CERTIFICATE_X: &str = "DRTecph63IgrJrl_PxjwWfiO6cOI0peBL-msTTxtCfU";

/// The rule makes the set `after` of the text `before`; its elements stood at `origins`.
pub(crate) fn reshaped(rule: &'static Rule, before: &str, after: &str, origins: &[&str]) {
    let shaped = shape(before, &Options::default()).expect("the fixture is JSON");
    let fired: Vec<&str> = shaped.findings.iter().map(|finding| finding.rule).collect();
    assert_eq!((fired, shaped.text.as_str()), (vec![rule.id], after));
    assert_eq!(shaped.origins().unwrap_or_default(), origins);
    let undone = shaped
        .steps
        .iter()
        .rev()
        .try_fold(shaped.text.clone(), |text, step| json::apply(&text, &step.undo));
    assert_eq!(undone.as_deref(), Ok(before), "output minus edits is the input");
    unshaped(after);
    let settings = [(rule.id.to_owned(), Setting::Warn)].into();
    let warned = shape(before, &Options { settings, ..Options::default() });
    if let Ok(warned) = warned {
        assert_eq!(warned.text, before);
        assert!(warned.findings.iter().all(|finding| finding.effect == Effect::Kept));
    }
}

/// The near miss: no rule for the shape fires on `text`.
pub(crate) fn unshaped(text: &str) {
    let shaped = shape(text, &Options::default()).expect("the fixture is JSON");
    assert_eq!((shaped.findings, shaped.text.as_str()), (Vec::new(), text));
}

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
