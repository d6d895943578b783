//! Where a value comes from: the answer that every error and `config show` begin or end with.

use std::fmt;
use std::sync::Arc;

/// The origin of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything; the text may say what the default follows from.
    Default(&'static str),
    /// The file as a whole: something in it is missing.
    File(Arc<str>),
    /// A spot in the file, counted from 1, columns in characters.
    Spot {
        /// The file, as it was named.
        file: Arc<str>,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// An environment variable, by name.
    Environment(&'static str),
    /// A flag, by name.
    Flag(&'static str),
}

impl Source {
    /// Precedence: flags over environment over file over defaults.
    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::Default(_) => 0,
            Self::File(_) | Self::Spot { .. } => 1,
            Self::Environment(_) => 2,
            Self::Flag(_) => 3,
        }
    }

    /// Errors in the file are told in the order of its lines, those of flags after them.
    pub(super) const fn order(&self) -> (u8, usize, usize) {
        match self {
            Self::Spot { line, column, .. } => (1, *line, *column),
            _ => (self.rank(), usize::MAX, 0),
        }
    }

    /// The place as `config show` writes it behind a value: a column helps nobody there.
    pub(super) fn note(&self) -> String {
        match self {
            Self::Default("") => "default".to_owned(),
            Self::Default(why) => format!("default: {why}"),
            Self::Spot { file, line, .. } => format!("{file}:{line}"),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default(_) => formatter.write_str("default"),
            Self::File(file) => formatter.write_str(file),
            Self::Spot { file, line, column } => write!(formatter, "{file}:{line}:{column}"),
            Self::Environment(name) | Self::Flag(name) => formatter.write_str(name),
        }
    }
}
