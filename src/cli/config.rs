//! `kidstamp config`: what would `serve` do with this file, these variables and these flags?

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::flags::ServeFlags;
use super::output::{answer, refuse};
use crate::config::{self, KnownRule, Override, Overrides};

/// The commands about the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration; exit code 0 if it is good, 2 if not.
    Check(Configuration),
    /// Print the configuration in effect as TOML, with the source of each value.
    Show(Configuration),
    /// Print the JSON Schema of the configuration file, for editors.
    Schema,
}

/// A configuration, named as `serve` names it, or by its file alone.
#[derive(Args, Debug)]
pub struct Configuration {
    /// The configuration file; the same as --config
    #[arg(value_name = "FILE")]
    file: Option<String>,
    #[command(flatten)]
    flags: ServeFlags,
}

impl Configuration {
    fn overrides(&self) -> Result<Overrides, &'static str> {
        let mut overrides = self.flags.overrides.clone();
        if let Some(file) = &self.file {
            if overrides.config.as_ref().is_some_and(Override::is_flag) {
                return Err("FILE and --config name two files; give one of them");
            }
            overrides.config = Some(Override::from_flag("FILE", file));
        }
        Ok(overrides)
    }
}

pub(super) fn run(command: &ConfigCommand, known_rules: &[KnownRule<'_>]) -> ExitCode {
    let configuration = match command {
        ConfigCommand::Check(configuration) | ConfigCommand::Show(configuration) => configuration,
        ConfigCommand::Schema => return answer(&format!("{:#}\n", config::schema(known_rules))),
    };
    let overrides = match configuration.overrides() {
        Ok(overrides) => overrides,
        Err(reason) => return refuse(reason),
    };
    let config = match config::load(&overrides, known_rules) {
        Ok(config) => config,
        Err(error) => return refuse(&error.to_string()),
    };
    match command {
        ConfigCommand::Show(_) => answer(&config.to_toml()),
        ConfigCommand::Check(_) | ConfigCommand::Schema => {
            let name = overrides.config.as_ref().map_or("flags and environment", Override::text);
            let mut report = format!("{name}: ok\n");
            for warning in &config.warnings {
                report.push_str(&format!("warning: {warning}\n"));
            }
            answer(&report)
        }
    }
}
