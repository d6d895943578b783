//! The kidstamp binary: arguments, command, exit code. Everything else is in the library.

use std::process::ExitCode;

use clap::Parser as _;
use kidstamp::cli::{self, Cli};

fn main() -> ExitCode {
    // A mistake in the arguments ends here with the usage text and exit code 2.
    cli::run(Cli::parse())
}
