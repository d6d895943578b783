//! The rulebook as a whole: its documentation, and what it answers of all that was observed.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may assert by unwrapping, and tell counts"
)]

use kidstamp::rules::{self, manual, strictness};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// `UPDATE=1 cargo test --test rulebook` makes the file anew.
#[test]
fn the_documentation_is_what_the_rules_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    let made = manual::markdown();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == made,
        "docs/rules.md is not up to date: UPDATE=1 cargo test --test rulebook"
    );
}

#[test]
fn every_rule_has_its_page() {
    for rule in rules::all() {
        let page = manual::page(rule.id).unwrap_or_default();
        assert!(page.contains("**What is changed"), "{}: no documentation", rule.id);
    }
}

/// Each observation has a rule, or a reason why not, and never both.
#[test]
fn every_observation_is_accounted_for() {
    let quirks = include_str!("fixtures/evidence/quirks.tsv");
    let quirks = quirks.lines().skip(1).filter_map(|line| line.split('\t').next());
    let rows: BTreeSet<&str> = strictness::flaws().map(|flaw| flaw.id).chain(quirks).collect();
    let mut answered: BTreeMap<&str, &str> = BTreeMap::new();
    for rule in rules::all() {
        answered.extend(rule.answers.iter().map(|id| (*id, rule.id)));
    }
    let with_rule = answered.len();
    for practice in strictness::PRACTICES {
        answered.extend(practice.answers.iter().map(|id| (*id, practice.id)));
    }
    let reasons = include_str!("../docs/not-repaired.md");
    let reasoned: BTreeSet<&str> = reasons
        .lines()
        .filter_map(|line| line.strip_prefix("- "))
        .flat_map(|line| line.split(':').next().unwrap_or_default().split(", "))
        .map(|id| id.trim_matches('`'))
        .collect();
    println!(
        "{} rows: {with_rule} with a rule, {} by what the proxy does anyway, {} in docs/not-repaired.md",
        rows.len(),
        answered.len() - with_rule,
        reasoned.len()
    );
    for id in answered.keys().chain(&reasoned) {
        assert!(rows.contains(id), "{id} is no row of the evidence");
    }
    for id in &rows {
        let (has_rule, has_reason) = (answered.contains_key(id), reasoned.contains(id));
        assert!(has_rule || has_reason, "{id} has neither a rule nor a reason");
        assert!(!(has_rule && has_reason), "{id} has a rule and a reason: {:?}", answered.get(id));
    }
    assert_eq!(answered.len() + reasoned.len(), rows.len());
}
