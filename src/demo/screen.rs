//! How the story looks: in colour, for a writer that leaves the colours out where they don't belong.

use super::diff::Change;
use super::story::{Mismatch, Shown, Step};
use anstyle::{AnsiColor, Effects, Style};
use std::fmt::Display;
use std::io::{self, Write};

const HEADING: Style = Style::new().effects(Effects::BOLD);
const HELD: Style = AnsiColor::Green.on_default().effects(Effects::BOLD);
const FAILED: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
const ADDED: Style = AnsiColor::Green.on_default();
const REMOVED: Style = AnsiColor::Red.on_default();
const PLAIN: Style = Style::new();

/// Where the text of a step begins, so that its details stand below.
const INDENT: &str = "          ";

pub(super) fn heading(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "\n{}", styled(HEADING, text))?;
    out.flush()
}

pub(super) fn step(out: &mut dyn Write, step: &Step) -> io::Result<()> {
    let Step { title, expectation, outcome } = step;
    match outcome {
        Ok(shown) => {
            writeln!(out, "  {}{title}: {expectation}", styled(HELD, "ok      "))?;
            shown.iter().try_for_each(|shown| detail(out, shown))?;
        }
        Err(Mismatch { expected, found }) => {
            writeln!(out, "  {}{title}", styled(FAILED, "FAILED  "))?;
            writeln!(out, "{INDENT}should be {expectation}")?;
            writeln!(out, "{INDENT}expected: {expected}")?;
            writeln!(out, "{INDENT}found:    {found}")?;
        }
    }
    out.flush()
}

pub(super) fn held(out: &mut dyn Write, steps: usize) -> io::Result<()> {
    writeln!(out, "\n{}", styled(HELD, format!("All {steps} steps went as they had to.")))?;
    out.flush()
}

pub(super) fn failed(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{}", styled(FAILED, "This step failed, and what follows was not tried."))?;
    out.flush()
}

fn detail(out: &mut dyn Write, shown: &Shown) -> io::Result<()> {
    match shown {
        Shown::Note(text) => writeln!(out, "{INDENT}{text}"),
        Shown::Change(change) => {
            let style = match change {
                Change::Kept(_) => PLAIN,
                Change::Removed(_) => REMOVED,
                Change::Added(_) => ADDED,
            };
            writeln!(out, "{INDENT}{}", styled(style, change))
        }
    }
}

fn styled(style: Style, text: impl Display) -> impl Display {
    format!("{style}{text}{style:#}")
}
