//! The rulebook: every flaw that kidstamp knows, how it is found, and how it is mended.
//!
//! One table serves the offline repair (`fix`), the live one (`serve`) and the messages about both. A
//! rule is a file; its head is the user's documentation. Rules look at a parsed document and ask for
//! edits on its text; one rule is applied after the other, each to what the ones before it left, so
//! that flaws which stand together are repaired together.
//!
//! Rules never do I/O, never look at the clock, and never write a document out anew.

pub mod claims;
pub mod discovery;
pub mod errors;
pub mod jwks;
mod layer;
pub mod manual;
pub mod strictness;
pub mod token_response;
pub mod userinfo;

pub use layer::{Repaired, Unrepairable};

use crate::jose::PublicKey;
use crate::json::{self, Edits, Splice};

/// What is done about a flaw that a rule finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Setting {
    /// Found, reported and mended.
    Repair,
    /// Found and reported; the document stays.
    Warn,
    /// Not looked for.
    Off,
}

/// One known flaw.
#[derive(Debug)]
pub struct Rule {
    /// Layer and name, such as `jwks/kid-missing`; never changes once released.
    pub id: &'static str,
    /// The flaw in one sentence.
    pub summary: &'static str,
    /// The clause that says so.
    pub reference: &'static str,
    /// What is done where the configuration says nothing.
    pub default: Setting,
    /// True where the configuration must not say otherwise: what the rule keeps back gives secrets away.
    pub fixed: bool,
    /// The observations that the rule answers: flaws of [`strictness`] and rows of the list of quirks. The
    /// first one is what a finding of this rule shows, unless the finding says otherwise.
    pub answers: &'static [&'static str],
}

impl Rule {
    /// What is done about the flaw, where `settings` differ from the defaults.
    pub fn setting(&self, settings: &Settings) -> Setting {
        if self.fixed {
            self.default
        } else {
            settings.get(self.id).copied().unwrap_or(self.default)
        }
    }
}

/// Every rule of every layer.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    let documents = jwks::rules().chain(discovery::rules());
    documents.chain(token_response::rules()).chain(claims::rules()).chain(userinfo::rules())
}

/// What a finding led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The value was put right.
    Repaired,
    /// The key is no longer published: no relying party could use it safely.
    Dropped,
    /// The key's private half is public knowledge: no longer published, and an alarm until it is replaced.
    Compromised,
    /// Reported only.
    Kept,
}

impl Effect {
    /// As it stands in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Repaired => "repaired",
            Self::Dropped => "dropped",
            Self::Compromised => "compromised, dropped",
            Self::Kept => "kept",
        }
    }
}

impl Finding {
    /// True if what the finding points at is no longer there.
    pub fn drops(&self) -> bool {
        matches!(self.effect, Effect::Dropped | Effect::Compromised)
    }
}

/// A rule that fired on a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's id.
    pub rule: &'static str,
    /// Where, as a JSON pointer (RFC 6901) into the document as it came.
    pub pointer: String,
    /// What was found there, in words; holds no secret.
    pub detail: String,
    /// What became of it.
    pub effect: Effect,
    /// The flaw of [`strictness`] that it shows, if relying parties were measured with it.
    pub flaw: Option<&'static str>,
}

/// Settings that differ from the rules' defaults, by rule id.
pub type Settings = std::collections::BTreeMap<String, Setting>;

/// The edits of one rule, on the text that the rules before it left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The rule's id.
    pub rule: &'static str,
    /// What it changed, in text order.
    pub splices: Vec<Splice>,
    /// The splices that lead back.
    pub undo: Vec<Splice>,
}

impl Step {
    /// Applies `edits` to `text`; `None` if they change nothing.
    pub(crate) fn apply(
        rule: &'static str,
        text: &str,
        splices: Vec<Splice>,
    ) -> Option<(Self, String)> {
        if splices.is_empty() {
            return None;
        }
        // A rule whose own edits overlap changes nothing: half of an edit would be worse than none.
        let result = json::apply(text, &splices).ok()?;
        let undo = json::invert(text, &splices);
        Some((Self { rule, splices, undo }, result))
    }
}

/// What a rule reports and asks for while it looks at one document.
pub(crate) struct Report<'d> {
    rule: &'static Rule,
    setting: Setting,
    edits: Edits<'d>,
    findings: Vec<Finding>,
    compromised: Vec<PublicKey>,
}

impl<'d> Report<'d> {
    fn new(rule: &'static Rule, setting: Setting) -> Self {
        Self {
            rule,
            setting,
            edits: Edits::default(),
            findings: Vec::new(),
            compromised: Vec::new(),
        }
    }

    /// Reports a flaw; `repair` asks for the edits that mend it, and is not called where the rule is set to warn.
    fn found(
        &mut self,
        pointer: String,
        detail: impl Into<String>,
        effect: Effect,
        repair: impl FnOnce(&mut Edits<'d>),
    ) {
        let effect = if self.setting == Setting::Repair {
            repair(&mut self.edits);
            effect
        } else {
            Effect::Kept
        };
        self.findings.push(Finding {
            rule: self.rule.id,
            pointer,
            detail: detail.into(),
            effect,
            flaw: self.rule.answers.first().copied(),
        });
    }

    /// Says which flaw the last finding shows, where it is not the first that the rule answers.
    fn shows(&mut self, flaw: &'static str) {
        if let Some(finding) = self.findings.last_mut() {
            finding.flaw = Some(flaw);
        }
    }
}

/// A value as a message may show it: shortened, and without control characters.
pub(crate) fn shown(raw: &str) -> String {
    const MOST: usize = 40;
    let mut text: String =
        raw.chars().take(MOST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if raw.chars().nth(MOST).is_some() {
        text.push('…');
    }
    text
}
