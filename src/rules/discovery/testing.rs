//! The fixtures of this layer.

use super::{Facts, Rule, TABLE};
use crate::rules::layer::testing::Fixture;

/// As kidstamp in front of `http://idp:8080` maps its URLs to `https://idp.test`.
pub(super) fn outside(url: &str) -> Option<String> {
    let path = url.strip_prefix("http://idp:8080")?;
    path.starts_with('/').then(|| format!("https://idp.test{path}"))
}

pub(super) const FACTS: Facts<'static> = Facts {
    outside: &outside,
    jwks_uri: Some("https://idp.test/keys"),
    algorithms: &["RS256", "ES256"],
};

/// Nothing is known but the document.
pub(super) const NOTHING: Facts<'static> =
    Facts { outside: &|_| None, jwks_uri: None, algorithms: &[] };

/// The rule fires on `before` and makes `after` of it, on which it is silent.
pub(super) fn repaired(rule: &'static Rule, before: &str, after: &str) {
    Fixture { table: &TABLE, rule, context: FACTS }.repaired(before, after);
}

/// The near miss: the rule does not fire on `text`.
pub(super) fn silent(rule: &'static Rule, text: &str) {
    silent_with(rule, FACTS, text);
}

/// As [`silent`], with other facts.
pub(super) fn silent_with(rule: &'static Rule, facts: Facts<'static>, text: &str) {
    Fixture { table: &TABLE, rule, context: facts }.silent(text);
}
