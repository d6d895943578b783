//! File, environment and flags become one [`ValidConfig`].
//!
//! The rest of the house takes its settings from here and asks no further questions: what
//! [`load`] returns is complete and makes sense. It reads no file but the configuration
//! itself: neither keys nor certificates, since `config check` also runs where they are not.
//! It must never know how flags are parsed, start anything, or put a secret into an error.
//!
//! On the way: `file` is the text, `reader` takes it apart key by key, `value` reads single
//! values and `render` writes them, `section`, `server` and `issuer` know the keys, `check` compares
//! sections, `record` remembers it all for `config show`.

mod check;
mod client;
mod duration;
mod error;
mod file;
mod issuer;
mod model;
mod origin;
mod overrides;
mod place;
mod reader;
mod record;
mod relay;
mod render;
mod schema;
mod section;
mod server;
mod server_tls;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use duration::parse as parse_duration;
pub use error::{ConfigError, Fault, Problem};
pub use model::{
    CertificateFiles, Client, ClientAuth, ConfiguredMetadata, ContentType, Issuer, Jwks, KeySource,
    Keys, Limits, Listen, LogFormat, OnFailure, Publish, Server, ServerTls, SocketMode, Timeouts,
    Tokens, Upstream, ValidConfig, View,
};
pub use origin::{Origin, Scheme, UrlError};
pub use overrides::{Override, Overrides};
pub use place::Source;
pub use relay::LogoutRelay;

use crate::rules::Rule;
use error::Reported;
use file::File;
use reader::{Reader, Section};
use section::Whose;

/// A rule that `[rules]` may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownRule<'r> {
    /// Its id.
    pub id: &'r str,
    /// True where it can't be set to anything but "repair".
    pub fixed: bool,
}

impl From<&Rule> for KnownRule<'static> {
    fn from(rule: &Rule) -> Self {
        Self { id: rule.id, fixed: rule.fixed }
    }
}

/// Reads and checks the configuration; flags win over the environment, that over the file,
/// and that over the defaults. `known_rules` are those that `[rules]` may name.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(
    overrides: &Overrides,
    known_rules: &[KnownRule<'_>],
) -> Result<ValidConfig, ConfigError> {
    let file = overrides.config.as_ref().map(File::open).transpose()?;
    validate(file.as_ref(), overrides, known_rules)
}

/// The JSON Schema of the file, as `kidstamp config schema` prints it.
#[must_use]
pub fn schema(known_rules: &[KnownRule<'_>]) -> serde_json::Value {
    schema::of_the_file(known_rules)
}

/// What a file says of `server.admin`, whatever else may be wrong with it; `None` if it says nothing.
///
/// # Errors
/// The file can't be read, or is no TOML.
pub fn admin_in_file(file: &Override) -> Result<Option<String>, ConfigError> {
    let file = File::open(file)?;
    let table = file.parse()?;
    let server = table.get("server").and_then(|server| server.get_ref().as_table());
    let admin = server.and_then(|server| server.get("admin"));
    Ok(admin.and_then(|admin| admin.get_ref().as_str()).map(str::to_owned))
}

fn validate(
    file: Option<&File>,
    overrides: &Overrides,
    known_rules: &[KnownRule<'_>],
) -> Result<ValidConfig, ConfigError> {
    let table = file.map(File::parse).transpose()?;
    let mut reader = Reader::new(file.zip(table.as_ref()));
    let sections = read(reader.root(), overrides, known_rules);
    reader.report_unknown();
    check::run(&sections, &mut reader);

    let Reader { problems, record, warnings, .. } = reader;
    match sections.build(record, warnings) {
        Ok(config) if problems.is_empty() => Ok(config),
        // A section that can't be built has reported why.
        _ => Err(problems.into_error()),
    }
}

/// Every section, read; `Err` where a problem was reported.
struct Sections {
    server: Result<Server, Reported>,
    upstream: Result<section::ReadUpstream, Reported>,
    issuers: Result<Vec<issuer::ReadIssuer>, Reported>,
    jwks: Result<section::ReadJwks, Reported>,
    tokens: Result<Tokens, Reported>,
    keys: Result<Keys, Reported>,
    rules: client::ReadRules,
    clients: Result<Vec<client::ReadClient>, Reported>,
    logout_relays: Result<Vec<relay::ReadRelay>, Reported>,
}

fn read(
    mut root: Section<'_, '_>,
    overrides: &Overrides,
    known_rules: &[KnownRule<'_>],
) -> Sections {
    let server = server::server(root.child("server"), overrides);
    let upstream = section::upstream(root.child("upstream"), overrides);
    let issuers = issuer::issuers(&mut root, overrides);
    let jwks = section::jwks(root.child("jwks"));
    let tokens = section::tokens(root.child("tokens"), &Tokens::default(), "");
    let keys = section::keys(root.child("keys"));
    let rules = section::rules(root.child("rules"), known_rules, Whose::All);
    let clients = client::clients(&mut root, tokens.as_ref().ok(), &rules, known_rules);
    let logout_relays = relay::relays(&mut root);
    root.close();
    Sections { server, upstream, issuers, jwks, tokens, keys, rules, clients, logout_relays }
}

impl Sections {
    fn build(
        self,
        record: record::Record,
        mut warnings: Vec<(Source, String)>,
    ) -> Result<ValidConfig, Reported> {
        warnings.sort_by_key(|(place, _)| place.order());
        Ok(ValidConfig {
            server: self.server?,
            upstream: self.upstream?.upstream,
            issuers: self.issuers?.into_iter().map(|read| read.issuer).collect(),
            jwks: self.jwks?.jwks,
            tokens: self.tokens?,
            keys: self.keys?,
            rules: client::settings(&self.rules),
            clients: self.clients?.into_iter().map(|read| read.client).collect(),
            logout_relays: self.logout_relays?.into_iter().map(|read| read.relay).collect(),
            warnings: warnings
                .into_iter()
                .map(|(place, message)| format!("{place}: {message}"))
                .collect(),
            record,
        })
    }
}
