//! A snapshot: the repaired key set of an issuer with the verification keys, as served at this moment.
//!
//! Both come out of one object, since a `kid` in the set and a `kid` in a token are worth nothing apart.

use super::discovery::{Signs, Surroundings};
use super::fetch::{Fetched, Forwarding};
use super::metadata::Metadata;
use super::publication::Publication;
use super::treatment::{Common, Secrets, Treatments};
use crate::config::{ContentType, Issuer, Publish, ValidConfig};
use crate::jose::{Alg, Kid, PublicKey, VerificationKey, thumbprint};
use crate::json::{self, Document, Edits, Limits, Value};
use crate::keys::KeyRing;
use crate::rules::jwks::{self, Options, RepairedSet, Unreadable};
use crate::rules::{Effect, Finding, Repaired};
use crate::token::{BridgeKey, TrustedKey};
use aws_lc_rs::digest;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// What one issuer's requests and responses are treated with.
#[derive(Debug)]
pub struct Snapshot {
    /// What the provider says of itself.
    pub metadata: Metadata,
    /// The external origin, as the provider is told it.
    pub forwarding: Forwarding,
    /// The key set, as relying parties get it.
    pub keys: PublishedKeys,
    /// Other forms of it, in the order of `[[jwks.view]]`; `None` for other issuers', and for what would be empty.
    pub views: Vec<Option<PublishedKeys>>,
    /// The discovery document; `None` if there is none, or none that can be read.
    pub discovery: Option<PublishedDiscovery>,
    /// How tokens are treated.
    pub treatments: Treatments,
    /// What the rules found in the provider's documents.
    pub findings: Vec<Finding>,
    usable_until: AtomicI64,
}

/// The discovery document as relying parties should get it.
#[derive(Debug)]
pub struct PublishedDiscovery {
    /// The document.
    pub document: PublishedKeys,
    /// False if it is the provider's own, to the byte.
    pub is_new: bool,
}

/// A key set, or another document, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedKeys {
    /// The text.
    pub body: Bytes,
    /// Its strong entity tag.
    pub etag: HeaderValue,
    /// The fields of a response with it: for each response, a copy of this costs less than building them.
    pub head: HeaderMap,
}

/// Why a key set that was fetched can't be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Not a key set.
    #[error("the key set of the provider is {0}")]
    Unreadable(#[from] Unreadable),
    /// Not UTF-8.
    #[error("the key set of the provider is not UTF-8")]
    NotUtf8,
    /// All of the provider's keys are compromised, and there is no bridge key.
    #[error(
        "no key is left to publish: all of the provider's keys are compromised and there is no bridge key"
    )]
    NothingLeft,
}

/// What a snapshot is made of.
pub(super) struct Ingredients<'i> {
    pub(super) config: &'i ValidConfig,
    pub(super) issuer: &'i Issuer,
    pub(super) forwarding: Forwarding,
    pub(super) metadata: &'i Metadata,
    /// The provider's key set, as it came.
    pub(super) jwks: &'i [u8],
    /// Its discovery document, as it came.
    pub(super) discovery: Option<&'i Fetched>,
    /// What the rules for that are told.
    pub(super) surroundings: Surroundings<'i>,
    /// The `max-age` that came with the key set.
    pub(super) max_age: Option<Duration>,
    pub(super) ring: &'i KeyRing,
    pub(super) secrets: &'i Secrets,
    pub(super) now: i64,
    /// When the documents were fetched.
    pub(super) fetched: i64,
}

