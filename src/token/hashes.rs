//! The hashes in an ID token of what stands beside it in its response: `at_hash` (OpenID Connect Core §3.1.3.6),
//! `c_hash` (§3.3.2.11) and `s_hash` (Financial-grade API 1.0 part 2 §5.1).
//!
//! They tie the parts of a response together. The access token is the one part that kidstamp may change, and its hash
//! follows it; a hash that was not right before is none that could follow, and stays.

use super::nonces::Nonce;
use crate::jose::Hash;
use crate::json::{self, Document, Edits, Limits};
use crate::rules::claims::Hashes;
use crate::rules::{Repaired, Step};
use std::borrow::Cow;

/// What stands beside an ID token in its response, and what is remembered of its login.
#[derive(Default, Clone)]
pub(super) struct Beside<'t> {
    pub(super) access_token: Option<Cow<'t, str>>,
    pub(super) code: Option<Cow<'t, str>>,
    pub(super) state: Option<Cow<'t, str>>,
    /// What the access token becomes, if it is signed anew.
    pub(super) new_access_token: Option<String>,
    /// The nonce of its authorization request, where the configuration wants it restored.
    pub(super) nonce: Option<Nonce>,
}

impl Beside<'_> {
    /// The hashes that an ID token must have of it, whose algorithm has the hash function `hash`.
    pub(super) fn hashes(&self, hash: Hash) -> Hashes {
        let of = |text: &Option<Cow<'_, str>>| text.as_deref().map(|text| hash.left_half(text));
        Hashes { at_hash: of(&self.access_token), c_hash: of(&self.code), s_hash: of(&self.state) }
    }

    /// Lets the `at_hash` in `claims` follow the access token, if it was right for the old one; true if it was.
    pub(super) fn rehash(&self, claims: &mut Repaired<'_>, hash: Hash) -> bool {
        let step = self.step(&claims.text, hash);
        let is_changed = step.is_some();
        if let Some((step, text)) = step {
            claims.steps.push(step);
            claims.text = Cow::Owned(text);
        }
        is_changed
    }

    fn step(&self, claims: &str, hash: Hash) -> Option<(Step, String)> {
        let (old, new) = (self.access_token.as_deref()?, self.new_access_token.as_deref()?);
        let document = Document::parse(claims, Limits::TOKEN).ok()?;
        let claim = document.root().get("at_hash")?;
        if !claim.is_str(&hash.left_half(old)) {
            return None;
        }
        let mut edits = Edits::default();
        edits.replace(claim, json::quote(&hash.left_half(new)));
        Step::apply("token/at-hash", claims, edits.splices(&document))
    }
}
