//! A parsed text: values that know where they stand in it.

use super::node::{Inside, Kind, NameMask, Node, Sketch, unescape};
use super::scan::{Limits, ParseError, Problem, Scanned, scan};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::str::Utf8Error;

/// A JSON text together with the places of its values.
pub struct Document<'t> {
    text: Cow<'t, str>,
    nodes: Vec<Node>,
    duplicates: Vec<(usize, usize)>,
}

/// Without the text, which may hold tokens.
impl fmt::Debug for Document<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Document")
            .field("bytes", &self.text.len())
            .field("values", &self.nodes.len())
            .finish_non_exhaustive()
    }
}

impl<'t> Document<'t> {
    /// Reads `text` strictly: a member name that stands twice in one object, at any depth and after
    /// unescaping, is an error (RFC 7515 §4, RFC 7519 §4).
    pub fn parse(text: &'t str, limits: Limits) -> Result<Self, ParseError> {
        Self::parse_with_duplicates(text, limits)?.without_duplicates()
    }

    /// As [`Document::parse`], for bytes that may not be UTF-8.
    pub fn parse_bytes(bytes: &'t [u8], limits: Limits) -> Result<Self, ParseError> {
        Self::parse(utf8(bytes)?, limits)
    }

    /// As [`Document::parse_bytes`]; the document keeps them.
    pub fn parse_owned(bytes: Vec<u8>, limits: Limits) -> Result<Document<'static>, ParseError> {
        let text = String::from_utf8(bytes).map_err(|error| not_utf8(error.utf8_error()))?;
        Document::of(text.into(), limits)?.without_duplicates()
    }

    fn of(text: Cow<'t, str>, limits: Limits) -> Result<Self, ParseError> {
        let Scanned { nodes, duplicates } = scan(&text, limits)?;
        Ok(Self { text, nodes, duplicates })
    }

    fn without_duplicates(self) -> Result<Self, ParseError> {
        match self.duplicates.first() {
            Some(&(_, offset)) => Err(ParseError { problem: Problem::DuplicateMember, offset }),
            None => Ok(self),
        }
    }

    /// Reads `text`, but leaves it to the caller to ask [`Value::has_duplicates`]: for key sets, where
    /// one ambiguous key must not take the others with it (RFC 7517 §5).
    pub fn parse_with_duplicates(text: &'t str, limits: Limits) -> Result<Self, ParseError> {
        Self::of(text.into(), limits)
    }

    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The outermost value.
    pub fn root(&self) -> Value<'_> {
        Value { document: self, index: 0 }
    }
}

/// `bytes` as UTF-8, or the error with the offset of the first bad byte.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, ParseError> {
    std::str::from_utf8(bytes).map_err(not_utf8)
}

fn not_utf8(error: Utf8Error) -> ParseError {
    ParseError { problem: Problem::NotUtf8, offset: error.valid_up_to() }
}

/// A value inside a [`Document`].
#[derive(Debug, Clone, Copy)]
pub struct Value<'d> {
    document: &'d Document<'d>,
    index: u32,
}

const NOTHING: Node = Node {
    kind: Kind::Null,
    start: 0,
    end: 0,
    key: None,
    sketch: Sketch::NONE,
    is_escaped: false,
    after: 0,
    names: NameMask::NONE,
};

impl<'d> Value<'d> {
    fn node(&self) -> Node {
        // A document that parsed has at least one node, and indices come from its own nodes.
        self.document.nodes.get(self.index as usize).copied().unwrap_or(NOTHING)
    }

    /// The whole text that the value stands in.
    pub(super) fn document_text(&self) -> &'d str {
        &self.document.text
    }

    /// What kind of value this is.
    pub fn kind(&self) -> Kind {
        self.node().kind
    }

    /// Where the value stands in the text, without its name.
    pub fn span(&self) -> Range<usize> {
        let node = self.node();
        node.start as usize..node.end as usize
    }

    /// Where the member stands: from its name's first quote, or as [`Value::span`] outside objects.
    pub fn member_span(&self) -> Range<usize> {
        let node = self.node();
        let start = node.key.map_or(node.start, |(start, _)| start);
        start as usize..node.end as usize
    }

    /// The value's text, as it stands.
    pub fn raw(&self) -> &'d str {
        self.document.text.get(self.span()).unwrap_or_default()
    }

    /// The member's name, unescaped; empty outside objects.
    pub fn name(&self) -> Cow<'d, str> {
        self.node().name(&self.document.text)
    }

    /// The member's name as it stands, with its quotes; `None` outside objects.
    pub fn raw_name(&self) -> Option<&'d str> {
        self.node().raw_name(&self.document.text)
    }

    /// The content of a string, unescaped; `None` for other kinds.
    pub fn as_str(&self) -> Option<Cow<'d, str>> {
        let node = self.node();
        (node.kind == Kind::String)
            .then(|| unescape(self.raw(), node.is_escaped).unwrap_or_default())
    }

    /// True if this is the string `text`.
    pub fn is_str(&self, text: &str) -> bool {
        self.as_str().is_some_and(|value| value == text)
    }

    /// The members of an object in text order; none for other kinds.
    pub fn members(&self) -> Members<'d> {
        Elements::of(*self, Kind::Object)
    }

    /// The elements of an array in text order; none for other kinds.
    pub fn elements(&self) -> Elements<'d> {
        Elements::of(*self, Kind::Array)
    }

    /// What a container holds, whether array or object.
    pub(super) fn children(&self) -> Elements<'d> {
        Elements::of(*self, self.kind())
    }

    /// The member called `name`; the first where the object holds the name twice.
    pub fn get(&self, name: &str) -> Option<Self> {
        let Self { document, index } = *self;
        let sketch = Sketch::of(name.as_bytes());
        let object = document.nodes.get(index as usize)?;
        // The rules ask for each name that they know in each document, and hardly any is there.
        if !object.names.may_hold(NameMask::of(sketch)) {
            return None;
        }
        let members = Inside::of(&document.nodes, index, object.after);
        let index = members.place_of(&document.text, sketch, name)?;
        Some(Self { document, index })
    }

    /// The string member called `name`.
    pub fn get_str(&self, name: &str) -> Option<Cow<'d, str>> {
        self.get(name)?.as_str()
    }

    /// True if this value, or one inside it, is an object that holds a name twice.
    pub fn has_duplicates(&self) -> bool {
        let inside = self.index as usize..self.node().after as usize;
        self.document.duplicates.iter().any(|(object, _)| inside.contains(object))
    }

    /// True if this very object holds a name twice.
    pub fn has_own_duplicates(&self) -> bool {
        self.document.duplicates.iter().any(|&(object, _)| object == self.index as usize)
    }
}

