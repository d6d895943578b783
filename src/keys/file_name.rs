//! What a key file's name says: when the key begins to sign, and with which algorithm.
//!
//! `[TIME-]NAME[.ALG].EXTENSION`: `main.pem`, `20261201T000000Z-main.pem`, `main.PS256.pem`.

use crate::jose::Alg;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// How a time is written in a file name.
pub const TIME_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// Length of a time in that format.
const TIME_CHARS: usize = 16;

/// The longest label that is given to a new file.
const MOST_LABEL_CHARS: usize = 100;

/// A key file's name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFileName {
    /// From when the key signs, in seconds since 1970; `None` is always.
    pub active_from: Option<i64>,
    /// The algorithm, where the name says so.
    pub alg: Option<Alg>,
}

/// Why a name is not one of a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a file that holds a key.
    #[error("not a key file: its name ends in none of .pem, .key, .jwk, .json")]
    Extension,
    /// It begins like a time but is none.
    #[error(
        "the time before the name is not valid; expected for example 20261201T000000Z-NAME.pem"
    )]
    Time,
}

impl KeyFileName {
    /// Takes `name` apart.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let (stem, extension) = name.rsplit_once('.').ok_or(NameError::Extension)?;
        if !["pem", "key", "jwk", "json"].contains(&extension) {
            return Err(NameError::Extension);
        }
        let alg = stem.rsplit_once('.').and_then(|(_, alg)| Alg::from_name(alg));
        Ok(Self { active_from: time_before(stem)?, alg })
    }

    /// The name of a PEM file that says the same of the key called `label`, which
    /// [`KeyFileName::is_label`] accepts.
    pub fn with_label(&self, label: &str) -> String {
        let time = self.active_from.and_then(|from| Timestamp::from_second(from).ok());
        let time = time.map(|time| format!("{}-", time.strftime(TIME_FORMAT))).unwrap_or_default();
        let alg = self.alg.map(|alg| format!(".{alg}")).unwrap_or_default();
        format!("{time}{label}{alg}.pem")
    }

    /// True if a file name can hold `text` without saying anything else by it.
    pub fn is_label(text: &str) -> bool {
        let named = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let length = 1..=MOST_LABEL_CHARS;
        named && length.contains(&text.len()) && matches!(time_before(text), Ok(None))
    }
}

fn time_before(stem: &str) -> Result<Option<i64>, NameError> {
    let Some((time, _)) = stem.split_once('-') else { return Ok(None) };
    let looks_like_a_time = time.len() == TIME_CHARS
        && time.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    if !looks_like_a_time {
        return Ok(None);
    }
    let time = DateTime::strptime(TIME_FORMAT, time).map_err(|_| NameError::Time)?;
    let timestamp: Timestamp = TimeZone::UTC.to_timestamp(time).map_err(|_| NameError::Time)?;
    Ok(Some(timestamp.as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_together_is_taken_apart_again() {
        for active_from in [None, Some(0), Some(1_796_083_200)] {
            for alg in [None, Some(Alg::Ps256)] {
                let parts = KeyFileName { active_from, alg };
                let name = parts.with_label("a-B_9");
                assert_eq!(KeyFileName::parse(&name), Ok(parts), "{name}");
            }
        }
        assert_eq!(KeyFileName { active_from: None, alg: None }.with_label("main"), "main.pem");
        for label in ["a", "kidstamp", "2026-main", "-", "_"] {
            assert!(KeyFileName::is_label(label), "{label}");
        }
        let time = "20261301T000000Z-a";
        for label in ["", ".a", "a.PS256", "a/b", "..", "a b", "é", "a\n", time, &"a".repeat(101)]
        {
            assert!(!KeyFileName::is_label(label), "{label}");
        }
    }

    #[test]
    fn names_are_taken_apart() {
        let parse = KeyFileName::parse;
        let plain = KeyFileName { active_from: None, alg: None };
        assert_eq!(parse("main.pem"), Ok(plain.clone()));
        assert_eq!(parse("2026-main.jwk"), Ok(plain));
        let timed = parse("19700102T000000Z-main.pem").unwrap();
        assert_eq!(timed.active_from, Some(86_400));
        let full = parse("20261201T000000Z-main.PS256.json").unwrap();
        assert_eq!((full.active_from, full.alg), (Some(1_796_083_200), Some(Alg::Ps256)));
        assert_eq!(parse("20261301T000000Z-main.pem"), Err(NameError::Time));
        assert_eq!(parse("README"), Err(NameError::Extension));
        assert_eq!(parse("main.pub"), Err(NameError::Extension));
    }
}
