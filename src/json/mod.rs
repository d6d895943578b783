//! Strict JSON reading, and edits as splices on the text.
//!
//! Why not a value tree that is written out again: what kidstamp repairs must stay what the
//! provider wrote in every byte that the repair does not name (member order, blanks, escapes,
//! number literals), since some of it is signed. And why not `serde_json` alone: it keeps the last of
//! two members of one name silently (RFC 8259 §4 leaves that open, RFC 7515 §4 and RFC 7519 §4
//! forbid it), and skipped values are not checked inside.
//!
//! This module must never write a document out from a parsed form.

mod document;
mod edit;
mod node;
mod scan;

pub use document::{Document, Elements, Members, Value};
pub use edit::{Edits, OverlapError, Splice, apply, invert, quote};
pub use node::Kind;
pub use scan::{Limits, ParseError, Problem};
