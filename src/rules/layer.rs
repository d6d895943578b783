//! What the layers share whose documents are one JSON object: applying a table of rules, one after the other.
//!
//! The key sets' layer has a loop of its own, since there whole elements come and go.

use super::{Effect, Finding, Report, Rule, Setting, Settings, Step};
use crate::json::{Document, Kind, Limits, ParseError, Splice, Value};
use std::borrow::Cow;

/// A layer: what its rules are told beside the document.
pub(super) trait Layer: 'static {
    /// The facts that the rules may use.
    type Context<'c>: Copy;
}

/// A rule together with what looks for its flaw.
pub(super) struct Entry<L: Layer> {
    pub(super) rule: &'static Rule,
    pub(super) check: Check<L>,
}

/// Looks for a flaw in the outermost object of a document.
type Check<L> = for<'d, 'c> fn(Value<'d>, <L as Layer>::Context<'c>, &mut Report<'d>);

/// A repaired document, and what was wrong with it.
#[derive(Debug, Clone)]
pub struct Repaired<'t> {
    /// The text: the original wherever no rule changed it.
    pub text: Cow<'t, str>,
    /// What the rules found.
    pub findings: Vec<Finding>,
    /// What they changed, in order.
    pub steps: Vec<Step>,
}

/// Why a text is no document that rules could repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unrepairable {
    /// Not strict JSON: among others, a member stands twice in an object.
    #[error("not JSON: {0}")]
    NotJson(#[from] ParseError),
    /// JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
}

impl Repaired<'_> {
    /// The same, with a text of its own.
    pub fn into_owned(self) -> Repaired<'static> {
        Repaired {
            text: Cow::Owned(self.text.into_owned()),
            findings: self.findings,
            steps: self.steps,
        }
    }

    /// True if a rule changed something.
    pub fn is_changed(&self) -> bool {
        !self.steps.is_empty()
    }

    /// The splices that lead back to the original, to be applied one after the other: each is meant for the
    /// text that the ones before it left.
    pub fn undo(&self) -> impl Iterator<Item = &Splice> {
        // Within a step they are in text order and mean one text: from the last to the first, none moves another.
        self.steps.iter().rev().flat_map(|step| step.undo.iter().rev())
    }
}

/// Applies `table` to `text`. A byte order mark before it is the flaw of the rule `mark`.
pub(super) fn repair<'t, L: Layer>(
    table: &[Entry<L>],
    mark: Option<&'static Rule>,
    text: &'t str,
    limits: Limits,
    context: L::Context<'_>,
    settings: &Settings,
) -> Result<Repaired<'t>, Unrepairable> {
    let repaired = repair_and_read(table, mark, text, limits, context, settings);
    repaired.map(|(repaired, _)| repaired)
}

/// As [`repair`]; where no rule changed the text, with that as it was read on the way.
pub(super) fn repair_and_read<'t, L: Layer>(
    table: &[Entry<L>],
    mark: Option<&'static Rule>,
    text: &'t str,
    limits: Limits,
    context: L::Context<'_>,
    settings: &Settings,
) -> Result<(Repaired<'t>, Option<Document<'t>>), Unrepairable> {
    let mut repaired =
        Repaired { text: Cow::Borrowed(text), findings: Vec::new(), steps: Vec::new() };
    if let Some(rule) = mark {
        strip_mark(rule, settings, &mut repaired);
    }
    let mut rest = table.iter();
    let mut read = None;
    loop {
        let findings = &mut repaired.findings;
        let changed = match &repaired.text {
            Cow::Borrowed(text) => {
                let document = Document::parse(text, limits)?;
                let changed = first_change(&mut rest, &document, context, settings, findings)?;
                read = changed.is_none().then_some(document);
                changed
            }
            Cow::Owned(text) => {
                let document = Document::parse(text, limits)?;
                first_change(&mut rest, &document, context, settings, findings)?
            }
        };
        let Some((step, result)) = changed else { break };
        repaired.steps.push(step);
        repaired.text = Cow::Owned(result);
    }
    // What one rule does another one may take back, where the configuration wants both.
    if repaired.text == text {
        repaired.steps.clear();
        repaired.text = Cow::Borrowed(text);
    }
    Ok((repaired, read))
}

/// What the first of the `rest` of a table changes that changes something; notes what all of them find up to there.
fn first_change<L: Layer>(
    rest: &mut std::slice::Iter<'_, Entry<L>>,
    document: &Document<'_>,
    context: L::Context<'_>,
    settings: &Settings,
    findings: &mut Vec<Finding>,
) -> Result<Option<(Step, String)>, Unrepairable> {
    if document.root().kind() != Kind::Object {
        return Err(Unrepairable::NotAnObject);
    }
    for entry in rest {
        let setting = entry.rule.setting(settings);
        if setting == Setting::Off {
            continue;
        }
        let (found, step) = look(entry, setting, document, context);
        findings.extend(found);
        if step.is_some() {
            return Ok(step);
        }
    }
    Ok(None)
}

