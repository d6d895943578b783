//! `[[issuer]]`: as many as the file has, or one that flags make.
//!
//! A flag can't say which of several issuers it means, so with several it is refused rather
//! than guessed.

use super::error::{Fault, Reported};
use super::model::{ConfiguredMetadata, Issuer, KeySource};
use super::origin::{Origin, parse_url};
use super::overrides::{Override, Overrides};
use super::place::Source;
use super::reader::{Given, Optional, Section};
use super::value;
use crate::rules::jwks::KnownKey;

/// An issuer, and where the parts of it were written that checks speak of.
pub(super) struct ReadIssuer {
    pub(super) issuer: Issuer,
    /// `[[issuer]]` itself.
    pub(super) at: Option<Source>,
    pub(super) issuer_at: Option<Source>,
    pub(super) external_at: Option<Source>,
    pub(super) jwks_uri_at: Option<Source>,
    pub(super) discovery_uri_at: Option<Source>,
    pub(super) aliases_at: Option<Source>,
    pub(super) keys_at: Option<Source>,
}

/// What flags and environment say about the one issuer.
#[derive(Clone, Copy, Default)]
struct FromOutside<'o> {
    issuer: Option<&'o Override>,
    external_url: Option<&'o Override>,
    keys: Option<&'o Override>,
    ephemeral_key: Option<&'o Override>,
}

impl<'o> FromOutside<'o> {
    fn new(overrides: &'o Overrides) -> Self {
        Self {
            issuer: overrides.issuer.as_ref(),
            external_url: overrides.external_url.as_ref(),
            keys: overrides.keys.as_ref(),
            ephemeral_key: overrides.ephemeral_key.as_ref(),
        }
    }

    fn each(self) -> [(&'static str, Option<&'o Override>); 4] {
        [
            ("issuer", self.issuer),
            ("external_url", self.external_url),
            ("keys", self.keys),
            ("ephemeral_key", self.ephemeral_key),
        ]
    }
}

/// Reads them all; at least one.
pub(super) fn issuers(
    root: &mut Section<'_, '_>,
    overrides: &Overrides,
) -> Result<Vec<ReadIssuer>, Reported> {
    let outside = FromOutside::new(overrides);
    let tables = root.list("issuer")?;
    match tables.as_slice() {
        [] => Ok(vec![read(root.item("issuer", None), None, outside)?]),
        [(at, table)] => Ok(vec![read(root.item("issuer", Some(table)), Some(at), outside)?]),
        several => {
            refuse_outside(root, several.len(), outside);
            let read_all: Vec<_> = several
                .iter()
                .map(|(at, table)| {
                    read(root.item("issuer", Some(table)), Some(at), FromOutside::default())
                })
                .collect();
            read_all.into_iter().collect()
        }
    }
}

fn refuse_outside(root: &mut Section<'_, '_>, count: usize, outside: FromOutside<'_>) {
    let file = root.reader.file_name().unwrap_or_default().to_owned();
    for (key, given) in outside.each() {
        if let Some(given) = given {
            let message = format!(
                "speaks of one issuer, and {file} has {count}; write {key} in its [[issuer]] instead"
            );
            root.reader.problems.conflict(&given.source, message);
        }
    }
}