impl Snapshot {
    pub(super) fn build(
        from: &Ingredients<'_>,
        publication: &mut Publication,
    ) -> Result<Self, SnapshotError> {
        let text = std::str::from_utf8(from.jwks).map_err(|_| SnapshotError::NotUtf8)?;
        let options = Options {
            settings: from.config.rules.clone(),
            publish_compromised: from.config.jwks.publish_compromised,
            stamp_all: false,
            keys: from.issuer.known_keys.clone(),
            may_be_empty: from.secrets.iter().any(Option::is_some),
        };
        let repaired = jwks::repair(text, &options)?;
        let retain = from.config.keys.retain;
        let bridge = from.ring.published(from.now, retain);
        let set = |publish| published_set(publish, &repaired.text, &bridge);
        let body = set(from.config.jwks.publish)?;
        let published = read_keys(&body)?;
        publication.publish(
            from.now,
            published
                .iter()
                .filter_map(|key| Some((key.kid.as_deref()?, key.thumbprint.as_deref()?)))
                .map(|(kid, thumbprint)| (kid, thumbprint, repaired.provider_kids.contains(kid))),
        );
        let settled = |kid: &str| publication.is_settled(kid, from.now, from.config.jwks.settle);
        let common = Common {
            issuer: from.metadata.issuer.clone(),
            access_token_issuer: from.issuer.access_token_issuer.clone(),
            audiences: from.issuer.audiences.clone(),
            aliases: from.issuer.aliases.clone(),
            trusted: trusted(&repaired, &published, settled)?,
            bridge: signing(from, &read_keys(&repaired.text)?),
        };
        let treatments = Treatments::new(from.config, &common, from.secrets);
        let (discovery, found) = discovery(from, &repaired, &treatments);
        let mut findings = repaired.findings;
        findings.extend(found);
        let snapshot = Self {
            discovery,
            metadata: from.metadata.clone(),
            forwarding: from.forwarding.clone(),
            keys: publishable(body, from.config.jwks.content_type.as_str(), from),
            views: views(from, set),
            treatments,
            findings,
            usable_until: AtomicI64::new(0),
        };
        snapshot.prolong(from.fetched, from.config.jwks.stale_if_error);
        Ok(snapshot)
    }

    /// Notes that the documents were still the provider's at the time `fetched`.
    pub(super) fn prolong(&self, fetched: i64, stale_if_error: Duration) {
        let until =
            fetched.saturating_add(i64::try_from(stale_if_error.as_secs()).unwrap_or(i64::MAX));
        self.usable_until.store(until, Ordering::Relaxed);
    }

    /// False once the last good documents are too old to publish, or to verify with.
    pub fn is_usable(&self, now: i64) -> bool {
        now <= self.usable_until.load(Ordering::Relaxed)
    }
}

/// A key of a set, as far as a snapshot needs it.
struct ReadKey {
    public: Option<PublicKey>,
    thumbprint: Option<String>,
    kid: Option<String>,
    /// `use` and `alg` allow signatures.
    signs: bool,
    alg: Option<Alg>,
}

fn read_keys(text: &str) -> Result<Vec<ReadKey>, SnapshotError> {
    let document = Document::parse(text, Limits::DOCUMENT).map_err(Unreadable::from)?;
    let keys = document.root().get("keys").ok_or(Unreadable::NotAKeySet)?;
    Ok(keys.elements().map(read_key).collect())
}

fn read_key(jwk: Value<'_>) -> ReadKey {
    let public = PublicKey::from_jwk(jwk).ok();
    let thumbprint = public.as_ref().map(thumbprint::of).or_else(|| thumbprint::of_unknown(jwk));
    let alg_text = jwk.get_str("alg");
    let alg = alg_text.as_deref().and_then(Alg::from_name);
    let usage = jwk.get_str("use").is_none_or(|usage| usage == "sig");
    let operations =
        jwk.get("key_ops").is_none_or(|ops| ops.elements().any(|op| op.is_str("verify")));
    ReadKey {
        kid: Kid::of(jwk).text().map(str::to_owned),
        signs: usage && operations && (alg_text.is_none() || alg.is_some()),
        public,
        thumbprint,
        alg,
    }
}

/// The set that holds the keys of those whom `publish` names.
fn published_set(
    publish: Publish,
    repaired: &str,
    bridge: &[Arc<BridgeKey>],
) -> Result<String, SnapshotError> {
    match publish {
        Publish::Both => with_bridge_keys(repaired, bridge),
        Publish::Upstream => with_bridge_keys(repaired, &[]),
        Publish::Bridge => bridge_keys_alone(repaired, bridge),
    }
}

/// Each `[[jwks.view]]`, as far as it is this issuer's and holds a key.
fn views(
    from: &Ingredients<'_>,
    set: impl Fn(Publish) -> Result<String, SnapshotError>,
) -> Vec<Option<PublishedKeys>> {
    let all = from.config.jwks.views.iter();
    let made = all.map(|view| {
        let is_ours = view.issuer.as_ref().is_none_or(|issuer| *issuer == from.metadata.issuer);
        let body = is_ours.then(|| set(view.publish))?.ok()?;
        Some(publishable(body, ContentType::as_str(view.content_type), from))
    });
    made.collect()
}

