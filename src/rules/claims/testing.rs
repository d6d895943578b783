//! The fixtures of this layer.

use super::{Context, Hashes, Options, RepairedHeader, Rule, TABLE, repair_header};
use crate::json::{Document, Limits};
use crate::rules::layer::testing::Fixture;
use crate::rules::{Effect, Setting, Settings};

pub(super) const NOW: i64 = 1_790_000_000;

/// The rule fires on `before` and makes `after` of it, on which it is silent.
pub(super) fn repaired(rule: &'static Rule, before: &str, after: &str) {
    repaired_with(rule, &Options::default(), before, after);
}

/// As [`repaired`], with options.
pub(super) fn repaired_with(rule: &'static Rule, options: &Options, before: &str, after: &str) {
    let context = Context { options, hashes: &Hashes::default(), nonce: None, now: NOW };
    Fixture { table: &TABLE, rule, context }.repaired(before, after);
}

/// As [`repaired`], beside what has those hashes.
pub(super) fn repaired_beside(rule: &'static Rule, hashes: &Hashes, before: &str, after: &str) {
    let context = Context { options: &Options::default(), hashes, nonce: None, now: NOW };
    Fixture { table: &TABLE, rule, context }.repaired(before, after);
}

/// As [`silent`], beside what has those hashes.
pub(super) fn silent_beside(rule: &'static Rule, hashes: &Hashes, text: &str) {
    let context = Context { options: &Options::default(), hashes, nonce: None, now: NOW };
    Fixture { table: &TABLE, rule, context }.silent(text);
}

/// The near miss: the rule does not fire on `text`.
pub(super) fn silent(rule: &'static Rule, text: &str) {
    silent_with(rule, &Options::default(), text);
}

/// As [`silent`], with options.
pub(super) fn silent_with(rule: &'static Rule, options: &Options, text: &str) {
    let context = Context { options, hashes: &Hashes::default(), nonce: None, now: NOW };
    Fixture { table: &TABLE, rule, context }.silent(text);
}

/// Those of one client.
pub(super) fn for_client(client: &str) -> Options {
    Options { client: Some(client.to_owned()), ..Options::default() }
}

fn header(rule: &'static Rule, setting: Setting, text: &str) -> RepairedHeader {
    let settings = Settings::from([(rule.id.to_owned(), setting)]);
    let header = Document::parse(text, Limits::TOKEN).expect("the fixture is JSON");
    repair_header(header.root(), &settings)
}

/// The rule, which is about headers, fires on `text` and makes that of it: a `typ`, and members that go.
pub(super) fn header_repaired(
    rule: &'static Rule,
    text: &str,
    (typ, dropped): (Option<&str>, &[&str]),
) {
    let repaired = header(rule, Setting::Repair, text);
    assert!(repaired.findings.iter().all(|found| found.rule == rule.id), "{text}");
    assert!(!repaired.findings.is_empty(), "{text}");
    assert_eq!(
        (repaired.typ, repaired.dropped),
        (typ, dropped.iter().map(|name| (*name).to_owned()).collect())
    );
}

/// It only tells of it.
pub(super) fn header_warned(rule: &'static Rule, text: &str) {
    let repaired = header(rule, Setting::Warn, text);
    assert!(repaired.findings.iter().all(|found| found.effect == Effect::Kept), "{text}");
    assert_eq!(
        (repaired.findings.is_empty(), repaired.typ, repaired.dropped.len()),
        (false, None, 0)
    );
}

/// The near miss.
pub(super) fn header_left(rule: &'static Rule, text: &str) {
    assert_eq!(header(rule, Setting::Repair, text), RepairedHeader::default(), "{text}");
    assert_eq!(header(rule, Setting::Off, "{}"), RepairedHeader::default());
}
