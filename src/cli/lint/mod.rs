//! `kidstamp lint`: what do relying parties refuse in this provider's documents, and in a token of it?

mod context;
mod form;
mod report;
pub(super) mod response;
mod source;

use super::form::{Form, Format};
use super::input::Input;
use super::output::{NO, answer_with, refuse, visible};
use crate::clock;
use crate::rules::jwks::{self, KnownKey, RepairedSet};
use crate::rules::strictness::{self, RelyingParty};
use crate::rules::userinfo;
use clap::Args;
pub(super) use context::Context;
use report::Report;
use response::Looked;
pub(super) use source::{Source, get_each};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What to look at, and how to tell.
#[derive(Debug, Args)]
pub struct Lint {
    /// The issuer's URL, a file with a key set (JWKS), or - for standard input
    #[arg(value_name = "ISSUER-URL|FILE|-")]
    source: String,
    /// Look at this ID token of the provider, too, or at the token response with it, also with its head as `curl -i` shows
    /// it; - reads it from standard input
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// Look at this userinfo response of the provider, too, if it is JSON; - reads it from standard input
    #[arg(long, value_name = "FILE")]
    userinfo: Option<PathBuf>,
    /// Look with this configuration of kidstamp: its rules, and what it knows of the issuer
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Tell only what this relying party refuses, such as pyjwt
    #[arg(long = "for", value_name = "RP")]
    relying_party: Option<String>,
    #[command(flatten)]
    format: Format,
}

pub(super) fn run(lint: &Lint) -> ExitCode {
    let report = match lint.report() {
        Ok(report) => report,
        Err(reason) => return refuse(&reason),
    };
    let code = if report.items.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(NO) };
    match lint.format.form {
        Form::Json => answer_with(&form::json(&report), code),
        Form::Sarif => answer_with(&form::sarif(&report), code),
        Form::Text => {
            let mut out = anstream::stdout();
            match out.write_all(form::text(&report).as_bytes()).and_then(|()| out.flush()) {
                Ok(()) => code,
                Err(error) if error.kind() == ErrorKind::BrokenPipe => code,
                Err(error) => refuse(&format!("can't write the report: {error}")),
            }
        }
    }
}

impl Lint {
    fn report(&self) -> Result<Report, String> {
        let only = self.relying_party.as_deref().map(find).transpose()?;
        let sources =
            [Some(Path::new(&self.source)), self.token.as_deref(), self.userinfo.as_deref()];
        if sources.iter().flatten().filter(|source| source.as_os_str() == "-").count() > 1 {
            return Err(
                "only one of key set, token and userinfo can come from standard input".to_owned()
            );
        }
        let ca = self.ca.as_deref();
        let context = match &self.config {
            Some(file) => Context::of_config(file, &self.source, ca)?,
            None => Context::trusting(ca),
        };
        let source = Source::read(&self.source, &context)?;
        let set = repaired(&source, &context)?;
        let token = self.token.as_deref().map(|file| Input::read(Some(file))).transpose()?;
        let mut findings = source.findings(&context, &set);
        findings.extend(set.findings.iter().cloned());
        let mut notes = Vec::new();
        if source.is_elsewhere {
            notes.push(
                "the key set is on another host than the provider: kidstamp would fetch it from the provider itself, \
                 where `kidstamp init` looks for it"
                    .to_owned(),
            );
        }
        if let Some(issuer) =
            source.issuer.as_deref().filter(|issuer| differ_by_slash(&self.source, issuer))
        {
            notes.push(format!(
                "the provider calls itself {}, which is not what you asked for to the letter; relying parties that are \
                 set up with the one refuse the other",
                visible(issuer)
            ));
        }
        if let Some(token) = token {
            let Looked { findings: around, examined } =
                response::look(&token, &context, &set, source.issuer.as_deref())?;
            findings.extend(around);
            findings.extend(examined.findings);
            notes.extend(examined.learned.map(|known| {
                format!("this token teaches what the set lacks; to publish it:\n{}", lines(&known))
            }));
            if examined.expires.is_some_and(|time| time <= clock::now()) {
                notes.push("the token has expired; that is not counted".to_owned());
            }
        }
        if let Some(file) = &self.userinfo {
            let input = Input::read(Some(file))?;
            let text = input.text("a userinfo response")?;
            let repaired = userinfo::repair(text, context.rules())
                .map_err(|error| format!("{}: {error}", input.name))?;
            findings.extend(repaired.findings);
        }
        // What was asked for, as it was: the set is one of several things that were looked at.
        let name =
            if source.issuer.is_some() { visible(&self.source).into_owned() } else { source.name };
        let mut report = Report::new(name, findings, only);
        report.notes = notes;
        Ok(report)
    }
}

/// The set of `source`, repaired; the error is for the operator.
pub(super) fn repaired(source: &Source, context: &Context) -> Result<RepairedSet, String> {
    jwks::repair(&source.text, &context.jwks())
        .map_err(|error| format!("{}: {}", source.name, visible(&error.to_string())))
}

/// `[[issuer.key]]` for what a token taught.
pub(super) fn lines(known: &KnownKey) -> String {
    let quote = |text: &str| toml::Value::from(text).to_string();
    let mut lines = format!("[[issuer.key]]\nthumbprint = {}\n", quote(&known.thumbprint));
    if let Some(kid) = &known.kid {
        lines.push_str(&format!("kid = {}\n", quote(kid)));
    }
    if let Some(alg) = known.alg {
        lines.push_str(&format!("alg = {}\n", quote(alg.name())));
    }
    lines
}

/// Two names of an issuer that are the same but for a slash at the end.
pub(super) fn differ_by_slash(one: &str, other: &str) -> bool {
    one != other && one.trim_end_matches('/') == other.trim_end_matches('/')
}

fn find(name: &str) -> Result<RelyingParty, String> {
    strictness::relying_parties().find(|rp| rp.name == name).ok_or_else(|| {
        let known: Vec<&str> = strictness::relying_parties().map(|rp| rp.name).collect();
        let likeness = |known: &&&str| strsim::jaro_winkler(known, name);
        let near = known.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
        let near = near.filter(|near| likeness(near) > 0.8);
        let meant = near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
        format!("{}: not a known relying party{meant}; known: {}", visible(name), known.join(", "))
    })
}
