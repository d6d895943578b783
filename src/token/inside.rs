//! Tokens inside of a token: an authorization response that is a JWT (JARM §2.1) may hold an ID token and an access token
//! as claims. Where those change, it has to follow, by splices that its carrier can take back.

use super::kind::TokenKind;
use crate::json::{self, Document, Edits, Limits};
use crate::rules::{Repaired, Step};
use std::borrow::Cow;

/// `payload` with `new` tokens in the places of those of the same kinds; `None` if that changes nothing.
pub(super) fn replace(payload: &[u8], new: &[(TokenKind, String)]) -> Option<Repaired<'static>> {
    let text = std::str::from_utf8(payload).ok()?;
    let document = Document::parse(text, Limits::TOKEN).ok()?;
    let root = document.root();
    let mut edits = Edits::default();
    for (kind, token) in new {
        if let Some(member) = root.get(kind.name()) {
            edits.replace(member, json::quote(token));
        }
    }
    let (step, text) = Step::apply("token/inside", text, edits.splices(&document))?;
    Some(Repaired { text: Cow::Owned(text), findings: Vec::new(), steps: vec![step] })
}
