//! The scanner: one pass over the text, no recursion, a flat list of nodes.
//!
//! It accepts RFC 8259 texts only, in UTF-8 without a byte order mark, with every escape valid, and
//! refuses what goes beyond the caller's limits before any memory is spent on it.

use super::node::{Kind, Node, Sketch};
use memchr::memchr2;
use std::borrow::Cow;
use std::collections::HashSet;

/// What a text may hold at most; all counts are inclusive.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the whole text.
    pub bytes: usize,
    /// Arrays and objects inside each other.
    pub depth: usize,
    /// Members of one object.
    pub members: usize,
    /// Values in the whole text, of any kind.
    pub values: usize,
}

impl Limits {
    /// For key sets, discovery documents and token responses.
    pub const DOCUMENT: Self = Self { bytes: 1 << 20, depth: 64, members: 1_000, values: 50_000 };
    /// For the decoded header or payload of one token.
    pub const TOKEN: Self = Self { bytes: 64 << 10, depth: 64, members: 1_000, values: 10_000 };
}

/// Why a text was refused, and at which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {offset}")]
pub struct ParseError {
    /// What is wrong.
    pub problem: Problem,
    /// Offset into the text, in bytes.
    pub offset: usize,
}

/// The ways in which a text can fail to be acceptable JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not UTF-8 (RFC 8259 §8.1).
    #[error("not UTF-8")]
    NotUtf8,
    /// A byte order mark, which RFC 8259 §8.1 forbids to write.
    #[error("a byte order mark before the text")]
    ByteOrderMark,
    /// The text ends inside a value.
    #[error("the text ends too early")]
    Truncated,
    /// Something follows the value.
    #[error("more text after the value")]
    Trailing,
    /// A byte that the grammar does not allow here.
    #[error("an unexpected character")]
    Unexpected,
    /// A number outside the grammar of RFC 8259 §6.
    #[error("not a JSON number")]
    Number,
    /// A string with a bad escape, a lone surrogate or a raw control character (RFC 8259 §7, §8.2).
    #[error("not a JSON string")]
    String,
    /// Two members of one object have the same name after unescaping.
    #[error("a member name stands twice in one object")]
    DuplicateMember,
    /// More bytes, depth, members or values than the limits allow.
    #[error("larger than the limit")]
    TooLarge,
}

/// What a scan found: the nodes in text order, and the objects that hold a name twice.
pub(super) struct Scanned {
    pub(super) nodes: Vec<Node>,
    pub(super) duplicates: Vec<(usize, usize)>,
}

/// Reads `text` and returns its nodes in text order, each container before what it holds.
///
/// Duplicate member names are reported, not refused, as (node index of the object, offset of the
/// second name): whether they spoil the document is the caller's to say.
pub(super) fn scan(text: &str, limits: Limits) -> Result<Scanned, ParseError> {
    if text.len() > limits.bytes {
        return Err(ParseError { problem: Problem::TooLarge, offset: limits.bytes });
    }
    if text.starts_with('\u{feff}') {
        return Err(ParseError { problem: Problem::ByteOrderMark, offset: 0 });
    }
    Scanner {
        text,
        bytes: text.as_bytes(),
        at: 0,
        limits,
        // As many as there may be of a usual length, unless the text is long.
        nodes: Vec::with_capacity((text.len() / 16).clamp(4, 64)),
        open: Vec::with_capacity(4),
        duplicates: Vec::new(),
    }
    .run()
}

struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    limits: Limits,
    nodes: Vec<Node>,
    open: Vec<Open<'t>>,
    duplicates: Vec<(usize, usize)>,
}

/// A container whose end has not come yet.
struct Open<'t> {
    node: usize,
    object: bool,
    names: Names<'t>,
}

/// The member names of an open object: a list while it is short, a set beyond.
#[derive(Default)]
struct Names<'t> {
    few: Vec<Cow<'t, str>>,
    many: HashSet<Cow<'t, str>>,
}

impl<'t> Names<'t> {
    const FEW: usize = 16;

