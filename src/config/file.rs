//! The configuration file as text: read once, bounded, and able to say where a byte stands.

use std::fs;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use super::error::{ConfigError, Fault, Problem};
use super::overrides::Override;
use super::place::Source;

/// `--config /dev/zero` must end.
const LONGEST: u64 = 1 << 20;

/// A configuration file, read.
#[derive(Debug)]
pub(super) struct File {
    name: Arc<str>,
    /// Relative paths in the file start here, so that it means the same from anywhere.
    folder: PathBuf,
    text: String,
}

impl File {
    /// Reads the file that a flag or the environment names.
    pub(super) fn open(named_by: &Override) -> Result<Self, ConfigError> {
        let name: Arc<str> = named_by.text.as_str().into();
        let path = Path::new(&named_by.text);
        let problem = |fault| Problem { place: Source::File(Arc::clone(&name)), fault };
        let unreadable =
            |error| problem(Fault::Unreadable { error, named_by: named_by.source.clone() });

        let mut bytes = Vec::new();
        fs::File::open(path)
            .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
            .map_err(unreadable)?;
        if bytes.len() as u64 > LONGEST {
            return Err(problem(Fault::TooLong { limit: LONGEST }).into());
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(&named_by.text, text)),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let bytes = error.into_bytes();
                let text = String::from_utf8_lossy(bytes.get(..valid).unwrap_or_default());
                let place = Self::new(&named_by.text, text.into_owned()).spot(valid);
                Err(Problem { place, fault: Fault::NotUtf8 }.into())
            }
        }
    }

    /// A file of this name that holds this text.
    pub(super) fn new(name: &str, text: String) -> Self {
        let folder = Path::new(name).parent().unwrap_or(Path::new("")).to_owned();
        Self { name: name.into(), folder, text }
    }

    /// The TOML in it, or its syntax errors: the first of each line, as the others follow from it.
    pub(super) fn parse(&self) -> Result<DeTable<'_>, ConfigError> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        if errors.is_empty() {
            return Ok(table.into_inner());
        }
        let problems = errors.iter().map(|error| Problem {
            place: error.span().map_or_else(|| self.whole(), |span| self.spot(span.start)),
            fault: Fault::Syntax { message: error.message().trim().replace('\n', "; ") },
        });
        let mut error = ConfigError::new(problems.collect());
        error.keep_first_of_each_line();
        Err(error)
    }

    /// The file as a place.
    pub(super) fn whole(&self) -> Source {
        Source::File(Arc::clone(&self.name))
    }

    /// The line and column of a byte.
    pub(super) fn spot(&self, offset: usize) -> Source {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Source::Spot {
            file: Arc::clone(&self.name),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }

    /// The text between two bytes.
    pub(super) fn slice(&self, span: Range<usize>) -> &str {
        self.text.get(span).unwrap_or_default()
    }

    /// A path as the file means it.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// The name it was given by.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}