/// The bridge keys. One that the provider publishes itself (same-key mode) is taken from its set as it stands there.
fn bridge_keys_alone(repaired: &str, bridge: &[Arc<BridgeKey>]) -> Result<String, SnapshotError> {
    if bridge.is_empty() {
        return Err(SnapshotError::NothingLeft);
    }
    let document = Document::parse(repaired, Limits::DOCUMENT).map_err(Unreadable::from)?;
    let upstream: Vec<Value<'_>> =
        document.root().get("keys").ok_or(Unreadable::NotAKeySet)?.elements().collect();
    let keys = bridge.iter().map(|key| {
        let is_same = |jwk: &&Value<'_>| PublicKey::from_jwk(**jwk).as_ref() == Ok(key.public());
        upstream.iter().find(is_same).map_or_else(|| key.public_jwk(), |jwk| jwk.raw().to_owned())
    });
    Ok(format!("{{\"keys\":[{}]}}", keys.collect::<Vec<_>>().join(",")))
}

/// The repaired set with those bridge keys at its end that it does not hold already.
fn with_bridge_keys(text: &str, bridge: &[Arc<BridgeKey>]) -> Result<String, SnapshotError> {
    let present: Vec<PublicKey> =
        read_keys(text)?.into_iter().filter_map(|key| key.public).collect();
    let document = Document::parse(text, Limits::DOCUMENT).map_err(Unreadable::from)?;
    let keys = document.root().get("keys").ok_or(Unreadable::NotAKeySet)?;
    let mut edits = Edits::default();
    let mut count = present.len().max(keys.elements().count());
    for key in bridge.iter().filter(|key| !present.contains(key.public())) {
        edits.append_element(keys, key.public_jwk());
        count += 1;
    }
    if count == 0 {
        return Err(SnapshotError::NothingLeft);
    }
    // Appending to one array can't overlap.
    Ok(json::apply(text, &edits.splices(&document)).unwrap_or_else(|_| text.to_owned()))
}

/// The keys that tokens are verified with. Only those of the `published` set have a `kid` that tokens can name.
fn trusted(
    repaired: &RepairedSet,
    published: &[ReadKey],
    settled: impl Fn(&str) -> bool,
) -> Result<Arc<[TrustedKey]>, SnapshotError> {
    let is_published =
        |kid: &String| published.iter().any(|key| key.kid.as_deref() == Some(kid.as_str()));
    let upstream =
        read_keys(&repaired.text)?.into_iter().filter(|key| key.signs).filter_map(|key| {
            // A key that is too small, or of an unknown type, is published but backs no signature.
            let verification = VerificationKey::new(key.public?).ok()?;
            let kid = key.kid.filter(is_published);
            let settled = kid.as_deref().is_some_and(&settled);
            Some(TrustedKey { key: verification, alg: key.alg, kid, settled })
        });
    let compromised = repaired.compromised.iter().filter_map(|key| {
        let verification = VerificationKey::new(key.clone()).ok()?;
        Some(TrustedKey { key: verification, alg: None, kid: None, settled: false })
    });
    Ok(upstream.chain(compromised).collect())
}

/// The keys that sign now. One that the provider publishes itself signs under the provider's `kid`.
fn signing(from: &Ingredients<'_>, upstream: &[ReadKey]) -> Vec<Arc<BridgeKey>> {
    let keys = from.ring.active(from.now).into_iter().map(|key| {
        let twin = upstream.iter().find(|other| other.public.as_ref() == Some(key.public()));
        match twin.and_then(|twin| twin.kid.as_deref()).filter(|kid| *kid != key.kid()) {
            Some(kid) => Arc::new(key.published_as(kid)),
            None => key,
        }
    });
    keys.collect()
}

