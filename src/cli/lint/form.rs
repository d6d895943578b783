//! The forms that a report takes.

use super::super::output::visible;
use super::super::sarif;
use super::report::{Item, Report, Severity};
use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Relying parties that a line of text names; JSON has all of them.
const MOST_NAMES: usize = 6;

/// For people; with colours, which [`anstream`] takes out where they are not wanted.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    for item in &report.items {
        let style = style(item.severity);
        let finding = &item.finding;
        let _ = writeln!(
            text,
            "{style}{}{style:#}: {} [{}]",
            item.severity.name(),
            item.summary,
            finding.rule
        );
        let pointer = if finding.pointer.is_empty() { "(the document)" } else { &finding.pointer };
        let _ = writeln!(text, "  at {}: {}", visible(pointer), visible(&finding.detail));
        if !item.refused_by.is_empty() {
            let _ = writeln!(text, "  refused by {}", names(item));
        }
        if let Some(error) = item.error {
            let says = if report.only.is_some() { "with" } else { "for instance" };
            let _ = writeln!(text, "  {says}: {error}");
        }
        let _ = writeln!(text, "  {}", item.remedy());
        for (name, reason) in item.still_refused_by() {
            if let Some(reason) = reason {
                let _ = writeln!(text, "  {name} still refuses it: {reason}");
            }
        }
        text.push('\n');
    }
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    let bold = Style::new().bold();
    let _ = writeln!(text, "{bold}{}{bold:#}: {}", report.source, report.summary());
    text
}

fn names(item: &Item) -> String {
    let shown: Vec<&str> = item.refused_by.iter().take(MOST_NAMES).copied().collect();
    match item.refused_by.len().saturating_sub(MOST_NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn style(severity: Severity) -> Style {
    let colour = match severity {
        Severity::Critical | Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
    };
    Style::new().bold().fg_color(Some(colour.into()))
}

/// For programs.
pub(super) fn json(report: &Report) -> String {
    let findings: Vec<Value> = report
        .items
        .iter()
        .map(|item| {
            json!({
                "rule": item.finding.rule,
                "severity": item.severity.name(),
                "pointer": item.finding.pointer,
                "summary": item.summary,
                "detail": item.finding.detail,
                "flaw": item.flaw.map(|flaw| flaw.id),
                "refused_by": item.refused_by,
                "kidstamp": item.finding.effect.name(),
            })
        })
        .collect();
    let report = json!({
        "source": report.source,
        "findings": findings,
        "notes": report.notes,
        "refused_by": report.refused_by(),
        "refused_through_kidstamp": report.refused_through_kidstamp(),
        "summary": report.summary(),
    });
    format!("{report:#}\n")
}

/// For code scanners.
pub(super) fn sarif(report: &Report) -> String {
    let mut items: Vec<&Item> = report.items.iter().collect();
    items.sort_by_key(|item| item.finding.rule);
    items.dedup_by_key(|item| item.finding.rule);
    let rules = items.into_iter().map(|item| sarif::rule(item.finding.rule, item.summary));
    let results = report.items.iter().map(|item| result(report, item));
    sarif::log(rules.collect(), results.collect())
}

fn result(report: &Report, item: &Item) -> Value {
    let level = if item.severity == Severity::Warning { "warning" } else { "error" };
    let message = format!("{}: {}; {}", item.summary, item.finding.detail, item.remedy());
    json!({
        "ruleId": item.finding.rule,
        "level": level,
        "message": {"text": message},
        "locations": [{
            "physicalLocation": {"artifactLocation": {"uri": report.source}},
            "logicalLocations": [{"fullyQualifiedName": item.finding.pointer}],
        }],
    })
}
