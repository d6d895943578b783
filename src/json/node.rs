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
    /// The name has an escape in it.
    pub(super) key_is_escaped: bool,
    /// The value is a string that has one.
    pub(super) is_escaped: bool,
    pub(super) after: u32,
}
