//! `kidstamp rules`: the rulebook, or one rule of it.

use super::form::{Form, Format};
use super::output::{answer, refuse, visible};
use super::sarif;
use crate::rules::{self, Rule, manual};
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::process::ExitCode;

/// Which rule, and in which form.
#[derive(Debug, Args)]
pub struct Rules {
    /// One rule, such as jwks/kid-missing; all of them if not given
    #[arg(value_name = "RULE")]
    rule: Option<String>,
    #[command(flatten)]
    format: Format,
}

pub(super) fn run(wanted: &Rules) -> ExitCode {
    let chosen: Vec<&Rule> =
        rules::all().filter(|rule| wanted.rule.as_deref().is_none_or(|id| id == rule.id)).collect();
    match (&wanted.rule, chosen.as_slice()) {
        (Some(id), []) => {
            let known: Vec<&str> = rules::all().map(|rule| rule.id).collect();
            refuse(&format!("{}: no such rule; known: {}", visible(id), known.join(", ")))
        }
        (id, chosen) => answer(&match (wanted.format.form, id, chosen) {
            (Form::Json, ..) => {
                let rules: Vec<Value> = chosen.iter().map(|rule| as_json(rule)).collect();
                format!("{:#}\n", Value::from(rules))
            }
            (Form::Sarif, ..) => {
                let rules = chosen.iter().map(|rule| sarif::rule(rule.id, rule.summary));
                sarif::log(rules.collect(), Vec::new())
            }
            (Form::Text, Some(_), [rule, ..]) => in_full(rule),
            (Form::Text, ..) => list(chosen),
        }),
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
