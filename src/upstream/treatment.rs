//! How tokens and token responses are treated: those of one client, or those of all that have no settings of their own.
//!
//! What is published never depends on this: a client's settings say what is done to its tokens alone.

use crate::config::{Client, OnFailure, Tokens, ValidConfig};
use crate::jose::{Alg, ClientSecret, Mac};
use crate::rules::Settings;
use crate::rules::claims;
use crate::rules::userinfo;
use crate::token::{
    Bridge, BridgeKey, Mode, Modes, SecretClient, TokenKind, Trust, TrustedKey, UpstreamToken,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How the tokens of one client are treated.
#[derive(Debug)]
pub struct Treatment {
    /// What tokens are verified against.
    pub trust: Trust,
    /// What they are re-signed with.
    pub bridge: Bridge,
    /// What is to happen to them.
    pub modes: Modes,
    /// What is to happen to a response with one that can't be vouched for.
    pub on_failure: OnFailure,
    /// The rules for token responses that are set to something else than their default.
    pub rules: Settings,
    /// Whether its ID tokens get the nonce of their login, where the provider loses it.
    pub restores_nonce: bool,
}

/// How the tokens of an issuer are treated, client by client.
#[derive(Debug)]
pub struct Treatments {
    everyone: Treatment,
    clients: BTreeMap<String, Treatment>,
    repairs_userinfo: bool,
}

/// What is the same for all clients of an issuer.
pub(super) struct Common {
    pub(super) issuer: String,
    pub(super) access_token_issuer: Option<String>,
    pub(super) audiences: Vec<String>,
    pub(super) aliases: Vec<String>,
    pub(super) trusted: Arc<[TrustedKey]>,
    pub(super) bridge: Vec<Arc<BridgeKey>>,
}

/// The secrets of the clients, in the order of the configuration.
pub(super) type Secrets = Arc<[Option<Arc<ClientSecret>>]>;

impl Treatments {
    pub(super) fn new(config: &ValidConfig, common: &Common, secrets: &Secrets) -> Self {
        let is_ours = |client: &Client| match &client.issuer {
            Some(issuer) => *issuer == common.issuer,
            None => true,
        };
        let clients = config.clients.iter().enumerate().filter(|(_, client)| is_ours(client));
        Self {
            repairs_userinfo: userinfo::is_wanted(&config.rules),
            everyone: common.treatment(&config.tokens, &config.rules, None),
            clients: clients
                .map(|(index, client)| {
                    let secret = secrets.get(index).cloned().flatten();
                    let secret =
                        secret.map(|secret| SecretClient { id: client.id.clone(), secret });
                    let own = Some((client, secret));
                    let treatment = common.treatment(&client.tokens, &client.rules, own);
                    (client.id.clone(), treatment)
                })
                .collect(),
        }
    }

    /// For the tokens of that client; for everyone's if it is none with settings of its own.
    pub fn of(&self, client: Option<&str>) -> &Treatment {
        client.and_then(|client| self.clients.get(client)).unwrap_or(&self.everyone)
    }

    /// For that token: of the client that it names, or else of the one that `asked` for it.
    pub fn of_token(&self, token: &UpstreamToken<'_>, asked: Option<&str>) -> &Treatment {
        if self.clients.is_empty() {
            return &self.everyone;
        }
        let named = token.client(|client| self.knows(client));
        self.of(named.as_deref().or(asked))
    }

    /// What ID tokens are re-signed with that the secrets of clients signed, where the provider offers such algorithms.
    pub(super) fn instead_of_macs(&self, offered: &[String]) -> Vec<Alg> {
        let macs = || offered.iter().filter_map(|name| Mac::from_name(name));
        let known = self.clients.values().filter(|treatment| {
            let mode = treatment.modes.id_token;
            treatment.trust.client.is_some() && matches!(mode, Mode::Auto | Mode::Resign)
        });
        known
            .flat_map(|treatment| macs().filter_map(|mac| treatment.bridge.instead_of(mac)))
            .map(|key| key.alg())
            .collect()
    }

    /// True if that client has settings of its own.
    pub fn knows(&self, client: &str) -> bool {
        self.clients.contains_key(client)
    }

    /// True if the nonces of that client's logins are to be remembered.
    pub fn restores_nonce(&self, client: &str) -> bool {
        self.clients.get(client).is_some_and(|treatment| treatment.restores_nonce)
    }

    /// True if those of some client are.
    pub fn restore_nonces(&self) -> bool {
        self.clients.values().any(|treatment| treatment.restores_nonce)
    }

    /// The rules for userinfo responses that are JSON, which are everyone's; `None` if all of them are off.
    pub fn userinfo_rules(&self) -> Option<&Settings> {
        self.repairs_userinfo.then_some(&self.everyone.rules)
    }

    /// True if no client has.
    pub fn are_the_same(&self) -> bool {
        self.clients.is_empty()
    }

    /// True if something may happen to somebody's tokens of that kind.
    pub fn concern(&self, kind: TokenKind) -> bool {
        let mut all = self.clients.values().chain([&self.everyone]);
        all.any(|treatment| treatment.modes.of(kind) != Mode::Pass)
    }
}

impl Common {
    fn treatment(
        &self,
        tokens: &Tokens,
        rules: &Settings,
        own: Option<(&Client, Option<SecretClient>)>,
    ) -> Treatment {
        let (config, client) = own.unzip();
        Treatment {
            trust: Trust {
                issuer: self.issuer.clone(),
                access_token_issuer: self.access_token_issuer.clone(),
                audiences: self.audiences.clone(),
                clock_skew: u32::try_from(tokens.clock_skew.as_secs()).unwrap_or(u32::MAX),
                keys: Arc::clone(&self.trusted),
                claims: claims::Options {
                    settings: rules.clone(),
                    issuer: self.issuer.clone(),
                    issuer_aliases: self.aliases.clone(),
                    audiences: self.audiences.clone(),
                    client: config.map(|client| client.id.clone()),
                    verified_email_domains: config
                        .map(|client| client.verified_email_domains.clone())
                        .unwrap_or_default(),
                },
                client: client.flatten(),
            },
            bridge: Bridge {
                keys: self.bridge.clone(),
                carrier: tokens.carrier,
                instead_of_mac: config.and_then(|client| client.alg),
                max_token_bytes: tokens.max_token_bytes,
            },
            modes: tokens.modes,
            on_failure: tokens.on_failure,
            rules: rules.clone(),
            restores_nonce: config.is_some_and(|client| client.restore_nonce),
        }
    }
}
