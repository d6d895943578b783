//! `[[client]]`: what a single relying party gets that the others don't.
//!
//! Its `[client.tokens]` and `[client.rules]` speak the language of `[tokens]` and `[rules]`, which stand for all that
//! is not said there. What is published is the same for everyone: rules for documents are refused here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::KnownRule;
use super::error::Reported;
use super::model::{Client, Tokens};
use super::place::Source;
use super::reader::{Given, Optional, Section};
use super::section::{self, Whose};
use super::value;
use crate::jose::Alg;
use crate::rules::Setting;
use crate::token::Mode;

/// `[rules]` as they were written.
pub(super) type ReadRules = BTreeMap<String, Given<Setting>>;

/// A client, and where it was written.
pub(super) struct ReadClient {
    pub(super) client: Client,
    pub(super) at: Source,
    /// What its own `[client.rules]` say.
    pub(super) own_rules: ReadRules,
}

/// The settings alone.
pub(super) fn settings(rules: &ReadRules) -> BTreeMap<String, Setting> {
    rules.iter().map(|(id, given)| (id.clone(), given.value)).collect()
}

/// Reads them all. Where `[tokens]` can't be read, their defaults stand in for what clients inherit.
pub(super) fn clients(
    root: &mut Section<'_, '_>,
    tokens: Option<&Tokens>,
    rules: &ReadRules,
    known_rules: &[KnownRule<'_>],
) -> Result<Vec<ReadClient>, Reported> {
    let inherited = tokens.cloned().unwrap_or_default();
    let tables = root.list("client")?;
    let read: Vec<_> = tables
        .into_iter()
        .map(|(at, table)| {
            read(root.item("client", Some(table)), at, &inherited, rules, known_rules)
        })
        .collect();
    read.into_iter().collect()
}

fn read(
    mut keys: Section<'_, '_>,
    at: Source,
    inherited: &Tokens,
    rules: &ReadRules,
    known_rules: &[KnownRule<'_>],
) -> Result<ReadClient, Reported> {
    let id = keys.optional("id", None, value::name);
    let issuer = keys.optional("issuer", None, value::issuer);
    let secret_file = keys.optional("secret_file", None, value::path);
    let alg = keys.optional("alg", None, value::word);
    alg_needs_secret(&mut keys, &secret_file, &alg);
    let domains = keys.optional("verified_email_domains", None, value::domains);
    warn_of_domains(&mut keys, &domains);
    let restore_nonce = keys.setting("restore_nonce", None, false, value::boolean);
    warn_of_nonces(&mut keys, &restore_nonce);
    let tokens = section::tokens(keys.child("tokens"), inherited, "as in [tokens]");
    let own_rules = section::rules(keys.child("rules"), known_rules, Whose::Client);
    needs_signature(&mut keys, &tokens, &domains, &restore_nonce);
    let id = keys.required("id", id, &at);
    keys.close();
    let mut merged = settings(rules);
    merged.extend(settings(&own_rules));
    let client = Client {
        id: id?.value,
        issuer: issuer?.map(|given| given.value),
        secret_file: secret_file?.map(|given| given.value),
        alg: alg?.map(|given| given.value),
        restore_nonce: restore_nonce?.value,
        verified_email_domains: domains?.map(|given| given.value).unwrap_or_default(),
        tokens: tokens?,
        rules: merged,
    };
    Ok(ReadClient { client, at, own_rules })
}

/// The relying party believes what the provider never said.
fn warn_of_domains(keys: &mut Section<'_, '_>, domains: &Optional<Vec<String>>) {
    if let Ok(Some(domains)) = domains {
        let message = format!(
            "client.verified_email_domains: addresses at {} become verified ones where the IdP does not say whether \
             they are; whoever may enter such an address at the IdP can sign in as its owner",
            domains.value.join(" and ")
        );
        keys.reader.warn(&domains.source, message);
    }
}

/// What changes claims needs a new signature.
fn needs_signature(
    keys: &mut Section<'_, '_>,
    tokens: &Result<Tokens, Reported>,
    domains: &Optional<Vec<String>>,
    restore_nonce: &Result<Given<bool>, Reported>,
) {
    let Ok(tokens) = tokens else { return };
    if matches!(tokens.modes.id_token, Mode::Auto | Mode::Resign) {
        return;
    }
    let domains = domains.as_ref().ok().and_then(Option::as_ref).map(|given| &given.source);
    let nonce = restore_nonce.as_ref().ok().filter(|given| given.value).map(|given| &given.source);
    for (key, at) in [("verified_email_domains", domains), ("restore_nonce", nonce)] {
        if let Some(at) = at {
            let message = format!(
                "client.{key} changes claims, and id_token is neither \"auto\" nor \"resign\" for this client; take \
                 one of the two out"
            );
            keys.reader.problems.conflict(at, message);
        }
    }
}

/// A check of the relying party's rests on kidstamp then.
fn warn_of_nonces(keys: &mut Section<'_, '_>, restore: &Result<Given<bool>, Reported>) {
    if let Ok(Given { value: true, source }) = restore {
        let message = "client.restore_nonce = true: the RP takes kidstamp's word for which login a code is of, and logins \
                       are remembered in memory; see claims/nonce-missing in docs/rules.md";
        keys.reader.warn(source, message);
    }
}

/// Only what the client's secret signed gets another algorithm.
fn alg_needs_secret(
    keys: &mut Section<'_, '_>,
    secret_file: &Optional<PathBuf>,
    alg: &Optional<Alg>,
) {
    if let (Ok(None), Ok(Some(alg))) = (secret_file, alg) {
        let message = format!(
            "client.alg = \"{}\" is for tokens that the client's secret signed, and there is no client.secret_file; \
             name the file, or take alg out",
            alg.value
        );
        keys.reader.problems.conflict(&alg.source, message);
    }
}
