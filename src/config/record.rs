//! The record of every setting and its source, as it becomes the text of `config show`.
//!
//! It is written while the configuration is read, so it can't tell another story than the
//! program lives by. The text is TOML that reads back to the same configuration.

use std::fmt::Write as _;

use super::place::Source;
use super::render;

/// Every setting in the order of reading.
#[derive(Clone, Debug, Default)]
pub(super) struct Record(Vec<Line>);

#[derive(Clone, Debug)]
enum Line {
    Section(String),
    Set { key: String, value: String, note: String },
    Unset { key: String, note: String },
}

impl Record {
    /// A section begins.
    pub(super) fn section(&mut self, header: &str) {
        self.0.push(Line::Section(header.to_owned()));
    }

    /// A key has this value, in TOML.
    pub(super) fn set(&mut self, key: &str, value: String, source: &Source) {
        self.0.push(Line::Set { key: render::key(key), value, note: source.note() });
    }

    /// A key has no value, for this reason.
    pub(super) fn unset(&mut self, key: &str, why: &str) {
        self.0.push(Line::Unset { key: render::key(key), note: why.to_owned() });
    }

    /// The TOML.
    pub(super) fn to_toml(&self) -> String {
        let mut toml = String::new();
        for line in &self.0 {
            // Writing to a String can't fail.
            let _ = match line {
                Line::Section(header) if toml.is_empty() => writeln!(toml, "{header}"),
                Line::Section(header) => writeln!(toml, "\n{header}"),
                Line::Set { key, value, note } => writeln!(toml, "{key} = {value}  # {note}"),
                Line::Unset { key, note } if note.is_empty() => {
                    writeln!(toml, "# {key} is not set")
                }
                Line::Unset { key, note } => writeln!(toml, "# {key} is not set: {note}"),
            };
        }
        toml
    }
}
