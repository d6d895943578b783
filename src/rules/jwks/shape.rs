//! The shape of the document: what is no key set yet, but says all that one would say.
//!
//! These rules run before those for keys and look at the whole text. At most one of them fires beside
//! the byte order mark; where none does, a text that is no set stays refused.

use super::{
    Options, bare_array, byte_order_mark, keys_missing, keys_not_array, pem_map, single_key,
};
use crate::json::{Document, Kind, Limits, ParseError, Splice, Value};
use crate::rules::{Effect, Finding, Rule, Setting, Step};

/// What a rule makes of a text of the wrong shape.
#[derive(Debug)]
pub(super) struct Reshape {
    /// Where the flaw is.
    pub(super) pointer: String,
    /// What was found there.
    pub(super) detail: String,
    /// What makes a set of it.
    pub(super) splices: Vec<Splice>,
    /// Where each element of the new set stood before, as a JSON pointer.
    pub(super) origins: Vec<String>,
}

/// A rule together with what looks for its flaw.
struct Shape {
    rule: &'static Rule,
    look: fn(Value<'_>) -> Option<Reshape>,
}

const SHAPES: [Shape; 5] = [
    Shape { rule: &keys_missing::RULE, look: keys_missing::look },
    Shape { rule: &bare_array::RULE, look: bare_array::look },
    Shape { rule: &single_key::RULE, look: single_key::look },
    Shape { rule: &keys_not_array::RULE, look: keys_not_array::look },
    Shape { rule: &pem_map::RULE, look: pem_map::look },
];

pub(super) fn rules() -> impl Iterator<Item = &'static Rule> {
    std::iter::once(&byte_order_mark::RULE).chain(SHAPES.iter().map(|shape| shape.rule))
}

/// A text in the shape of a key set, as far as the rules could give it one.
pub(super) struct Shaped {
    pub(super) text: String,
    pub(super) findings: Vec<Finding>,
    pub(super) steps: Vec<Step>,
    /// Where each element stood in the text as it came; `None` if they stood where they stand.
    origins: Option<Vec<String>>,
}

impl Shaped {
    fn found(
        &mut self,
        rule: &'static Rule,
        setting: Setting,
        reshape: Reshape,
    ) -> Option<Vec<String>> {
        let Reshape { pointer, detail, splices, origins } = reshape;
        let mut effect = Effect::Kept;
        if setting == Setting::Repair
            && let Some((step, text)) = Step::apply(rule.id, &self.text, splices)
        {
            self.steps.push(step);
            self.text = text;
            effect = Effect::Repaired;
        }
        let flaw = rule.answers.first().copied();
        self.findings.push(Finding { rule: rule.id, pointer, detail, effect, flaw });
        (effect == Effect::Repaired).then_some(origins)
    }

    /// Lets `finding`, which points into the set, point into the text as it came.
    pub(super) fn locate(origins: Option<&[String]>, finding: &mut Finding) {
        let Some(origins) = origins else { return };
        let Some(place) = finding.pointer.strip_prefix("/keys/") else { return };
        let (index, member) = place.split_at(place.find('/').unwrap_or(place.len()));
        if let Some(origin) = index.parse::<usize>().ok().and_then(|index| origins.get(index)) {
            finding.pointer = format!("{origin}{member}");
        }
    }

    pub(super) fn origins(&self) -> Option<&[String]> {
        self.origins.as_deref()
    }
}

/// Gives `text` the shape of a key set.
pub(super) fn shape(text: &str, options: &Options) -> Result<Shaped, ParseError> {
    let mut shaped =
        Shaped { text: text.to_owned(), findings: Vec::new(), steps: Vec::new(), origins: None };
    let setting = options.setting(&byte_order_mark::RULE);
    if setting != Setting::Off
        && let Some(reshape) = byte_order_mark::look(text)
    {
        shaped.found(&byte_order_mark::RULE, setting, reshape);
    }
    let text = shaped.text.clone();
    let document = Document::parse_with_duplicates(&text, Limits::DOCUMENT)?;
    let root = document.root();
    let is_set = root.get("keys").is_some_and(|keys| keys.kind() == Kind::Array);
    if is_set || root.has_own_duplicates() {
        return Ok(shaped);
    }
    for Shape { rule, look } in SHAPES {
        let setting = options.setting(rule);
        // Without a secret of a client, nothing says that a set may be empty.
        let concerns = options.may_be_empty || rule.id != keys_missing::RULE.id;
        if setting != Setting::Off
            && concerns
            && let Some(reshape) = look(root)
        {
            shaped.origins = shaped.found(rule, setting, reshape);
            break;
        }
    }
    Ok(shaped)
}

/// True if `value` has what only a JWK has.
pub(super) fn looks_like_a_key(value: Value<'_>) -> bool {
    let has = |name: &str| value.get(name).is_some();
    let is_list = |name: &str| value.get(name).is_some_and(|list| list.kind() == Kind::Array);
    !has("keys")
        && (value.get("kty").is_some_and(|kty| kty.kind() == Kind::String)
            || (has("n") && has("e"))
            || (has("crv") && has("x"))
            || is_list("x5c"))
}

/// `name` as a token of a JSON pointer (RFC 6901 §3).
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Text that is put in at `offset`.
pub(super) fn insert(offset: usize, text: &str) -> Splice {
    Splice { span: offset..offset, text: text.to_owned() }
}