/// What one rule finds in a document, and the text that it makes of it.
pub(super) fn look<L: Layer>(
    entry: &Entry<L>,
    setting: Setting,
    document: &Document<'_>,
    context: L::Context<'_>,
) -> (Vec<Finding>, Option<(Step, String)>) {
    let mut report = Report::new(entry.rule, setting);
    (entry.check)(document.root(), context, &mut report);
    let splices = report.edits.splices(document);
    (report.findings, Step::apply(entry.rule.id, document.text(), splices))
}

/// RFC 8259 §8.1: no byte order mark.
fn strip_mark(rule: &'static Rule, settings: &Settings, repaired: &mut Repaired<'_>) {
    const MARK: &str = "\u{feff}";
    let setting = rule.setting(settings);
    if setting == Setting::Off || !repaired.text.starts_with(MARK) {
        return;
    }
    let mut effect = Effect::Kept;
    if setting == Setting::Repair {
        let splice = Splice { span: 0..MARK.len(), text: String::new() };
        if let Some((step, result)) = Step::apply(rule.id, &repaired.text, vec![splice]) {
            repaired.steps.push(step);
            repaired.text = Cow::Owned(result);
            effect = Effect::Repaired;
        }
    }
    repaired.findings.push(Finding {
        rule: rule.id,
        pointer: String::new(),
        detail: "a byte order mark before the text".to_owned(),
        effect,
        flaw: rule.answers.first().copied(),
    });
}

/// What the fixtures of the rules are checked with: one rule at a time, on the text before and after.
#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::json;
    use std::collections::HashSet;

    /// The text that the inverse splices lead back to.
    pub(in crate::rules) fn undone(repaired: &Repaired<'_>) -> String {
        repaired.undo().fold(repaired.text.clone().into_owned(), |text, splice| {
            json::apply(&text, std::slice::from_ref(splice)).expect("splices that fit")
        })
    }

    /// An object of members and the texts of their values, the first of each name; `blanks` stand wherever they may.
    pub(in crate::rules) fn object(
        members: Vec<(String, String)>,
        blanks: &str,
        mark: bool,
    ) -> String {
        let mut seen = HashSet::new();
        let members: Vec<String> = members
            .into_iter()
            .filter(|(name, _)| seen.insert(name.clone()))
            .map(|(name, value)| format!("{blanks}\"{name}\"{blanks}:{blanks}{value}"))
            .collect();
        let mark = if mark { "\u{feff}" } else { "" };
        format!("{mark}{{{}{blanks}}}", members.join(","))
    }

    pub(in crate::rules) struct Fixture<'f, L: Layer> {
        pub(in crate::rules) table: &'f [Entry<L>],
        pub(in crate::rules) rule: &'static Rule,
        pub(in crate::rules) context: L::Context<'f>,
    }

    impl<L: Layer> Fixture<'_, L> {
        fn run(&self, setting: Setting, text: &str) -> (Vec<Finding>, Option<String>) {
            let document = Document::parse(text, Limits::DOCUMENT).expect("the fixture is JSON");
            let entry = self
                .table
                .iter()
                .find(|entry| entry.rule.id == self.rule.id)
                .expect("the rule is in the table");
            let (findings, step) = look(entry, setting, &document, self.context);
            if let Some((step, result)) = &step {
                let undone = json::apply(result, &step.undo);
                assert_eq!(undone.as_deref(), Ok(text), "{} can be undone", self.rule.id);
            }
            (findings, step.map(|(_, result)| result))
        }

        /// The rule fires on `before` and makes `after` of it, on which it is silent.
        pub(in crate::rules) fn repaired(&self, before: &str, after: &str) {
            let id = self.rule.id;
            let (findings, result) = self.run(Setting::Repair, before);
            assert!(!findings.is_empty(), "{id} fires on {before}");
            assert_eq!(result.as_deref(), Some(after), "{id}");
            self.silent(after);
            let (findings, result) = self.run(Setting::Warn, before);
            assert!(findings.iter().all(|found| found.effect == Effect::Kept), "{id} can warn");
            assert_eq!(result, None, "{id} changes nothing where it only warns");
        }

        /// The rule fires on `text`, and changes nothing.
        pub(in crate::rules) fn left(&self, text: &str) {
            let (findings, result) = self.run(Setting::Repair, text);
            assert!(findings.iter().all(|found| found.effect == Effect::Kept), "{findings:?}");
            assert_eq!((findings.is_empty(), result), (false, None), "{}", self.rule.id);
        }

        /// The near miss: the rule does not fire on `text`.
        pub(in crate::rules) fn silent(&self, text: &str) {
            let found = self.run(Setting::Repair, text);
            assert_eq!(found, (Vec::new(), None), "{} is silent on {text}", self.rule.id);
        }
    }
}
