//! What `lint` found, before it takes a form.

use crate::rules::strictness::{self, Flaw, RelyingParty};
use crate::rules::{self, Effect, Finding, errors};
use std::collections::BTreeSet;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// A key is lost, or its secret known.
    Critical,
    /// Relying parties refuse it.
    Error,
    /// Worth a look.
    Warning,
}

impl Severity {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A finding, with what is known about it.
pub(super) struct Item {
    pub(super) finding: Finding,
    pub(super) severity: Severity,
    pub(super) flaw: Option<Flaw>,
    /// Whose login fails, of those that are asked about.
    pub(super) refused_by: Vec<&'static str>,
    /// What one of them says; the one that is asked about, if it is one.
    pub(super) error: Option<&'static str>,
    pub(super) summary: &'static str,
}

impl Item {
    fn new(finding: Finding, only: Option<&RelyingParty>) -> Self {
        let flaw = finding.flaw.and_then(strictness::flaw);
        let names = flaw.into_iter().flat_map(|flaw| flaw.refused_by());
        let refused_by: Vec<&str> =
            names.filter(|name| only.is_none_or(|rp| rp.name == *name)).collect();
        let severity = match finding.effect {
            Effect::Compromised => Severity::Critical,
            _ if refused_by.is_empty() => Severity::Warning,
            _ => Severity::Error,
        };
        let summary = rules::all()
            .find(|rule| rule.id == finding.rule)
            .map(|rule| rule.summary)
            .or(flaw.map(|flaw| flaw.summary))
            .unwrap_or_else(|| of_the_token(finding.rule));
        let error = match (only, flaw) {
            (Some(rp), Some(flaw)) => errors::said_by(rp.name, flaw.id),
            (_, flaw) => flaw.map(|flaw| flaw.error).filter(|error| !error.is_empty()),
        };
        Self { finding, severity, flaw, refused_by, error, summary }
    }

    /// Who of them still does through kidstamp, as it is without configuration, and why if that is known.
    pub(super) fn still_refused_by(&self) -> Vec<(&'static str, Option<&'static str>)> {
        if self.finding.effect == Effect::Kept {
            return self.refused_by.iter().map(|name| (*name, None)).collect();
        }
        let still = self.flaw.iter().flat_map(Flaw::still_refused_by);
        still
            .filter(|(name, _)| self.refused_by.contains(name))
            .map(|(name, reason)| (name, Some(reason)))
            .collect()
    }

    /// What kidstamp does about it.
    pub(super) fn remedy(&self) -> &'static str {
        match self.finding.effect {
            Effect::Repaired if self.finding.rule.starts_with("token/") => {
                "kidstamp re-signs such tokens"
            }
            Effect::Repaired => "kidstamp repairs it",
            Effect::Dropped => "kidstamp does not publish this key",
            Effect::Compromised => {
                "kidstamp does not publish this key and re-signs its tokens; replace it at the provider"
            }
            Effect::Kept => "kidstamp leaves it",
        }
    }
}

/// What was found in a token that no relying party was measured with.
fn of_the_token(finding: &str) -> &'static str {
    match finding {
        "token/issuer-other" => "the token names another issuer",
        "token/alg-mismatch" => "the token and its key differ in alg",
        "token/not-verified" => "the token can't be verified",
        _ => "relying parties may refuse it",
    }
}

/// All findings, the worst first.
pub(super) struct Report {
    pub(super) source: String,
    pub(super) items: Vec<Item>,
    pub(super) notes: Vec<String>,
    pub(super) only: Option<RelyingParty>,
}

impl Report {
    pub(super) fn new(source: String, findings: Vec<Finding>, only: Option<RelyingParty>) -> Self {
        let mut items: Vec<Item> = findings
            .into_iter()
            .map(|finding| Item::new(finding, only.as_ref()))
            .filter(|item| only.is_none() || !item.refused_by.is_empty())
            .collect();
        items.sort_by_key(|item| item.severity);
        Self { source, items, notes: Vec::new(), only }
    }

    /// Who refuses a login for any of the findings.
    pub(super) fn refused_by(&self) -> BTreeSet<&'static str> {
        self.items.iter().flat_map(|item| item.refused_by.iter().copied()).collect()
    }

    /// Who still does through kidstamp, as it is without configuration.
    pub(super) fn refused_through_kidstamp(&self) -> BTreeSet<&'static str> {
        self.items.iter().flat_map(Item::still_refused_by).map(|(name, _)| name).collect()
    }

    /// `refused by 17 of 53 known RPs; through kidstamp by 0`
    pub(super) fn summary(&self) -> String {
        let (before, after) = (self.refused_by().len(), self.refused_through_kidstamp().len());
        let known = strictness::relying_parties().count();
        match (&self.only, before) {
            (Some(rp), 0) => format!("not refused by {} {}", rp.name, rp.version),
            (Some(rp), _) => {
                let word = if after == 0 { "not refused" } else { "refused" };
                format!("refused by {} {}; through kidstamp {word}", rp.name, rp.version)
            }
            (None, 0) => format!("refused by 0 of {known} known RPs"),
            (None, _) => {
                format!("refused by {before} of {known} known RPs; through kidstamp by {after}")
            }
        }
    }
}
