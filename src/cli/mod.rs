//! The command line: one file a command, and what they share.
//!
//! Only this room and `main` know clap, standard output and exit codes. It must never decide
//! anything about tokens or keys; it asks the other rooms and prints their answers.

mod config;
mod demo;
mod flags;
mod output;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use config::ConfigCommand;
pub use demo::DemoFlags;
pub use flags::ServeFlags;

/// The rules that `[rules]` may name.
fn known_rules() -> Vec<&'static str> {
    crate::rules::jwks::rules().map(|rule| rule.id).collect()
}

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
pub enum Command {
    /// Serve: the proxy before the identity provider.
    Serve(ServeFlags),
    /// Show what kidstamp does: a legacy provider and a strict relying party, before and after.
    Demo(DemoFlags),
    /// Check the configuration, or show what is in effect.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Runs a command to its exit code: 0 done, 1 done and found wanting, 2 could not be done as asked.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Serve(flags) => serve::run(&flags),
        Command::Demo(flags) => demo::run(&flags),
        Command::Config(command) => config::run(&command, &known_rules()),
    }
}