    fn count(&self) -> usize {
        self.few.len() + self.many.len()
    }

    /// False if the name was there already.
    fn insert(&mut self, name: Cow<'t, str>) -> bool {
        if self.few.contains(&name) || self.many.contains(&name) {
            return false;
        }
        if self.few.len() < Self::FEW {
            if self.few.is_empty() {
                self.few.reserve(Self::FEW);
            }
            self.few.push(name);
        } else {
            self.many.insert(name);
        }
        true
    }
}

/// The name of a member: where it stands with its quotes, and what tells it from others.
#[derive(Clone, Copy)]
struct Name {
    span: (u32, u32),
    sketch: Sketch,
}

/// What the grammar allows at this point.
#[derive(Clone, Copy, PartialEq)]
enum Expect {
    Value,
    ValueOrClose,
    Name,
    NameOrClose,
    CommaOrClose,
    End,
}

impl<'t> Scanner<'t> {
    fn run(mut self) -> Result<Scanned, ParseError> {
        let mut expect = Expect::Value;
        let mut key: Option<Name> = None;
        loop {
            self.skip_blanks();
            let Some(byte) = self.peek() else {
                return match expect {
                    Expect::End => Ok(Scanned { nodes: self.nodes, duplicates: self.duplicates }),
                    _ => Err(self.error(Problem::Truncated)),
                };
            };
            expect = match (expect, byte) {
                (Expect::End, _) => return Err(self.error(Problem::Trailing)),
                (Expect::ValueOrClose, b']') | (Expect::NameOrClose, b'}') => self.close(byte)?,
                (Expect::CommaOrClose, b']' | b'}') => self.close(byte)?,
                (Expect::CommaOrClose, b',') => {
                    self.at += 1;
                    if self.open.last().is_some_and(|open| open.object) {
                        Expect::Name
                    } else {
                        Expect::Value
                    }
                }
                (Expect::Name | Expect::NameOrClose, b'"') => {
                    key = Some(self.name()?);
                    Expect::Value
                }
                (Expect::Value | Expect::ValueOrClose, _) => self.value(byte, key.take())?,
                _ => return Err(self.error(Problem::Unexpected)),
            };
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn error(&self, problem: Problem) -> ParseError {
        ParseError { problem, offset: self.at }
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// A member name with its colon; leaves the scanner before the value.
    fn name(&mut self) -> Result<Name, ParseError> {
        let start = self.at;
        let escaped = self.string()?;
        let raw = self.text.get(start..self.at).unwrap_or_default();
        let name =
            unescape(raw, escaped).ok_or(ParseError { problem: Problem::String, offset: start })?;
        let sketch = if escaped { Sketch::ESCAPED } else { Sketch::of(name.as_bytes()) };
        let limit = self.limits.members;
        if let Some(open) = self.open.last_mut() {
            if open.names.count() >= limit {
                return Err(self.error(Problem::TooLarge));
            }
            if !open.names.insert(name) {
                self.duplicates.push((open.node, start));
            }
        }
        let name = Name { span: (start as u32, self.at as u32), sketch };
        self.skip_blanks();
        match self.peek() {
            Some(b':') => self.at += 1,
            Some(_) => return Err(self.error(Problem::Unexpected)),
            None => return Err(self.error(Problem::Truncated)),
        }
        Ok(name)
    }

    fn value(&mut self, first: u8, key: Option<Name>) -> Result<Expect, ParseError> {
        if self.nodes.len() >= self.limits.values {
            return Err(self.error(Problem::TooLarge));
        }
        let start = self.at;
        let mut is_escaped = false;
        let kind = match first {
            b'{' | b'[' => return self.open_container(first, key),
            b'"' => {
                is_escaped = self.string()?;
                if is_escaped
                    && unescape(self.text.get(start..self.at).unwrap_or_default(), true).is_none()
                {
                    return Err(ParseError { problem: Problem::String, offset: start });
                }
                Kind::String
            }
            b't' => self.word("true", Kind::Bool)?,
            b'f' => self.word("false", Kind::Bool)?,
            b'n' => self.word("null", Kind::Null)?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => return Err(self.error(Problem::Unexpected)),
        };
        self.push(kind, start, key, is_escaped);
        Ok(self.after_value())
    }

    fn push(&mut self, kind: Kind, start: usize, name: Option<Name>, is_escaped: bool) {
        self.nodes.push(Node {
            kind,
            start: start as u32,
            end: self.at as u32,
            key: name.map(|name| name.span),
            sketch: name.map_or(Sketch::NONE, |name| name.sketch),
            is_escaped,
            after: self.nodes.len() as u32 + 1,
        });
    }

    fn after_value(&self) -> Expect {
        if self.open.is_empty() { Expect::End } else { Expect::CommaOrClose }
    }

    fn open_container(&mut self, first: u8, key: Option<Name>) -> Result<Expect, ParseError> {
        if self.open.len() >= self.limits.depth {
            return Err(self.error(Problem::TooLarge));
        }
        let object = first == b'{';
        let start = self.at;
        self.at += 1;
        self.open.push(Open { node: self.nodes.len(), object, names: Names::default() });
        self.push(if object { Kind::Object } else { Kind::Array }, start, key, false);
        Ok(if object { Expect::NameOrClose } else { Expect::ValueOrClose })
    }

    fn close(&mut self, byte: u8) -> Result<Expect, ParseError> {
        match self.open.pop() {
            Some(open) if open.object == (byte == b'}') => {
                self.at += 1;
                let after = self.nodes.len() as u32;
                if let Some(node) = self.nodes.get_mut(open.node) {
                    node.end = self.at as u32;
                    node.after = after;
                }
                Ok(self.after_value())
            }
            _ => Err(self.error(Problem::Unexpected)),
        }
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<Kind, ParseError> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            Ok(kind)
        } else {
            Err(self.error(Problem::Unexpected))
        }
    }

    /// RFC 8259 §6: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    fn number(&mut self) -> Result<Kind, ParseError> {
        let digits = |scanner: &mut Self| {
            let from = scanner.at;
            while let Some(b'0'..=b'9') = scanner.peek() {
                scanner.at += 1;
            }
            scanner.at > from
        };
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let valid = match self.peek() {
            Some(b'0') => {
                self.at += 1;
                true
            }
            _ => digits(self),
        };
        if !valid {
            return Err(self.error(Problem::Number));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !digits(self) {
                return Err(self.error(Problem::Number));
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if !digits(self) {
                return Err(self.error(Problem::Number));
            }
        }
        Ok(Kind::Number)
    }

    /// Moves past a string; true if it has escapes. Their validity is `unescape`'s to check.
    fn string(&mut self) -> Result<bool, ParseError> {
        let mut escaped = false;
        self.at += 1;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let stop = memchr2(b'"', b'\\', rest);
            let (plain, rest) =
                rest.split_at_checked(stop.unwrap_or(rest.len())).unwrap_or_default();
            // All of them, rather than the first one: that way, many are looked at in one step.
            if plain.iter().fold(false, |any, byte| any | is_control(*byte)) {
                self.at += plain.iter().position(|byte| is_control(*byte)).unwrap_or_default();
                return Err(self.error(Problem::String));
            }
            self.at += plain.len();
            match rest.first() {
                None => return Err(self.error(Problem::Truncated)),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(_) => {
                    escaped = true;
                    self.at += 2;
                }
            }
        }
    }
}

/// RFC 8259 §7: what a string may hold as an escape only.
fn is_control(byte: u8) -> bool {
    byte < 0x20
}

/// The content of a JSON string given with its quotes; `None` if an escape is not valid.
pub(super) fn unescape(raw: &str, escaped: bool) -> Option<Cow<'_, str>> {
    if escaped {
        serde_json::from_str::<String>(raw).ok().map(Cow::Owned)
    } else {
        raw.get(1..raw.len().checked_sub(1)?).map(Cow::Borrowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problem(text: &str) -> Option<Problem> {
        match scan(text, Limits::TOKEN) {
            Ok(scanned) if scanned.duplicates.is_empty() => None,
            Ok(_) => Some(Problem::DuplicateMember),
            Err(error) => Some(error.problem),
        }
    }

    #[test]
    fn accepts_what_rfc_8259_allows() {
        for text in [
            "{}",
            "[]",
            " { } ",
            "[1]",
            "null",
            "true",
            "\"\"",
            "-0",
            "0.10",
            "1E400",
            "1e-2",
            "[[],{}]",
            "{\"a\":{\"a\":1}}",
            "\"\\ud83d\\ude00\"",
            "\"\u{1f600}\"",
            "{\"\":0}",
        ] {
            assert_eq!(problem(text), None, "{text}");
        }
    }

    #[test]
    fn refuses_what_rfc_8259_does_not_allow() {
        for (text, expected) in [
            ("", Problem::Truncated),
            ("{", Problem::Truncated),
            ("[1", Problem::Truncated),
            ("\"a", Problem::Truncated),
            ("\"a\\", Problem::Truncated),
            ("{\"a\"", Problem::Truncated),
            ("{\"a\" 1}", Problem::Unexpected),
            ("{a:1}", Problem::Unexpected),
            ("[1,]", Problem::Unexpected),
            ("{\"a\":1,}", Problem::Unexpected),
            ("[1}", Problem::Unexpected),
            ("]", Problem::Unexpected),
            ("nul", Problem::Unexpected),
            ("01", Problem::Trailing),
            ("1 2", Problem::Trailing),
            ("-", Problem::Number),
            ("1.", Problem::Number),
            ("1e", Problem::Number),
            (".5", Problem::Unexpected),
            ("\"\\x\"", Problem::String),
            ("\"\\ud800\"", Problem::String),
            ("\"\\udc00\\ud800\"", Problem::String),
            ("\"\u{1}\"", Problem::String),
            ("\u{feff}{}", Problem::ByteOrderMark),
            ("{\"a\":1,\"a\":1}", Problem::DuplicateMember),
            ("{\"a\":1,\"\\u0061\":1}", Problem::DuplicateMember),
            ("[{\"b\":{\"a\":1,\"a\":1}}]", Problem::DuplicateMember),
        ] {
            assert_eq!(problem(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn many_names_are_still_told_apart() {
        let members: Vec<String> = (0..100).map(|number| format!("\"m{number}\":0")).collect();
        assert_eq!(problem(&format!("{{{}}}", members.join(","))), None);
        assert_eq!(
            problem(&format!("{{{},\"m99\":1}}", members.join(","))),
            Some(Problem::DuplicateMember)
        );
        assert_eq!(
            problem(&format!("{{{},\"m3\":1}}", members.join(","))),
            Some(Problem::DuplicateMember)
        );
    }

    #[test]
    fn limits_hold() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(problem(&nested(64)), None);
        assert_eq!(problem(&nested(65)), Some(Problem::TooLarge));
        assert_eq!(problem(&nested(10_000)), Some(Problem::TooLarge));
        assert_eq!(problem(&"1".repeat((64 << 10) + 1)), Some(Problem::TooLarge));
        let many = |count: usize| format!("[{}]", vec!["0"; count].join(","));
        assert_eq!(problem(&many(9_999)), None);
        assert_eq!(problem(&many(10_000)), Some(Problem::TooLarge));
    }

    proptest! {
        /// An independent reader must accept all that this one accepts, and, numbers too large for
        /// it apart, this one must accept all JSON that it would write.
        #[test]
        fn agrees_with_serde_json(text in "[\\[\\]{}:,\"a\\\\u0018e.\\- ]{0,24}") {
            if scan(&text, Limits::TOKEN).is_ok() {
                prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
            }
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                prop_assert!(scan(&text, Limits::TOKEN).is_ok());
            }
        }

        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = scan(&text, Limits::TOKEN);
        }
    }
}
