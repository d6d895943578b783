//! What `lint` and `init` know beside the provider: a configuration, if there is one, and whom to trust.

use super::super::known_rules;
use crate::config::{self, Client, Issuer, Origin, Override, Overrides, Timeouts, Upstream};
use crate::rules::jwks::Options;
use crate::rules::{Settings, claims};
use crate::token::TokenResponse;
use std::path::{Path, PathBuf};
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For one document.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(15);

/// What is known; nothing of it has to be.
#[derive(Default)]
pub(in super::super) struct Context {
    /// The settings of rules that differ from their defaults.
    pub(in super::super) rules: Settings,
    /// The clients of the issuer that have settings of their own.
    clients: Vec<Client>,
    /// What the configuration says of the issuer.
    pub(in super::super) issuer: Issuer,
    publish_compromised: bool,
    /// Some client's secret is configured, so that a set may well be empty.
    has_secrets: bool,
    upstream: Option<Upstream>,
    ca: Option<PathBuf>,
}

impl Context {
    /// No configuration; certificates that lead to one in the file `ca`, if there is one.
    pub(in super::super) fn trusting(ca: Option<&Path>) -> Self {
        Self { ca: ca.map(Path::to_owned), ..Self::default() }
    }

    /// As `serve` would do it with the configuration `file`; `source` says which issuer is meant, where there are several.
    pub(super) fn of_config(file: &Path, source: &str, ca: Option<&Path>) -> Result<Self, String> {
        let file = file.to_str().ok_or("--config: the name of the file is not UTF-8")?;
        let overrides = Overrides {
            config: Some(Override::from_flag("--config", file)),
            ..Overrides::default()
        };
        let config = config::load(&overrides, &known_rules()).map_err(|error| error.to_string())?;
        let named = |issuer: &&Issuer| issuer.issuer.as_deref() == Some(source);
        let issuer = match config.issuers.as_slice() {
            [only] => only,
            several => several.iter().find(named).ok_or_else(|| {
                let names: Vec<&str> =
                    several.iter().filter_map(|issuer| issuer.issuer.as_deref()).collect();
                format!("{source}: not an issuer of {file}; there are {}", names.join(", "))
            })?,
        };
        let name = issuer.issuer.clone();
        let of_issuer = |client: &Client| client.issuer.is_none() || client.issuer == name;
        Ok(Self {
            issuer: issuer.clone(),
            publish_compromised: config.jwks.publish_compromised,
            has_secrets: config.clients.iter().any(|client| client.secret_file.is_some()),
            ca: ca.map(Path::to_owned),
            upstream: Some(config.upstream),
            rules: config.rules,
            clients: config.clients.into_iter().filter(of_issuer).collect(),
        })
    }

    /// The settings of rules that differ from their defaults.
    pub(in super::super) fn rules(&self) -> &Settings {
        &self.rules
    }

    /// How the key set is repaired.
    pub(in super::super) fn jwks(&self) -> Options {
        Options {
            settings: self.rules.clone(),
            publish_compromised: self.publish_compromised,
            stamp_all: false,
            keys: self.issuer.known_keys.clone(),
            may_be_empty: self.has_secrets,
        }
    }

    /// The client that a token response is for, if it is one with settings of its own: as `serve` finds it.
    pub(in super::super) fn client_of(&self, response: &str) -> Option<&Client> {
        let parsed = TokenResponse::parse(response.as_bytes()).ok()?;
        let known = |name: &str| self.clients.iter().any(|client| client.id == name);
        let named = parsed.id_token()?.client(known)?;
        self.clients.iter().find(|client| client.id == named)
    }

    /// The settings of rules that differ from their defaults, for what is `client`'s.
    pub(in super::super) fn rules_for<'c>(&'c self, client: Option<&'c Client>) -> &'c Settings {
        client.map_or(&self.rules, |client| &client.rules)
    }

    /// How claims are repaired, if the issuer is `issuer` and the token is for `client`.
    pub(in super::super) fn claims(
        &self,
        issuer: Option<&str>,
        client: Option<&Client>,
    ) -> claims::Options {
        let issuer = self.issuer.issuer.as_deref().or(issuer);
        let domains = client.map(|client| client.verified_email_domains.clone());
        claims::Options {
            settings: self.rules_for(client).clone(),
            client: client.map(|client| client.id.clone()),
            verified_email_domains: domains.unwrap_or_default(),
            issuer: issuer.unwrap_or_default().to_owned(),
            issuer_aliases: self.issuer.aliases.clone(),
            audiences: self.issuer.audiences.clone(),
        }
    }

    /// How `origin` is reached: as the configuration says, if that is its upstream.
    pub(super) fn upstream(&self, origin: &Origin) -> Upstream {
        let configured = self.upstream.as_ref().filter(|upstream| upstream.url == *origin);
        let timeouts =
            Timeouts { connect: CONNECT_TIMEOUT, first_byte: FETCH_TIMEOUT, ..Timeouts::default() };
        let plain = Upstream::new(origin.clone(), timeouts);
        let mut upstream = configured.cloned().unwrap_or(plain);
        upstream.ca = self.ca.clone().or(upstream.ca);
        upstream
    }

    /// True if the configuration allows plain http to that origin.
    pub(super) fn allows_plaintext(&self, origin: &Origin) -> bool {
        let configured = self.upstream.as_ref();
        configured.is_some_and(|upstream| upstream.url == *origin && upstream.allow_plaintext)
    }
}
