//! `kidstamp init`: the smallest configuration that a provider needs, each line with its reason.

use super::input::Input;
use super::lint::response::{self, Looked};
use super::lint::{self, Context, Source};
use super::output::{answer, note, refuse};
use crate::config::Origin;
use crate::rules::jwks::RepairedSet;
use crate::rules::{Effect, Finding};
use clap::Args;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Which provider, and where the configuration goes.
#[derive(Debug, Args)]
pub struct Init {
    /// The issuer's URL
    #[arg(value_name = "ISSUER-URL")]
    issuer: String,
    /// Learn from this token of the provider, too; - reads it from standard input
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Write the configuration to this new file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(init: &Init) -> ExitCode {
    match init.probe() {
        Err(reason) => refuse(&reason),
        Ok(None) => {
            note("nothing is needed: no flaw was found in what this provider publishes");
            ExitCode::SUCCESS
        }
        Ok(Some(toml)) => init.write(&toml),
    }
}

impl Init {
    /// The configuration; `None` if there is nothing to mend.
    fn probe(&self) -> Result<Option<String>, String> {
        let context = Context::trusting(self.ca.as_deref());
        let source = Source::read(&self.issuer, &context)?;
        let set = lint::repaired(&source, &context)?;
        let discovery = source.findings(&context, &set);
        let looked = self.looked(&context, &set, source.issuer.as_deref())?;
        let (around, examined) = match looked {
            Some(looked) => (looked.findings, Some(looked.examined)),
            None => (Vec::new(), None),
        };
        let findings: Vec<&Finding> = discovery
            .iter()
            .chain(&set.findings)
            .chain(&around)
            .chain(examined.iter().flat_map(|examined| &examined.findings))
            .filter(|finding| finding.effect != Effect::Kept)
            .collect();
        let learned = examined.as_ref().and_then(|examined| examined.learned.as_ref());
        if findings.is_empty() && learned.is_none_or(|known| known.kid.is_none()) {
            return Ok(None);
        }
        let mut toml = String::from("# What was found, and what kidstamp does about it:\n");
        for finding in findings {
            let _ = writeln!(
                toml,
                "# - {} {}: {} ({})",
                finding.rule,
                finding.pointer,
                finding.detail,
                finding.effect.name()
            );
        }
        let quote = |text: &str| toml::Value::from(text).to_string();
        let upstream = self.issuer.parse().ok().and_then(|uri| Origin::of(&uri));
        let upstream = upstream.map(|origin| origin.to_string()).unwrap_or_default();
        let _ = writeln!(
            toml,
            "\n[upstream]\n# Where kidstamp reaches the provider: change it to the internal address, since clients \
             will find kidstamp under the one that they know.\nurl = {}\n\n[[issuer]]",
            quote(&upstream)
        );
        if let Some(issuer) = &source.issuer {
            let _ = writeln!(
                toml,
                "# As its discovery document says; relying parties compare it to the letter.\nissuer = {}",
                quote(issuer)
            );
        }
        toml.push_str(
            "# The bridge key, which signs what must be re-signed: `kidstamp keys generate --dir keys` makes one.\n\
             keys = \"keys\"\n",
        );
        if let Some(known) = learned {
            let _ = write!(
                toml,
                "\n# Learned from the token: what its key lacks in the provider's set.\n{}",
                lint::lines(known)
            );
        }
        Ok(Some(toml))
    }

    fn looked(
        &self,
        context: &Context,
        set: &RepairedSet,
        issuer: Option<&str>,
    ) -> Result<Option<Looked>, String> {
        let Some(file) = &self.token else { return Ok(None) };
        let input = Input::read(Some(file))?;
        response::look(&input, context, set, issuer).map(Some)
    }

    fn write(&self, toml: &str) -> ExitCode {
        let Some(path) = &self.output else { return answer(toml) };
        // A configuration that somebody has edited is not written over.
        let written =
            std::fs::File::create_new(path).and_then(|mut file| file.write_all(toml.as_bytes()));
        match written {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => refuse(&format!("{}: can't be written: {error}", path.display())),
        }
    }
}
