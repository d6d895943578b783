//! The token response has a media type that is not JSON's.
//!
//! RFC 6749 §5.1 wants `application/json`; hand-written providers send `text/html` or `text/plain`, the default of their
//! platform. Relying parties look before they read: "Unexpected response Content-Type: \"text/html; charset=utf-8\", should be
//! `application/json`" (openidconnect-rs), "Cannot handle content type: text/plain" (Vert.x).
//!
//! **What is changed:** `Content-Type` becomes `application/json`, where the body is a JSON object with a token in it. Types
//! that end in `json` stay.

use super::Head;
use crate::rules::{Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "token-response/content-type",
    summary: "the media type is not that of JSON",
    reference: "RFC 6749 section 5.1",
    default: Setting::Repair,
    fixed: false,
    answers: &[],
};

pub(super) fn check(head: Head<'_>) -> Option<String> {
    let Some(value) = head.content_type else { return Some("missing".to_owned()) };
    let media_type = value.split(';').next().unwrap_or_default().trim();
    let is_json = media_type
        .get(media_type.len().saturating_sub(4)..)
        .is_some_and(|end| end.eq_ignore_ascii_case("json"));
    (!is_json).then(|| shown(value))
}