fn read(
    mut keys: Section<'_, '_>,
    at: Option<&Source>,
    outside: FromOutside<'_>,
) -> Result<ReadIssuer, Reported> {
    let issuer = keys.optional("issuer", outside.issuer, value::issuer);
    let external_url = external_url(&mut keys, outside.external_url, &issuer);
    let mut url = |key| keys.optional(key, None, value::endpoint);
    let discovery_uri = url("discovery_uri");
    let jwks_uri = url("jwks_uri");
    let token_endpoint = url("token_endpoint");
    let userinfo_endpoint = url("userinfo_endpoint");
    let introspection_endpoint = url("introspection_endpoint");
    let revocation_endpoint = url("revocation_endpoint");
    let end_session_endpoint = url("end_session_endpoint");
    let authorization_endpoint = url("authorization_endpoint");
    let access_token_issuer = keys.optional("access_token_issuer", None, value::issuer);
    let audiences = texts(&mut keys, "audiences", "all are allowed");
    let aliases = texts(&mut keys, "aliases", "the issuer has one name");
    let cors_origins = keys.optional("cors_origins", None, value::origins);
    let key_source = key_source(&mut keys, outside);
    let discovery = members(keys.child("discovery"));
    let known_keys = known_keys(&mut keys);
    keys.close();

    let (issuer, external_url, jwks_uri) = (issuer?, external_url?, jwks_uri?);
    let discovery_uri = discovery_uri?;
    let (key_source, keys_at) = key_source?;
    Ok(ReadIssuer {
        at: at.cloned(),
        issuer_at: place(&issuer),
        external_at: place(&external_url),
        jwks_uri_at: place(&jwks_uri),
        discovery_uri_at: place(&discovery_uri),
        aliases_at: aliases.as_ref().ok().and_then(place),
        keys_at,
        issuer: Issuer {
            issuer: plain(issuer),
            external_url: plain(external_url),
            metadata: ConfiguredMetadata {
                jwks_uri: plain(jwks_uri),
                token_endpoint: plain(token_endpoint?),
                userinfo_endpoint: plain(userinfo_endpoint?),
                introspection_endpoint: plain(introspection_endpoint?),
                revocation_endpoint: plain(revocation_endpoint?),
                end_session_endpoint: plain(end_session_endpoint?),
                authorization_endpoint: plain(authorization_endpoint?),
            },
            discovery_uri: plain(discovery_uri),
            discovery: discovery?,
            aliases: plain(aliases?).unwrap_or_default(),
            access_token_issuer: plain(access_token_issuer?),
            audiences: plain(audiences?).unwrap_or_default(),
            cors_origins: plain(cors_origins?).unwrap_or_default(),
            keys: key_source,
            known_keys: known_keys?,
        },
    })
}

/// `[issuer.discovery]`: what the discovery document should say, in the provider's name.
fn members(mut keys: Section<'_, '_>) -> Result<Vec<(String, String)>, Reported> {
    /// What [`ConfiguredMetadata`] has, and what names the issuer.
    const OWN: [&str; 8] = [
        "issuer",
        "jwks_uri",
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "introspection_endpoint",
        "revocation_endpoint",
        "end_session_endpoint",
    ];
    let mut members = Vec::new();
    let mut all_good = Ok(());
    for (name, _) in keys.keys() {
        if OWN.contains(&name.as_str()) {
            // Not asked for, so that it is told as unknown here and at home in [[issuer]].
            continue;
        }
        match keys.optional(&name, None, value::member) {
            Ok(Some(member)) => members.push((name, member.value.to_json())),
            Ok(None) => {}
            Err(reported) => all_good = Err(reported),
        }
    }
    keys.close();
    all_good.map(|()| members)
}

/// `[[issuer.key]]`: what a token taught about one key.
fn known_keys(keys: &mut Section<'_, '_>) -> Result<Vec<KnownKey>, Reported> {
    let tables = keys.list("key")?;
    let read: Vec<_> =
        tables.iter().map(|(at, table)| known_key(keys.item("key", Some(table)), at)).collect();
    read.into_iter().collect()
}

fn known_key(mut keys: Section<'_, '_>, at: &Source) -> Result<KnownKey, Reported> {
    let thumbprint = keys.optional("thumbprint", None, value::thumbprint);
    let kid = keys.optional("kid", None, value::kid);
    let alg = keys.optional("alg", None, value::word);
    let thumbprint = thumbprint.and_then(|thumbprint| {
        thumbprint.ok_or_else(|| {
            let advice =
                "say which key is meant: `kidstamp thumbprint` prints it for each key".to_owned();
            let fault = Fault::Missing { key: keys.full("thumbprint"), advice };
            keys.reader.problems.report(at.clone(), fault)
        })
    });
    keys.close();
    Ok(KnownKey { thumbprint: thumbprint?.value, kid: plain(kid?), alg: plain(alg?) })
}