/// The values inside a container, in text order.
#[derive(Debug, Clone)]
pub struct Elements<'d> {
    document: &'d Document<'d>,
    inside: Inside<'d>,
}

/// The members of an object: each value knows its [`Value::name`].
pub type Members<'d> = Elements<'d>;

impl<'d> Elements<'d> {
    fn of(container: Value<'d>, kind: Kind) -> Self {
        let node = container.node();
        let holds = node.kind == kind && matches!(kind, Kind::Array | Kind::Object);
        let nodes = if holds { container.document.nodes.as_slice() } else { &[] };
        let inside = Inside::of(nodes, container.index, node.after);
        Self { document: container.document, inside }
    }
}

impl<'d> Iterator for Elements<'d> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Value<'d>> {
        let (index, _) = self.inside.next()?;
        Some(Value { document: self.document, index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_places() {
        let text = r#"{ "a" : [1, {"b":"x\u0079"}] , "c":null }"#;
        let document = Document::parse(text, Limits::TOKEN).unwrap();
        let root = document.root();
        assert_eq!(
            root.members().map(|member| member.name().into_owned()).collect::<Vec<_>>(),
            ["a", "c"]
        );
        let list = root.get("a").unwrap();
        assert_eq!(list.elements().count(), 2);
        let inner = list.elements().nth(1).unwrap().get("b").unwrap();
        assert_eq!(inner.as_str().unwrap(), "xy");
        assert_eq!(inner.raw(), r#""x\u0079""#);
        assert_eq!(text.get(list.member_span()).unwrap(), r#""a" : [1, {"b":"x\u0079"}]"#);
        assert_eq!(root.get("c").unwrap().kind(), Kind::Null);
        assert!(root.get("d").is_none());
        assert_eq!(root.elements().count(), 0);
    }

    #[test]
    fn members_are_found_by_what_their_names_mean() {
        let text = r#"{"a\u0062":1,"\\n":2,"\n":3,"ab\u0063":4,"":5,"\u00e9":6,"è":7}"#;
        let document = Document::parse(text, Limits::TOKEN).unwrap();
        let root = document.root();
        for (name, value) in [
            ("ab", "1"),
            ("\\n", "2"),
            ("\n", "3"),
            ("abc", "4"),
            ("", "5"),
            ("é", "6"),
            ("è", "7"),
        ] {
            assert_eq!(root.get(name).map(|member| member.raw()), Some(value), "{name}");
        }
        for name in ["a", "a\\u0062", "\\\\n", "ab\\u0063", "n", "\"\"", "\\u00e9"] {
            assert!(root.get(name).is_none(), "{name}");
        }
    }

    #[test]
    fn names_that_look_alike_at_first_sight_are_told_apart() {
        let (short, long) = ("a".repeat(4), "a".repeat(4 + (1 << 16)));
        let text = format!(r#"{{"iat":1,"i\u0062t":2,"{long}":3,"a\u0061aa":4}}"#);
        let document = Document::parse(&text, Limits { values: 10, ..Limits::DOCUMENT }).unwrap();
        let root = document.root();
        for (name, value) in [("iat", "1"), ("ibt", "2"), (&*long, "3"), (&*short, "4")] {
            assert_eq!(root.get(name).map(|member| member.raw()), Some(value));
        }
        for name in ["ict", "a", "aaba", "it", "\u{fffd}"] {
            assert!(root.get(name).is_none(), "{name}");
        }
    }

    #[test]
    fn duplicates_are_known_where_they_stand() {
        let document =
            Document::parse_with_duplicates(r#"{"keys":[{"n":1,"n":2},{"m":1}]}"#, Limits::TOKEN)
                .unwrap();
        let keys: Vec<_> = document.root().get("keys").unwrap().elements().collect();
        assert!(document.root().has_duplicates() && !document.root().has_own_duplicates());
        assert!(keys[0].has_duplicates() && keys[0].has_own_duplicates());
        assert!(!keys[1].has_duplicates());
    }
}
