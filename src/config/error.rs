//! What can be wrong with a configuration, said for people.
//!
//! Every message says where, what, why, and what to do next; all of them come at once, so
//! that a file is mended in one sitting. A message must never repeat a password: values
//! pass through [`presentable`] before they are quoted.

use std::fmt;
use std::io;

use super::place::Source;

/// Everything that is wrong with a configuration; never empty.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// Sorts the problems the way the file is read.
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.place.order());
        Self { problems }
    }

    /// Drops what stands in the line of an earlier problem.
    pub(super) fn keep_first_of_each_line(&mut self) {
        self.problems.dedup_by_key(|problem| problem.place.order().1);
    }

    /// Each problem; its `Display` is one line.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{problem}")?;
        }
        Ok(())
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct Problem {
    /// `file:line:column`, a flag or an environment variable.
    pub place: Source,
    /// What is wrong.
    pub fault: Fault,
}

/// The kinds of fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file is missing, or may not be read.
    #[error("can't be read: {error}; it was named by {named_by}")]
    Unreadable {
        /// What the system said.
        error: io::Error,
        /// The flag or variable that named the file.
        named_by: Source,
    },
    /// No configuration is that long.
    #[error("is longer than {limit} bytes; is it the right file?")]
    TooLong {
        /// The longest file that is read.
        limit: u64,
    },
    /// Not text.
    #[error("is not UTF-8 text from here on; save the file as UTF-8")]
    NotUtf8,
    /// Not TOML.
    #[error("not valid TOML: {message}")]
    Syntax {
        /// The parser's words.
        message: String,
    },
    /// A key that does nothing, usually a slip of the keyboard.
    #[error("unknown key `{key}` {section}; {advice}")]
    UnknownKey {
        /// The key as written.
        key: String,
        /// Where it stands, such as `in [server]`.
        section: String,
        /// The likeliest key, and all of them.
        advice: String,
    },
    /// A rule that the rulebook does not have.
    #[error("unknown rule \"{id}\" in [rules]; {advice}")]
    UnknownRule {
        /// The id as written.
        id: String,
        /// The likeliest rule, and where they are listed.
        advice: String,
    },
    /// A value that its key can't take.
    #[error("{key} = {value} {why}")]
    Refused {
        /// The key with its section.
        key: String,
        /// The value as written, shortened, without passwords.
        value: String,
        /// Why, and the allowed values.
        why: String,
    },
    /// A key that has no default.
    #[error("{key} is not set; {advice}")]
    Missing {
        /// The key with its section.
        key: String,
        /// How to set it.
        advice: String,
    },
    /// Values that are right alone and wrong together.
    #[error("{message}")]
    Conflict {
        /// Which, why, and the ways out.
        message: String,
    },
}

/// Proof that a problem was recorded: a section that yields it can't be built, and says no more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported(());

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    /// Records a problem; the only source of [`Reported`].
    pub(super) fn report(&mut self, place: Source, fault: Fault) -> Reported {
        self.0.push(Problem { place, fault });
        Reported(())
    }

    /// Records values that don't go together.
    pub(super) fn conflict(&mut self, place: &Source, message: impl Into<String>) -> Reported {
        self.report(place.clone(), Fault::Conflict { message: message.into() })
    }

    /// Whether all is well.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The error that tells them all.
    pub(super) fn into_error(self) -> ConfigError {
        ConfigError::new(self.0)
    }
}

/// A value as a message quotes it: one line, not too long, without what stands before an `@`.
pub(super) fn presentable(written: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown = match written.rfind('@') {
        None => written.to_owned(),
        Some(at) => {
            let (before, after) = written.split_at(at);
            let kept = before.find("://").map_or(0, |start| start + "://".len());
            format!("{}…{after}", before.get(..kept).unwrap_or_default())
        }
    };
    if let Some(end) = shown.find(['\n', '\r']) {
        shown.truncate(end);
        shown.push('…');
    }
    if let Some((end, _)) = shown.char_indices().nth(LONGEST) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

/// The known word nearest to a mistyped one, if one is near enough to be meant.
pub(super) fn nearest<'w>(
    written: &str,
    known: impl IntoIterator<Item = &'w str>,
) -> Option<&'w str> {
    let written = written.to_lowercase();
    known
        .into_iter()
        .map(|word| (distance(&written, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= (word.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Slips of the keyboard; a word begun and not ended is one slip, however much is missing.
fn distance(written: &str, word: &str) -> usize {
    const BEGUN: usize = 3;
    if word.starts_with(written) && written.chars().count() >= BEGUN {
        return usize::from(word != written);
    }
    strsim::damerau_levenshtein(written, word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_never_quoted() {
        for (written, shown) in [
            ("\"https://idp.test\"", "\"https://idp.test\""),
            ("\"https://user:hunter2@idp.test\"", "\"https://…@idp.test\""),
            ("\"https://user:hunt@er2@idp.test\"", "\"https://…@idp.test\""),
            ("user:hunter2@idp.test", "…@idp.test"),
            ("[\n  1,\n]", "[…"),
        ] {
            assert_eq!(presentable(written), shown);
        }
        assert_eq!(presentable(&"x".repeat(200)).chars().count(), 81);
    }

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let known = ["listen", "admin", "external_url"];
        for (written, expected) in [
            ("lisen", Some("listen")),
            ("Listen", Some("listen")),
            ("external-url", Some("external_url")),
            ("amdin", Some("admin")),
            ("external", Some("external_url")),
            ("tls_cert", None),
        ] {
            assert_eq!(nearest(written, known), expected, "{written}");
        }
    }
}
