//! The fixtures of this layer.

use super::{Context, Hashes, Options, Rule, TABLE};
use crate::rules::layer::testing::Fixture;

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
