//! `kidstamp rules`: the rulebook, or one rule of it.

use super::output::{answer, refuse, visible};
use crate::rules::{self, Rule, manual};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::process::ExitCode;

/// Which rule, and in which form.
#[derive(Debug, Args)]
pub struct Rules {
    /// One rule, such as jwks/kid-missing; all of them if not given
    #[arg(value_name = "RULE")]
    rule: Option<String>,
    /// The form of the answer
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Form::Text)]
    format: Form,
}

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
}

pub(super) fn run(wanted: &Rules) -> ExitCode {
    let chosen: Vec<&Rule> =
        rules::all().filter(|rule| wanted.rule.as_deref().is_none_or(|id| id == rule.id)).collect();
    match (&wanted.rule, chosen.as_slice()) {
        (Some(id), []) => {
            let known: Vec<&str> = rules::all().map(|rule| rule.id).collect();
            refuse(&format!("{}: no such rule; known: {}", visible(id), known.join(", ")))
        }
        _ if wanted.format == Form::Json => {
            let rules: Vec<Value> = chosen.into_iter().map(as_json).collect();
            answer(&format!("{:#}\n", Value::from(rules)))
        }
        (Some(_), [rule, ..]) => answer(&in_full(rule)),
        _ => answer(&list(&chosen)),
    }
}

fn list(rules: &[&Rule]) -> String {
    let width = rules.iter().map(|rule| rule.id.len()).max().unwrap_or_default();
    let mut text = String::new();
    for rule in rules {
        let _ = writeln!(
            text,
            "{:width$}  {:13}  {}",
            rule.id,
            manual::default_in_words(rule),
            rule.summary
        );
    }
    text
}

fn in_full(rule: &Rule) -> String {
    let mut text = format!("{}\n\n{}\n\n", rule.id, manual::page(rule.id).unwrap_or_default());
    let _ = writeln!(text, "By default: {}", manual::default_in_words(rule));
    let _ = writeln!(text, "Reference: {}", rule.reference);
    for (flaw, count) in manual::refusals(rule) {
        let _ = writeln!(text, "Refused by {count} relying parties: {flaw}");
    }
    text
}

fn as_json(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "summary": rule.summary,
        "reference": rule.reference,
        "default": manual::default_in_words(rule),
        "fixed": rule.fixed,
        "answers": rule.answers,
        "documentation": manual::page(rule.id),
    })
}
