//! Writing to the terminal without panicking: `kidstamp config show | head -1` closes the
//! pipe early, and `println!` would abort on it.

use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

/// The exit code of a command that could not be done as asked.
pub(super) const REFUSED: u8 = 2;

/// Writes the answer of a command.
pub(super) fn answer(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => refuse(&format!("can't write the answer: {error}")),
    }
}

/// Writes why a command was not done.
pub(super) fn refuse(reason: &str) -> ExitCode {
    // If standard error is gone too, the exit code has to do.
    let _ = writeln!(io::stderr().lock(), "{reason}");
    ExitCode::from(REFUSED)
}
