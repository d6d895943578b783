//! What a scan leaves of a text: a flat list of nodes that point into it.

use std::borrow::Cow;

/// The six kinds of JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number, of any size and precision: only its text is kept.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// One value: its place in the text, the place of its name, and the node that follows its subtree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) key: Option<(u32, u32)>,
    /// Of the name.
    pub(super) sketch: Sketch,
    /// The value is a string with an escape in it.
    pub(super) is_escaped: bool,
    pub(super) after: u32,
    /// Of the members, where this is an object.
    pub(super) names: NameMask,
}

impl Node {
    /// The name of a member of `text` as it stands, with its quotes; `None` outside objects.
    pub(super) fn raw_name<'t>(&self, text: &'t str) -> Option<&'t str> {
        let (start, end) = self.key?;
        text.get(start as usize..end as usize)
    }

    /// The same, unescaped; empty outside objects.
    pub(super) fn name<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let raw = self.raw_name(text).unwrap_or_default();
        unescape(raw, self.sketch == Sketch::ESCAPED).unwrap_or_default()
    }
}

/// The nodes inside a container that are no deeper, with their places, in text order.
#[derive(Debug, Clone)]
pub(super) struct Inside<'n> {
    nodes: &'n [Node],
    next: u32,
    end: u32,
}

impl<'n> Inside<'n> {
    /// Those of the container at that place, as far as they come before `end`.
    pub(super) fn of(nodes: &'n [Node], container: u32, end: u32) -> Self {
        Self { nodes, next: container + 1, end }
    }

    /// The place of the first one that has this `name` in `text`.
    pub(super) fn place_of(mut self, text: &str, sketch: Sketch, name: &str) -> Option<u32> {
        let found =
            self.find(|(_, member)| member.sketch.may_be(sketch) && member.name(text) == name);
        found.map(|(index, _)| index)
    }
}

impl<'n> Iterator for Inside<'n> {
    type Item = (u32, &'n Node);

    fn next(&mut self) -> Option<Self::Item> {
        let index = (self.next < self.end).then_some(self.next)?;
        let node = self.nodes.get(index as usize)?;
        self.next = node.after;
        Some((index, node))
    }
}

/// What two names have in common that are the same, in one comparison: the rules ask each object for each name that they
/// know, and hardly any is there. The first octet, the last one, and the lower half of the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sketch(u32);

impl Sketch {
    /// The name has an escape in it, and must be read. No name in UTF-8 has this octet at its ends.
    pub(super) const ESCAPED: Self = Self(u32::MAX);

    /// There is no name, or an empty one.
    pub(super) const NONE: Self = Self(0);

    /// That of a name as it is, without quotes.
    pub(super) fn of(name: &[u8]) -> Self {
        let (first, last) = (name.first().copied(), name.last().copied());
        let [low, high, ..] = name.len().to_le_bytes();
        Self(u32::from_le_bytes([first.unwrap_or_default(), last.unwrap_or_default(), low, high]))
    }

    /// False where this name can't be one that has no escape and `other` for its sketch.
    pub(super) fn may_be(self, other: Self) -> bool {
        self == other || self == Self::ESCAPED
    }
}

/// A bit for each name that an object holds, some of them shared: it tells of most names that they are not there.
#[derive(Debug, Clone, Copy)]
pub(super) struct NameMask(u64);

impl NameMask {
    /// There are none.
    pub(super) const NONE: Self = Self(0);

    /// That of one name, by its sketch as it is without escapes.
    pub(super) fn of(name: Sketch) -> Self {
        // By the upper bits of a product with 2^32 divided by the golden ratio, which all bits of the sketch have a part in.
        Self(1 << (name.0.wrapping_mul(0x9e37_79b9) >> 26))
    }

    /// Adds the names of `other`.
    pub(super) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// False where none of the names of `other` can be here.
    pub(super) fn may_hold(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The content of a JSON string given with its quotes; `None` if an escape is not valid.
pub(super) fn unescape(raw: &str, escaped: bool) -> Option<Cow<'_, str>> {
    if escaped {
        serde_json::from_str::<String>(raw).ok().map(Cow::Owned)
    } else {
        raw.get(1..raw.len().checked_sub(1)?).map(Cow::Borrowed)
    }
}
