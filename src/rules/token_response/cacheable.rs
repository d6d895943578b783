//! The token response may be stored by caches.
//!
//! RFC 6749 §5.1 wants `Cache-Control: no-store`, since the response holds what anyone could sign in with. No relying party is known to
//! refuse its absence; conformance tests do, and a cache in between could hand one user's tokens to another.
//!
//! **What is changed:** `Cache-Control` becomes `no-store`, where it does not say so already. It is on by default although nobody
//! refuses: the clause is a MUST, and the change takes something away that nobody should have.

use super::Head;
use crate::rules::{Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "token-response/cacheable",
    summary: "Cache-Control does not say no-store",
    reference: "RFC 6749 section 5.1",
    default: Setting::Repair,
    fixed: false,
    answers: &[],
};

pub(super) fn check(head: Head<'_>) -> Option<String> {
    let Some(value) = head.cache_control else { return Some("missing".to_owned()) };
    let mut directives = value.split(',').map(str::trim);
    let no_store = directives.any(|directive| directive.eq_ignore_ascii_case("no-store"));
    (!no_store).then(|| shown(value))
}
