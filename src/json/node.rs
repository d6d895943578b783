//! What a scan leaves of a text: a flat list of nodes that point into it.

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
