//! Writing to the terminal without panicking: `kidstamp config show | head -1` closes the
//! pipe early, and `println!` would abort on it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

/// The exit code of a command whose answer is no.
pub(super) const NO: u8 = 1;

/// The exit code of a command that could not be done as asked.
pub(super) const REFUSED: u8 = 2;

/// Writes the answer of a command.
pub(super) fn answer(text: &str) -> ExitCode {
    answer_with(text, ExitCode::SUCCESS)
}

/// Writes the answer of a command that ends with `code`.
pub(super) fn answer_with(text: &str, code: ExitCode) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => code,
        // The reader has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => code,
        Err(error) => refuse(&format!("can't write the answer: {error}")),
    }
}

/// Writes what goes beside the answer.
pub(super) fn note(line: &str) {
    // If standard error is gone too, the exit code has to do.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes why a command was not done.
pub(super) fn refuse(reason: &str) -> ExitCode {
    note(reason);
    ExitCode::from(REFUSED)
}

/// `text` without characters that a terminal would act on, or show elsewhere than where they
/// stand; as JSON escapes, so that inside a JSON string the meaning stays.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(acts_on_terminals) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if acts_on_terminals(character) {
            let _ = write!(shown, "\\u{:04x}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Control characters, line separators, and what turns the direction of writing. All are below
/// U+10000: one escape is enough.
fn acts_on_terminals(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_escaped() {
        for (text, shown) in [
            ("plain é 漢 👍", "plain é 漢 👍"),
            ("\u{1b}[2J", "\\u001b[2J"),
            ("a\nb\r\tc", "a\\u000ab\\u000d\\u0009c"),
            ("\u{7f}\u{9b}31m", "\\u007f\\u009b31m"),
            ("\u{202e}gpj.exe\u{2066}\u{2028}\u{feff}", "\\u202egpj.exe\\u2066\\u2028\\ufeff"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }
}