/// The algorithms that a provider's tokens may have: of its keys, and as its metadata says.
pub(super) fn algs_called_for(jwks: &[u8], metadata: &Metadata) -> Vec<Alg> {
    let text = std::str::from_utf8(jwks).unwrap_or_default();
    let repaired = jwks::repair(text, &Options::default()).ok();
    let keys = repaired.as_ref().and_then(|set| read_keys(&set.text).ok()).unwrap_or_default();
    let key_types: Vec<_> = keys
        .iter()
        .filter(|key| key.signs)
        .filter_map(|key| key.public.as_ref())
        .chain(repaired.iter().flat_map(|set| &set.compromised))
        .filter_map(PublicKey::key_type)
        .collect();
    let named = keys.iter().filter_map(|key| key.alg);
    let offered = metadata.id_token_algs.iter().filter_map(|name| Alg::from_name(name));
    let mut algs: Vec<Alg> =
        named.chain(offered).filter(|alg| key_types.contains(&alg.key_type())).collect();
    algs.extend(key_types.iter().map(|key_type| key_type.default_alg()));
    algs.sort();
    algs.dedup();
    algs
}

/// The discovery document after the rules, which are told what the keys of the set sign with; and what they found.
fn discovery(
    from: &Ingredients<'_>,
    repaired: &RepairedSet,
    treatments: &Treatments,
) -> (Option<PublishedDiscovery>, Vec<Finding>) {
    let instead = treatments.instead_of_macs(&from.metadata.id_token_algs);
    let signs = signs_of(repaired, instead);
    let json = |document: Repaired<'_>, is_new| PublishedDiscovery {
        document: publishable(document.text.into_owned(), "application/json", from),
        is_new,
    };
    let Some(document) = from.discovery else {
        let made = from.surroundings.make(&signs);
        let findings = made.iter().flat_map(|made| made.findings.clone()).collect();
        return (made.map(|made| json(made, true)), findings);
    };
    let Some(mut repaired) = from.surroundings.repair(&document.body, &signs) else {
        return (None, Vec::new());
    };
    let mut findings = std::mem::take(&mut repaired.findings);
    let content_type = document.headers.get(CONTENT_TYPE);
    let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()));
    let odd_type = from.surroundings.look_at_content_type(content_type.as_deref());
    let is_odd = odd_type.as_ref().is_some_and(|found| found.effect == Effect::Repaired);
    findings.extend(odd_type);
    // In the place where it belongs, the provider has nothing.
    let is_elsewhere = from.issuer.discovery_uri.is_some();
    let is_new = repaired.is_changed() || is_odd || is_elsewhere;
    (Some(json(repaired, is_new)), findings)
}

/// The algorithms that the keys of a set sign with; `more` are known to be used besides.
pub(crate) fn signs_of(set: &RepairedSet, more: impl IntoIterator<Item = Alg>) -> Signs<'static> {
    let keys = read_keys(&set.text).unwrap_or_default();
    let signing = || keys.iter().filter(|key| key.signs);
    let names = |algs: &mut dyn Iterator<Item = Alg>| -> Vec<&'static str> {
        let algs: BTreeSet<Alg> = algs.collect();
        algs.into_iter().map(Alg::name).collect()
    };
    let default_of = |key: &ReadKey| Some(key.public.as_ref()?.key_type()?.default_alg());
    Signs {
        with: names(&mut signing().filter_map(|key| key.alg.or_else(|| default_of(key)))),
        named: names(&mut signing().filter_map(|key| key.alg).chain(more)),
    }
}

fn publishable(body: String, content_type: &'static str, from: &Ingredients<'_>) -> PublishedKeys {
    /// What relying parties may keep the set for, where the provider says nothing.
    const DEFAULT_MAX_AGE: Duration = Duration::from_secs(300);
    let hash = digest::digest(&digest::SHA256, body.as_bytes());
    let etag = format!("\"{}\"", crate::jose::base64url::encode(hash));
    // A cache that keeps the set for longer than `settle` would miss keys that count as settled.
    let max_age = from.max_age.unwrap_or(DEFAULT_MAX_AGE).min(from.config.jwks.settle).as_secs();
    let value = |text: String| HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    let etag = value(etag);
    let head = [
        (ETAG, etag.clone()),
        (CACHE_CONTROL, value(format!("public, max-age={max_age}"))),
        (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
    ];
    PublishedKeys { etag, head: HeaderMap::from_iter(head), body: Bytes::from(body) }
}

#[cfg(test)]
mod pairs;
#[cfg(test)]
mod settling;
#[cfg(test)]
mod vectors;
