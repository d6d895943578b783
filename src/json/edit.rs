//! Edits: what a repair changes, as splices on the text it was found in.
//!
//! A rule speaks of values ("remove this member"); [`Edits::splices`] turns that into byte ranges,
//! commas and blanks included, and [`apply`] is the one place that changes a text.

use super::document::{Document, Value};
use std::borrow::Cow;
use std::ops::Range;

/// Bytes of a text and what stands there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// Byte range of the text before the edit; empty for an insertion.
    pub span: Range<usize>,
    /// The new text.
    pub text: String,
}

/// Two edits want the same bytes, or one lies outside the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("two edits overlap at byte {offset}")]
pub struct OverlapError {
    /// Where the second edit begins.
    pub offset: usize,
}

/// `text` as a JSON string with its quotes.
pub fn quote(text: &str) -> String {
    if text.bytes().fold(false, |any, byte| any | matches!(byte, 0..=0x1f | b'"' | b'\\')) {
        return serde_json::Value::from(text).to_string();
    }
    ["\"", text, "\""].concat()
}

/// The changes that one rule wants in one document.
#[derive(Debug, Default)]
pub struct Edits<'d> {
    replaced: Vec<(Value<'d>, String)>,
    containers: Vec<ContainerEdits<'d>>,
}

/// What happens to the members or elements of one container. Gathered, since whether a comma stays
/// depends on all of them.
#[derive(Debug)]
struct ContainerEdits<'d> {
    container: Value<'d>,
    removed: Vec<usize>,
    first: Vec<String>,
    last: Vec<String>,
}

impl<'d> Edits<'d> {
    /// True if nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty() && self.containers.is_empty()
    }

    /// Puts the JSON text `json` in the place of `value`; a member keeps its name.
    pub fn replace(&mut self, value: Value<'d>, json: impl Into<String>) {
        self.replaced.push((value, json.into()));
    }

    /// Takes `child`, a member or element of `container`, out.
    pub fn remove(&mut self, container: Value<'d>, child: Value<'d>) {
        let removed = &mut self.of(container).removed;
        let start = child.span().start;
        if !removed.contains(&start) {
            removed.push(start);
        }
    }

    /// Makes `name` the first member of `object`, with the JSON text `json`.
    pub fn insert_member(&mut self, object: Value<'d>, name: &str, json: &str) {
        let colon = colon_like_the_first_of(object);
        self.of(object).first.push([&*quote(name), colon, json].concat());
    }

    /// Gives `object` the member `name`: in the place of the one it has, or as a new first one.
    pub fn set_member(&mut self, object: Value<'d>, name: &str, json: &str) {
        match object.get(name) {
            Some(present) => self.replace(present, json),
            None => self.insert_member(object, name, json),
        }
    }

    /// Adds the JSON text `json` as the last element of `array`.
    pub fn append_element(&mut self, array: Value<'d>, json: impl Into<String>) {
        self.of(array).last.push(json.into());
    }

    fn of(&mut self, container: Value<'d>) -> &mut ContainerEdits<'d> {
        let start = container.span().start;
        let index =
            match self.containers.iter().position(|edits| edits.container.span().start == start) {
                Some(index) => index,
                None => {
                    self.containers.push(ContainerEdits {
                        container,
                        removed: Vec::new(),
                        first: Vec::new(),
                        last: Vec::new(),
                    });
                    self.containers.len() - 1
                }
            };
        #[expect(clippy::indexing_slicing, reason = "the index was just found or pushed")]
        &mut self.containers[index]
    }

    /// The splices that these edits mean for `document`, in text order.
    pub fn splices(self, document: &Document<'_>) -> Vec<Splice> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut splices: Vec<Splice> = self
            .replaced
            .into_iter()
            .map(|(value, json)| Splice { span: value.span(), text: json })
            .chain(self.containers.iter().flat_map(|edits| edits.splices(document.text())))
            .collect();
        splices.sort_by_key(|splice| (splice.span.start, splice.span.end));
        splices.dedup();
        splices
    }
}

