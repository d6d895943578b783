//! SARIF 2.1.0, which code scanners read: what `lint` found, and the rulebook as their catalogue.

use crate::rules::manual;
use serde_json::{Value, json};

/// A rule as the catalogue describes it (section 3.49).
pub(super) fn rule(id: &str, summary: &str) -> Value {
    let summary = json!({"text": summary});
    match manual::page(id) {
        // Text is for those who can't show Markdown (section 3.12).
        Some(page) => json!({
            "id": id,
            "shortDescription": summary,
            "help": {"text": page, "markdown": page},
        }),
        // What is found in tokens has no page of its own.
        None => json!({"id": id, "shortDescription": summary}),
    }
}

/// The whole log, with the rules that the results name.
pub(super) fn log(rules: Vec<Value>, results: Vec<Value>) -> String {
    let driver = json!({
        "name": "kidstamp",
        "version": env!("CARGO_PKG_VERSION"),
        "rules": rules,
    });
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    });
    format!("{log:#}\n")
}
