//! The fixtures of this layer.

use super::{Facts, Rule, TABLE};
use crate::rules::layer::testing::Fixture;

/// The rule fires on `before` and makes `after` of it, on which it is silent.
pub(super) fn repaired(rule: &'static Rule, before: &str, after: &str) {
    repaired_with(rule, Facts::default(), before, after);
}

/// As [`repaired`], where that is known beside it.
pub(super) fn repaired_with(rule: &'static Rule, context: Facts<'_>, before: &str, after: &str) {
    Fixture { table: &TABLE, rule, context }.repaired(before, after);
}

/// As [`silent`], where that is known beside it.
pub(super) fn silent_with(rule: &'static Rule, context: Facts<'_>, text: &str) {
    Fixture { table: &TABLE, rule, context }.silent(text);
}

/// The near miss: the rule does not fire on `text`.
pub(super) fn silent(rule: &'static Rule, text: &str) {
    Fixture { table: &TABLE, rule, context: Facts::default() }.silent(text);
}

/// The rule finds the flaw in `text`, and leaves it where that is known beside it.
pub(super) fn left(rule: &'static Rule, context: Facts<'_>, text: &str) {
    Fixture { table: &TABLE, rule, context }.left(text);
}