/// The text between name and value in the object's first member, so that a new one looks alike.
fn colon_like_the_first_of(object: Value<'_>) -> &str {
    let Some(first) = object.members().next() else { return ":" };
    let between = first.member_span().start..first.span().start;
    let text = object.document_text().get(between).unwrap_or_default();
    text.rfind(':').and_then(|colon| text.get(colon..)).unwrap_or(":")
}

impl ContainerEdits<'_> {
    fn splices(&self, text: &str) -> Vec<Splice> {
        // To put something before all others, two of them are enough to see how they are separated.
        let seen = if self.removed.is_empty() && self.last.is_empty() { 2 } else { usize::MAX };
        let children: Vec<Child> = self
            .container
            .children()
            .take(seen)
            .map(|value| Child {
                start: value.member_span().start,
                end: value.span().end,
                kept: !self.removed.contains(&value.span().start),
            })
            .collect();
        let inner = self.container.span().start + 1;
        let start = children.first().map_or(inner, |first| first.start);
        let last_kept = children.iter().rev().find(|child| child.kept);
        let separator = separator(text, inner, &children);
        let mut splices = Vec::new();
        if !self.first.is_empty() {
            let more = last_kept.is_some() || !self.last.is_empty();
            let end = if more { &separator } else { "" };
            splices.push(Splice { span: start..start, text: self.first.join(&separator) + end });
        }
        if !self.last.is_empty() {
            let at = last_kept.map_or(start, |child| child.end);
            let begin = if last_kept.is_some() { &separator } else { "" };
            splices.push(Splice {
                span: at..at,
                text: begin.to_owned() + &self.last.join(&separator),
            });
        }
        splices.extend(removals(&children));
        splices
    }
}

/// What stands between two children, so that new ones look alike: taken from the first two, or from the blanks
/// before an only one.
fn separator<'t>(text: &'t str, inner: usize, children: &[Child]) -> Cow<'t, str> {
    let between = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    match children {
        [first, second, ..] => between(first.end, second.start).into(),
        [only] => format!(",{}", between(inner, only.start)).into(),
        [] => ",".into(),
    }
}

struct Child {
    start: usize,
    end: usize,
    kept: bool,
}

/// Each run of removed children with the comma that goes with it.
fn removals(children: &[Child]) -> Vec<Splice> {
    let mut splices = Vec::new();
    let mut kept_end = None;
    let mut run_start = None;
    for child in children {
        match (child.kept, run_start) {
            (true, Some(start)) => {
                splices.push(Splice { span: start..child.start, text: String::new() });
                run_start = None;
            }
            (false, None) => run_start = Some(child.start),
            _ => {}
        }
        if child.kept {
            kept_end = Some(child.end);
        }
    }
    if let (Some(start), Some(last)) = (run_start, children.last()) {
        splices.push(Splice { span: kept_end.unwrap_or(start)..last.end, text: String::new() });
    }
    splices
}

/// `text` with `splices` applied, which must be in text order.
pub fn apply(text: &str, splices: &[Splice]) -> Result<String, OverlapError> {
    let added: usize = splices.iter().map(|splice| splice.text.len()).sum();
    let mut result = String::with_capacity(text.len() + added);
    let mut at = 0;
    for splice in splices {
        let error = OverlapError { offset: splice.span.start };
        result.push_str(text.get(at..splice.span.start).ok_or(error)?);
        result.push_str(&splice.text);
        // Also checks that the end lies inside the text, and not before the start.
        text.get(splice.span.clone()).ok_or(error)?;
        at = splice.span.end;
    }
    result.push_str(text.get(at..).ok_or(OverlapError { offset: at })?);
    Ok(result)
}

