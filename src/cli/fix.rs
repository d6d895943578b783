//! `kidstamp fix`: a key set, repaired, without a proxy.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::input::Input;
use super::output::{answer, note, refuse, visible};
use crate::json::{Document, Limits};
use crate::rules::jwks::{self, Options, RepairedSet};
use crate::rules::{Effect, Finding};

/// A key set, and how to repair it.
#[derive(Args, Debug)]
pub struct Fix {
    /// The key set (JWKS); standard input if not given, or -
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Which keys get their RFC 7638 thumbprint as kid: those without a good one, or all
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = Kids::Missing)]
    kid: Kids,
}

/// Which keys get their thumbprint as `kid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kids {
    Missing,
    All,
}

pub(super) fn run(fix: &Fix) -> ExitCode {
    let input = match Input::read(fix.file.as_deref()) {
        Ok(input) => input,
        Err(reason) => return refuse(&reason),
    };
    let text = match input.text("a key set in JSON") {
        Ok(text) => text,
        Err(reason) => return refuse(&reason),
    };
    let options = Options { stamp_all: fix.kid == Kids::All, ..Options::default() };
    let set = match jwks::repair(text, &options) {
        Ok(set) => set,
        Err(error) => return refuse(&input.not_a_key_set(error)),
    };
    for finding in &set.findings {
        note(&line(finding));
    }
    if nothing_left(&set) {
        return refuse(&format!(
            "{}: no key is left to publish: private keys stand in this set, and who has read it \
             can sign as the provider; give the provider a new key",
            input.name
        ));
    }
    answer(&set.text)
}

/// A finding in one line.
pub(super) fn line(finding: &Finding) -> String {
    let Finding { rule, pointer, detail, effect, .. } = finding;
    let pointer = if pointer.is_empty() { "(the document)" } else { pointer };
    let line = format!("{}  {rule}  {pointer}  {detail}", effect.name());
    visible(&line).into_owned()
}

/// A set of which only compromised keys could be read is repaired to an empty one, which must not
/// be published.
fn nothing_left(set: &RepairedSet) -> bool {
    let document = Document::parse(&set.text, Limits::DOCUMENT);
    set.findings.iter().any(|finding| finding.effect == Effect::Compromised)
        && document.is_ok_and(|document| {
            document.root().get("keys").is_none_or(|keys| keys.elements().next().is_none())
        })
}