/// A list of texts, whose absence means `unset`.
fn texts(keys: &mut Section<'_, '_>, key: &'static str, unset: &str) -> Optional<Vec<String>> {
    let given = keys.given(key, None, value::texts)?;
    match &given {
        Some(given) => keys.note(key, &given.value, &given.source),
        None => keys.reader.record.unset(key, unset),
    }
    Ok(given)
}

fn plain<T>(given: Option<Given<T>>) -> Option<T> {
    given.map(|given| given.value)
}

fn place<T>(given: &Option<Given<T>>) -> Option<Source> {
    given.as_ref().map(|given| given.source.clone())
}

/// The origin that RPs use: as set, else the issuer's own.
fn external_url(
    keys: &mut Section<'_, '_>,
    outside: Option<&Override>,
    issuer: &Optional<String>,
) -> Optional<Origin> {
    const KEY: &str = "external_url";
    let given = keys.given(KEY, outside, value::origin)?;
    let derived = || {
        let issuer = issuer.as_ref().ok()?.as_ref()?;
        let (_, value) = parse_url(&issuer.value).ok()?;
        Some(Given { value, source: Source::Default("the issuer's origin") })
    };
    let url = given.or_else(derived);
    match &url {
        Some(given) => keys.note(KEY, &given.value, &given.source),
        None => keys.reader.record.unset(KEY, "the origin of the issuer that discovery names"),
    }
    Ok(url)
}

/// `keys` and `ephemeral_key` exclude each other; who comes from nearer wins.
fn key_source(
    section: &mut Section<'_, '_>,
    outside: FromOutside<'_>,
) -> Result<(KeySource, Option<Source>), Reported> {
    const KEYS: &str = "keys";
    const EPHEMERAL: &str = "ephemeral_key";
    let directory = section.given(KEYS, outside.keys, value::path);
    let ephemeral = section.given(EPHEMERAL, outside.ephemeral_key, value::boolean);
    let (directory, ephemeral) = (directory?, ephemeral?);
    let no = Source::Default("");

    let rank = |source: &Source| source.rank();
    match (directory, ephemeral) {
        (Some(directory), Some(Given { value: true, source }))
            if rank(&directory.source) == rank(&source) =>
        {
            let message = format!(
                "issuer.{EPHEMERAL} = true and issuer.{KEYS} ({}) exclude each other; \
                 {EPHEMERAL} is for trying out, so keep {KEYS}",
                directory.source
            );
            Err(section.reader.problems.conflict(&source, message))
        }
        (directory, Some(Given { value: true, source }))
            if directory.as_ref().is_none_or(|given| rank(&given.source) < rank(&source)) =>
        {
            section.reader.record.unset(KEYS, &format!("{} takes its place", source.note()));
            section.note(EPHEMERAL, &true, &source);
            Ok((KeySource::Ephemeral, Some(source)))
        }
        (Some(Given { value, source }), ephemeral) => {
            section.note(KEYS, &value, &source);
            // Overridden or false: either way it is false now, and this is why.
            let why = match &ephemeral {
                Some(Given { value: true, .. }) => &source,
                Some(given) => &given.source,
                None => &no,
            };
            section.note(EPHEMERAL, &false, why);
            Ok((KeySource::Directory(value), Some(source)))
        }
        (None, ephemeral) => {
            section.reader.record.unset(KEYS, "");
            section.note(EPHEMERAL, &false, ephemeral.as_ref().map_or(&no, |given| &given.source));
            Ok((KeySource::None, None))
        }
    }
}
