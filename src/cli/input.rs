//! What commands read: a file, or standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::output::visible;
use crate::json::ParseError;
use crate::rules::jwks::Unreadable;

/// More than any key set or chain of certificates has.
const MOST_BYTES: usize = 4 << 20;

/// How a JWK Set looks, for messages.
pub(super) const KEY_SET: &str = "{\"keys\":[…]}";

/// A text with the name of where it came from.
pub(super) struct Input {
    /// For messages.
    pub(super) name: String,
    text: Zeroizing<Vec<u8>>,
}

impl Input {
    /// Reads `file`; standard input if there is none, or it is `-`. The error is for the operator.
    pub(super) fn read(file: Option<&Path>) -> Result<Self, String> {
        match file.filter(|file| file.as_os_str() != "-") {
            Some(file) => {
                let name = visible(&file.display().to_string()).into_owned();
                let source = File::open(file).map_err(|error| unreadable(&name, &error))?;
                Self::from(source, name)
            }
            None => Self::from(io::stdin().lock(), "standard input".to_owned()),
        }
    }

    fn from(source: impl Read, name: String) -> Result<Self, String> {
        let mut bytes = Zeroizing::new(Vec::new());
        source
            .take(MOST_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(&name, &error))?;
        if bytes.len() > MOST_BYTES {
            return Err(format!("{name}: longer than {} MiB, which no input is", MOST_BYTES >> 20));
        }
        Ok(Self { name, text: bytes })
    }

    /// What was read.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.text
    }

    /// What was read, which must be UTF-8; `expected` completes the error.
    pub(super) fn text(&self, expected: &str) -> Result<&str, String> {
        std::str::from_utf8(&self.text).map_err(|error| {
            format!("{}: not UTF-8 at byte {}; expected {expected}", self.name, error.valid_up_to())
        })
    }

    /// The error for a text that is not JSON.
    pub(super) fn not_json(&self, error: ParseError, expected: &str) -> String {
        let text = self.text.trim_ascii_start();
        let looks_like = match text.first() {
            None => "it is empty; ",
            Some(b'-') => "it looks like PEM; ",
            Some(b'<') => "it looks like HTML or XML, such as a page for an error or a login; ",
            Some(_) => "",
        };
        format!("{}: not JSON: {error}; {looks_like}expected {expected}", self.name)
    }

    /// The error for a text that is no key set.
    pub(super) fn not_a_key_set(&self, error: Unreadable) -> String {
        let expected =
            format!("the key set {KEY_SET} that the jwks_uri of the provider's discovery names");
        let advice = match error {
            Unreadable::NotJson(error) => return self.not_json(error, &expected),
            Unreadable::NotAKeySet => format!("expected {expected}"),
            Unreadable::Ambiguous(_) => {
                "readers take one or the other; leave one of them".to_owned()
            }
            Unreadable::NothingLeft => "there is none, or none that a relying party may use, such \
                                        as a symmetric key; the provider needs another key"
                .to_owned(),
            Unreadable::TooManyKeys => "take out those that are no longer used".to_owned(),
        };
        format!("{}: {}; {advice}", self.name, visible(&error.to_string()))
    }
}

fn unreadable(name: &str, error: &io::Error) -> String {
    format!("{name}: can't be read: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_refused_before_it_fills_the_memory() {
        let read = |length| Input::from(io::repeat(b' ').take(length), "x".to_owned());
        assert_eq!(read(MOST_BYTES as u64).map(|input| input.text.len()), Ok(MOST_BYTES));
        assert!(read(u64::MAX).is_err_and(|error| error.contains("longer than 4 MiB")));
    }
}
