//! The command line: one file a command, and what they share.
//!
//! Only this room and `main` know clap, standard output and exit codes. It must never decide
//! anything about tokens or keys; it asks the other rooms and prints their answers.

mod config;
mod demo;
mod explain;
mod fix;
mod flags;
mod form;
mod health;
mod init;
mod input;
mod inspect;
mod keys;
mod lint;
mod output;
mod rulebook;
mod sarif;
mod serve;
mod signals;
mod thumbprint;
mod watched;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use config::ConfigCommand;
pub use demo::DemoFlags;
pub use explain::Explain;
pub use fix::Fix;
pub use flags::ServeFlags;
pub use form::Format;
pub use health::Health;
pub use init::Init;
pub use inspect::Inspect;
pub use keys::{Generate, KeysCommand, List, Rotate};
pub use lint::Lint;
pub use rulebook::Rules;
pub use thumbprint::Thumbprint;

use crate::config::KnownRule;
use crate::rules;

/// Makes strict OpenID Connect relying parties accept a legacy provider.
#[derive(Debug, Parser)]
#[command(name = "kidstamp", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "one is made, once")]
pub enum Command {
    /// Serve: the proxy before the identity provider.
    Serve(ServeFlags),
    /// Show what kidstamp does: a legacy provider and a strict relying party, before and after.
    Demo(DemoFlags),
    /// Tell what relying parties refuse of a provider, and who; exit code 1 if anything.
    Lint(Lint),
    /// Write the smallest configuration that a provider needs, with the reason for each line.
    Init(Init),
    /// Tell what a relying party's error message says about the provider, and what mends it.
    Explain(Explain),
    /// Show the rulebook, or one rule of it.
    Rules(Rules),
    /// Repair a key set (JWKS) offline: the set on standard output, findings on standard error.
    Fix(Fix),
    /// Print the RFC 7638 thumbprint of each key: the kid that it would get.
    Thumbprint(Thumbprint),
    /// Show what a token says, whether kidstamp re-signed it, and which key verifies it.
    Inspect(Inspect),
    /// Make bridge keys, or list them.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Check the configuration, or show what is in effect.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Ask a running kidstamp for its health; exit code 0 if it is well, 1 if not.
    Health(Health),
}

/// Runs a command to its exit code: 0 done, 1 done and found wanting, 2 could not be done as asked.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Serve(flags) => serve::run(&flags),
        Command::Demo(flags) => demo::run(&flags),
        Command::Lint(lint) => lint::run(&lint),
        Command::Init(init) => init::run(&init),
        Command::Explain(explain) => explain::run(&explain),
        Command::Rules(wanted) => rulebook::run(&wanted),
        Command::Fix(fix) => fix::run(&fix),
        Command::Thumbprint(thumbprint) => thumbprint::run(&thumbprint),
        Command::Inspect(inspect) => inspect::run(&inspect),
        Command::Keys(command) => keys::run(&command),
        Command::Config(command) => config::run(&command, &known_rules()),
        Command::Health(health) => health::run(&health),
    }
}

/// The rules that `[rules]` may name.
pub(crate) fn known_rules() -> Vec<KnownRule<'static>> {
    rules::all().map(KnownRule::from).collect()
}
