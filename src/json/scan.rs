//! The scanner: one pass over the text, no recursion, a flat list of nodes.
//!
//! It accepts RFC 8259 texts only, in UTF-8 without a byte order mark, with every escape valid, and
//! refuses what goes beyond the caller's limits before any memory is spent on it.

use super::node::{Inside, Kind, NameMask, Node, Sketch, unescape};
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
        // As many as there are in most texts: it grows where that is too few.
        nodes: Vec::with_capacity((text.len() / 32).clamp(4, 24)),
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

/// The member names of an open object: where there are few, they are looked up among its nodes; in a set beyond.
struct Names<'t> {
    mask: NameMask,
    count: usize,
    many: Option<HashSet<Cow<'t, str>>>,
}

impl Names<'_> {
    const FEW: usize = 16;
    const NONE: Self = Self { mask: NameMask::NONE, count: 0, many: None };
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
        let sketch = Sketch::of(name.as_bytes());
        self.note(name, sketch, start)?;
        let sketch = if escaped { Sketch::ESCAPED } else { sketch };
        let name = Name { span: (start as u32, self.at as u32), sketch };
        self.skip_blanks();
        match self.peek() {
            Some(b':') => self.at += 1,
            Some(_) => return Err(self.error(Problem::Unexpected)),
            None => return Err(self.error(Problem::Truncated)),
        }
        Ok(name)
    }

    /// Notes a name of the innermost object, which begins at `start`.
    fn note(&mut self, name: Cow<'t, str>, sketch: Sketch, start: usize) -> Result<(), ParseError> {
        let too_large = self.error(Problem::TooLarge);
        let Self { text, nodes, open, duplicates, limits, .. } = self;
        let Some(Open { node, names, .. }) = open.last_mut() else { return Ok(()) };
        if names.count >= limits.members {
            return Err(too_large);
        }
        let members = || Inside::of(nodes, *node as u32, nodes.len() as u32);
        let mask = NameMask::of(sketch);
        let may_be_there = names.mask.may_hold(mask);
        names.mask.add(mask);
        names.count += 1;
        let is_new = if names.count <= Names::FEW {
            !may_be_there || members().place_of(text, sketch, &name).is_none()
        } else {
            let all = || members().map(|(_, member)| member.name(text)).collect();
            names.many.get_or_insert_with(all).insert(name)
        };
        if !is_new {
            duplicates.push((*node, start));
        }
        Ok(())
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
            names: NameMask::NONE,
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
        self.open.push(Open { node: self.nodes.len(), object, names: Names::NONE });
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
                    node.names = open.names.mask;
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
            let plain = plain(rest);
            self.at += plain;
            match rest.get(plain) {
                None => return Err(self.error(Problem::Truncated)),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += 2;
                }
                Some(_) => return Err(self.error(Problem::String)),
            }
        }
    }
}

/// How many bytes of the inside of a string stand for themselves.
fn plain(bytes: &[u8]) -> usize {
    // Names and most values are over within that many words, before a search would have begun.
    const NEAR: usize = 4;
    let (words, _) = bytes.as_chunks();
    let mut near = 0;
    for word in words.iter().take(NEAR) {
        match first_of_note(*word) {
            Some(end) => return near + end,
            None => near += word.len(),
        }
    }
    let far = bytes.get(near..).unwrap_or_default();
    let end = memchr2(b'"', b'\\', far).unwrap_or(far.len());
    let plain = far.get(..end).unwrap_or_default();
    // All of them, rather than the first one: that way, many are looked at in one step.
    let has_control = plain.iter().fold(false, |any, byte| any | is_control(*byte));
    let control = has_control.then(|| plain.iter().position(|byte| is_control(*byte)));
    near + control.flatten().unwrap_or(end)
}

/// The place of the first byte among eight that ends a string, begins an escape, or must not stand there.
fn first_of_note(bytes: [u8; 8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let word = u64::from_le_bytes(bytes);
    // The upper bit of a byte that is less than `least` becomes set, and perhaps those of bytes above it.
    let below = |word: u64, least: u8| word.wrapping_sub(ONES * u64::from(least)) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let found = (below(word, 0x20) | is(b'"') | is(b'\\')) & (ONES << 7);
    (found != 0).then_some(found.trailing_zeros() as usize / 8)
}

/// RFC 8259 §7: what a string may hold as an escape only.
fn is_control(byte: u8) -> bool {
    byte < 0x20
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

    #[test]
    fn a_control_character_is_found_however_far_away() {
        for length in 0..70 {
            let text = format!("\"{}\u{1}b\"", "a".repeat(length));
            let error = scan(&text, Limits::TOKEN).map(|_| ()).unwrap_err();
            assert_eq!(error, ParseError { problem: Problem::String, offset: 1 + length });
        }
    }

    proptest! {
        #[test]
        fn the_plain_part_of_a_string_ends_where_it_should(
            bytes in proptest::collection::vec(prop_oneof![8 => any::<u8>(), 1 => 0x1e_u8..0x24], 0..90),
            letters in 0..90_usize,
        ) {
            let bytes = [vec![b'a'; letters], bytes].concat();
            let end = bytes.iter().position(|byte| matches!(byte, 0..=0x1f | b'"' | b'\\'));
            prop_assert_eq!(plain(&bytes), end.unwrap_or(bytes.len()));
        }

        #[test]
        fn a_name_that_stands_twice_is_found(
            names in proptest::collection::vec(r"[a-d]{0,2}|\\u006[1-4]", 0..40),
            nested in any::<bool>(),
        ) {
            let value = if nested { r#"{"a":[{}]}"# } else { "0" };
            let members: Vec<String> =
                names.iter().map(|name| format!("\"{name}\":{value}")).collect();
            let mut meanings = HashSet::new();
            let unescaped = |name: &String| serde_json::from_str::<String>(&format!("\"{name}\""));
            let is_twice = names.iter().any(|name| !meanings.insert(unescaped(name).unwrap()));
            let expected = is_twice.then_some(Problem::DuplicateMember);
            prop_assert_eq!(problem(&format!("{{{}}}", members.join(","))), expected);
        }

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
