//! The fixtures of this layer.

use super::{Facts, Rule, TABLE};
use crate::rules::layer::testing::Fixture;
use std::sync::LazyLock;

/// As kidstamp in front of `http://idp:8080` maps its URLs to `https://idp.test`.
pub(super) fn outside(url: &str) -> Option<String> {
    let path = url.strip_prefix("http://idp:8080")?;
    path.starts_with('/').then(|| format!("https://idp.test{path}"))
}

pub(super) const FACTS: Facts<'static> = Facts {
    outside: &outside,
    jwks_uri: Some("https://idp.test/keys"),
    algorithms: &["RS256", "ES256"],
    named_algorithms: &["ES256"],
    issuer: Some("https://idp.test"),
    aliases: &[],
    configured: &[],
};

/// As the configuration says more.
fn facts() -> Facts<'static> {
    static ALIASES: LazyLock<Vec<String>> =
        LazyLock::new(|| ["https://idp.test/", "http://idp:8080"].map(str::to_owned).to_vec());
    static CONFIGURED: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
        vec![("code_challenge_methods_supported".to_owned(), "[\"S256\"]".to_owned())]
    });
    Facts { aliases: &ALIASES, configured: &CONFIGURED, ..FACTS }
}

/// Nothing is known but the document.
pub(super) const NOTHING: Facts<'static> = Facts {
    outside: &|_| None,
    jwks_uri: None,
    algorithms: &[],
    named_algorithms: &[],
    issuer: None,
    aliases: &[],
    configured: &[],
};

/// The rule fires on `before` and makes `after` of it, on which it is silent.
pub(super) fn repaired(rule: &'static Rule, before: &str, after: &str) {
    Fixture { table: &TABLE, rule, context: facts() }.repaired(before, after);
}

/// The near miss: the rule does not fire on `text`.
pub(super) fn silent(rule: &'static Rule, text: &str) {
    silent_with(rule, facts(), text);
}

/// As [`silent`], with other facts.
pub(super) fn silent_with(rule: &'static Rule, facts: Facts<'static>, text: &str) {
    Fixture { table: &TABLE, rule, context: facts }.silent(text);
}
