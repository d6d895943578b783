//! What there is to know of a running kidstamp, for `/status.json` and the page that shows the same.
//!
//! Holds nothing secret: public keys and their names, addresses, counts and words.

use super::advice;
use super::counters::Counters;
use super::sunset::Sunset;
use crate::config::ValidConfig;
use crate::rules::{self, Effect};
use crate::upstream::{IssuerStatus, Refresher};
use jiff::Timestamp;
use serde::Serialize;

/// The whole of it.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    pub(super) version: &'static str,
    pub(super) level: Level,
    pub(super) time: String,
    pub(super) started: String,
    pub(super) upstream: String,
    pub(super) serving: bool,
    pub(super) bridge: Bridge,
    pub(super) warnings: Vec<String>,
    pub(super) reloads: Counts,
    pub(super) issuers: Vec<Issuer>,
    pub(super) tokens: Vec<Tokens>,
    pub(super) token_findings: Vec<TokenFinding>,
    pub(super) restores: Counts,
    pub(super) upstream_failures: Counts,
}

/// How things are, all in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Worth a look.
    Attention,
    /// Somebody has to do something.
    Alarm,
}

impl Level {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Attention => "attention",
            Self::Alarm => "alarm",
        }
    }
}

/// Words and how often.
pub(super) type Counts = std::collections::BTreeMap<&'static str, u64>;