/// The splices that lead from `apply(text, splices)` back to `text`.
pub fn invert(text: &str, splices: &[Splice]) -> Vec<Splice> {
    let mut shift = 0_isize;
    splices
        .iter()
        .map(|splice| {
            let start = splice.span.start.saturating_add_signed(shift);
            shift += splice.text.len() as isize - splice.span.len() as isize;
            Splice {
                span: start..start + splice.text.len(),
                text: text.get(splice.span.clone()).unwrap_or_default().to_owned(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::*;
    use proptest::prelude::*;

    fn edited(text: &str, edit: impl for<'d> FnOnce(Value<'d>, &mut Edits<'d>)) -> String {
        let document = Document::parse(text, Limits::TOKEN).unwrap();
        let mut edits = Edits::default();
        edit(document.root(), &mut edits);
        let splices = edits.splices(&document);
        let result = apply(text, &splices).unwrap();
        assert_eq!(apply(&result, &invert(text, &splices)).unwrap(), text, "undone");
        Document::parse(&result, Limits::TOKEN).expect("still JSON");
        result
    }

    #[test]
    fn a_new_member_looks_like_its_neighbours() {
        for (before, after) in [
            (r#"{}"#, r#"{"kid":"x"}"#),
            (r#"{ }"#, r#"{"kid":"x" }"#),
            (r#"{"a":1}"#, r#"{"kid":"x","a":1}"#),
            (r#"{ "a" : 1 }"#, r#"{ "kid": "x", "a" : 1 }"#),
            ("{\n  \"a\": 1\n}", "{\n  \"kid\": \"x\",\n  \"a\": 1\n}"),
            (r#"{"a":1,"kid":null}"#, r#"{"a":1,"kid":"x"}"#),
        ] {
            assert_eq!(edited(before, |root, edits| edits.set_member(root, "kid", "\"x\"")), after);
        }
    }

    #[test]
    fn a_removed_child_takes_its_comma_along() {
        let remove = |names: &'static [&'static str]| {
            move |text: &str| {
                edited(text, |root, edits| {
                    for name in names {
                        edits.remove(root, root.get(name).unwrap());
                    }
                })
            }
        };
        let text = r#"{"a":1, "b":2 ,"c":3}"#;
        assert_eq!(remove(&["a"])(text), r#"{"b":2 ,"c":3}"#);
        assert_eq!(remove(&["b"])(text), r#"{"a":1, "c":3}"#);
        assert_eq!(remove(&["c"])(text), r#"{"a":1, "b":2}"#);
        assert_eq!(remove(&["a", "b"])(text), r#"{"c":3}"#);
        assert_eq!(remove(&["c", "b"])(text), r#"{"a":1}"#);
        assert_eq!(remove(&["a", "c"])(text), r#"{"b":2}"#);
        assert_eq!(remove(&["a", "b", "c"])(text), r#"{}"#);
    }

    #[test]
    fn elements_come_and_go_together() {
        let text = "[\n  1,\n  2\n]";
        assert_eq!(
            edited(text, |root, edits| edits.append_element(root, "3")),
            "[\n  1,\n  2,\n  3\n]"
        );
        assert_eq!(
            edited(text, |root, edits| {
                root.elements().for_each(|element| edits.remove(root, element));
                edits.append_element(root, "3");
            }),
            "[\n  3\n]"
        );
        assert_eq!(edited("[]", |root, edits| edits.append_element(root, "3")), "[3]");
    }

    #[test]
    fn overlaps_are_refused() {
        let splice = |span: Range<usize>| Splice { span, text: String::new() };
        assert!(apply("abc", &[splice(0..2), splice(1..3)]).is_err());
        assert!(apply("abc", &[splice(0..4)]).is_err());
        assert!(apply("abc", &[splice(0..1), splice(1..1), splice(2..3)]).is_ok());
    }

    proptest! {
        /// Output minus edits is the input, and the output is JSON, whatever is removed and added.
        #[test]
        fn any_edit_can_be_undone(
            names in proptest::collection::btree_set("[a-d]", 0..4),
            removed in "[a-d]{0,3}",
            blanks in "[ \n]{0,2}",
        ) {
            let members: Vec<String> = names.iter().map(|name| format!("{blanks}\"{name}\":{blanks}1{blanks}")).collect();
            let text = format!("{{{}}}", members.join(","));
            let result = edited(&text, |root, edits| {
                for name in removed.chars() {
                    if let Some(member) = root.get(&name.to_string()) {
                        edits.remove(root, member);
                    }
                }
                edits.insert_member(root, "new", "true");
            });
            let document = Document::parse(&result, Limits::TOKEN).unwrap();
            let left: Vec<String> = document.root().members().map(|member| member.name().into_owned()).collect();
            let mut expected = vec!["new".to_owned()];
            expected.extend(names.into_iter().filter(|name| !removed.contains(name.as_str())));
            prop_assert_eq!(left, expected);
        }
    }
}
