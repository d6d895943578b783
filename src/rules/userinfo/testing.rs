//! The fixtures of this layer.

use super::{Rule, TABLE};
use crate::rules::layer::testing::Fixture;

/// The rule fires on `before` and makes `after` of it, on which it is silent.
pub(super) fn repaired(rule: &'static Rule, before: &str, after: &str) {
    Fixture { table: &TABLE, rule, context: () }.repaired(before, after);
}

/// The near miss: the rule does not fire on `text`.
pub(super) fn silent(rule: &'static Rule, text: &str) {
    Fixture { table: &TABLE, rule, context: () }.silent(text);
}