#[derive(Debug, Serialize)]
pub(super) struct Bridge {
    #[serde(flatten)]
    pub(super) sunset: Sunset,
    pub(super) text: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Issuer {
    pub(super) issuer: Option<String>,
    pub(super) external_url: Option<String>,
    pub(super) level: Level,
    /// When the last good documents came, and how many seconds ago that is.
    pub(super) fetched: Option<String>,
    pub(super) age_seconds: Option<i64>,
    /// False once the documents are too old to publish.
    pub(super) usable: bool,
    pub(super) attempts: Attempts,
    pub(super) error: Option<String>,
    pub(super) findings: Vec<Finding>,
    pub(super) bridge_keys: Vec<BridgeKey>,
    pub(super) published: Vec<Published>,
}

#[derive(Debug, Serialize)]
pub(super) struct Attempts {
    pub(super) succeeded: u64,
    pub(super) failed: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) rule: &'static str,
    pub(super) summary: &'static str,
    pub(super) reference: &'static str,
    pub(super) pointer: String,
    pub(super) detail: String,
    pub(super) effect: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct BridgeKey {
    pub(super) kid: String,
    pub(super) alg: &'static str,
    pub(super) state: &'static str,
}

/// A key of the published set.
#[derive(Debug, Serialize)]
pub(super) struct Published {
    pub(super) kid: Option<String>,
    pub(super) kty: Option<String>,
    pub(super) alg: Option<String>,
    #[serde(rename = "use")]
    pub(super) usage: Option<String>,
    pub(super) by: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Tokens {
    pub(super) kind: &'static str,
    pub(super) action: &'static str,
    pub(super) reason: &'static str,
    pub(super) count: u64,
    /// What to do about it.
    pub(super) advice: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct TokenFinding {
    pub(super) rule: &'static str,
    pub(super) summary: &'static str,
    pub(super) count: u64,
}

/// What a status is gathered from.
pub(super) struct Sources<'s> {
    pub(super) config: &'s ValidConfig,
    pub(super) refresher: &'s Refresher,
    pub(super) counters: &'s Counters,
    pub(super) is_serving: bool,
    pub(super) started: i64,
    pub(super) now: i64,
}

impl Status {
    pub(super) fn gather(from: &Sources<'_>) -> Self {
        let statuses = from.refresher.statuses();
        let sunset = Sunset::new(from.counters, &statuses, from.started, from.now);
        let rare = from.counters.rare();
        let issuers: Vec<Issuer> = statuses
            .into_iter()
            .enumerate()
            .map(|(index, status)| issuer(from, index, status))
            .collect();
        let tokens = rare.tokens.iter().map(|((kind, outcome, reason), count)| Tokens {
            kind: kind.name(),
            action: outcome.name(),
            reason,
            count: *count,
            advice: matches!(outcome.name(), "pass" | "reject")
                .then(|| advice::on(reason))
                .flatten(),
        });
        let tokens: Vec<Tokens> = tokens.collect();
        let mut level = issuers.iter().map(|issuer| issuer.level).max().unwrap_or(Level::Ok);
        if !from.config.warnings.is_empty() || tokens.iter().any(|tokens| tokens.advice.is_some()) {
            level = level.max(Level::Attention);
        }
        if from.config.is_dangerous() {
            level = Level::Alarm;
        }
        let reloads = from.counters.reloads().into_iter().collect();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            level,
            time: date(from.now),
            started: date(from.started),
            upstream: from.config.upstream.url.to_string(),
            serving: from.is_serving,
            bridge: Bridge { text: sunset.text(), sunset },
            warnings: from.config.warnings.clone(),
            reloads,
            issuers,
            tokens,
            token_findings: rare
                .findings
                .iter()
                .map(|(rule, count)| TokenFinding { rule, summary: about(rule).0, count: *count })
                .collect(),
            restores: rare.restores.into_iter().collect(),
            upstream_failures: rare.upstream_failures.into_iter().collect(),
        }
    }
}

fn issuer(from: &Sources<'_>, index: usize, status: IssuerStatus) -> Issuer {
    let snapshot = from.refresher.site.load().snapshot(index);
    let usable = snapshot.as_ref().is_some_and(|snapshot| snapshot.is_usable(from.now));
    let is_alarming =
        status.findings.iter().any(|finding| finding.effect == Effect::Compromised) || !usable;
    let level = if is_alarming {
        Level::Alarm
    } else if status.error.is_some() {
        Level::Attention
    } else {
        Level::Ok
    };
    let bridge_keys: Vec<BridgeKey> =
        status.keys.into_iter().map(|(kid, alg, state)| BridgeKey { kid, alg, state }).collect();
    let published = snapshot.map(|snapshot| published(&snapshot.keys.body, &bridge_keys));
    let configured = from.config.issuers.get(index);
    let external_url = configured.and_then(|issuer| issuer.external_url.as_ref());
    Issuer {
        issuer: status.issuer.or_else(|| configured.and_then(|issuer| issuer.issuer.clone())),
        external_url: external_url.map(ToString::to_string),
        level,
        fetched: status.fetched.map(date),
        age_seconds: status.fetched.map(|fetched| (from.now - fetched).max(0)),
        usable,
        attempts: Attempts { succeeded: status.attempts.0, failed: status.attempts.1 },
        error: status.error,
        findings: status.findings.into_iter().map(finding).collect(),
        bridge_keys,
        published: published.unwrap_or_default(),
    }
}

fn finding(finding: rules::Finding) -> Finding {
    let (summary, reference) = about(finding.rule);
    Finding {
        rule: finding.rule,
        summary,
        reference,
        pointer: finding.pointer,
        detail: finding.detail,
        effect: finding.effect.name(),
    }
}

/// What a rule is about, and the clause that says so.
fn about(rule: &str) -> (&'static str, &'static str) {
    let known = rules::all().find(|known| known.id == rule);
    known.map_or(("", ""), |rule| (rule.summary, rule.reference))
}

/// Of a set that was just made, the names of its keys.
fn published(set: &[u8], bridge: &[BridgeKey]) -> Vec<Published> {
    let set: serde_json::Value = serde_json::from_slice(set).unwrap_or_default();
    let keys = set.get("keys").and_then(serde_json::Value::as_array);
    let member = |key: &serde_json::Value, name: &str| {
        key.get(name).and_then(serde_json::Value::as_str).map(str::to_owned)
    };
    let describe = |key: &serde_json::Value| {
        let kid = member(key, "kid");
        let is_bridge = bridge.iter().any(|bridge| Some(&bridge.kid) == kid.as_ref());
        Published {
            kty: member(key, "kty"),
            alg: member(key, "alg"),
            usage: member(key, "use"),
            by: if is_bridge { "kidstamp" } else { "provider" },
            kid,
        }
    };
    keys.into_iter().flatten().map(describe).collect()
}

/// As RFC 3339 has it.
fn date(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}
