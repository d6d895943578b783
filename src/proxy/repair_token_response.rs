//! The rules for token responses, applied to one on its way to the relying party.

use super::asked::Asked;
use super::rewrite;
use super::worker::Worker;
use crate::json::Document;
use crate::rules::token_response::{self, Facts, Head};
use crate::rules::{Finding, Repaired, Settings};
use crate::token::TokenResponse;
use crate::upstream::{Treatment, Treatments};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::response::Parts;
use std::borrow::Cow;

/// What the rules make of the body of a response of the token endpoint.
pub(super) struct Repair<'s> {
    /// Another one than the provider's, where they changed it.
    pub(super) body: Option<Bytes>,
    findings: Vec<Finding>,
    /// `None` for what is no token response.
    settings: Option<&'s Settings>,
}

/// Repairs the body of a response of the token endpoint; what is no token response stays. Where a token response stays,
/// too, the second part is how it was read.
pub(super) fn repair<'s, 'b>(
    treatments: &'s Treatments,
    asked: &Asked,
    body: &'b Bytes,
) -> (Repair<'s>, Option<Document<'b>>) {
    let settings = &rules_of(treatments, asked, body).rules;
    let wanted = token_response::wants_refresh_token(settings);
    let refresh_token = wanted.then(|| asked.refresh_token()).flatten();
    let refresh_token = refresh_token.as_ref().map(|token| token.as_str());
    let facts = Facts { has_proof: asked.has_proof, refresh_token };
    let text = std::str::from_utf8(body).ok();
    let repaired =
        text.and_then(|text| token_response::repair_and_read(text, facts, settings).ok());
    let settings = Some(settings);
    match repaired {
        Some((Repaired { findings, steps, .. }, read)) if steps.is_empty() => {
            (Repair { body: None, findings, settings }, read)
        }
        Some((Repaired { text, findings, .. }, _)) if token_response::has_token(&text) => {
            (Repair { body: Some(Bytes::from(text.into_owned())), findings, settings }, None)
        }
        _ => (Repair { body: None, findings: Vec::new(), settings: None }, None),
    }
}

impl Repair<'_> {
    /// Repairs the head of a token response along with its body, which was read as `parsed`.
    pub(super) fn finish(&self, worker: &Worker, parsed: &TokenResponse<'_>, parts: &mut Parts) {
        if let Some(settings) = self.settings
            && parsed.has_token()
        {
            worker.counters.findings(&self.findings);
            repair_head(worker, settings, parts);
        }
        if self.body.is_some() {
            rewrite::forget_old_body(&mut parts.headers);
        }
    }
}

/// The settings of the client that asks, or else of the one that the ID token is for.
fn rules_of<'s>(treatments: &'s Treatments, asked: &Asked, body: &[u8]) -> &'s Treatment {
    let is_known = |client: &str| treatments.knows(client);
    let client = || {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        TokenResponse::parse(body).ok()?.id_token()?.client(is_known)
    };
    match asked.client(is_known) {
        Some(asked) => treatments.of(Some(asked)),
        None if treatments.are_the_same() => treatments.of(None),
        None => treatments.of(client().as_deref()),
    }
}

fn repair_head(worker: &Worker, settings: &Settings, parts: &mut Parts) {
    let cache_control = all_of(&parts.headers, &CACHE_CONTROL);
    let content_type = all_of(&parts.headers, &CONTENT_TYPE);
    let head = Head {
        status: parts.status.as_u16(),
        content_type: content_type.as_deref(),
        cache_control: cache_control.as_deref(),
    };
    let repaired = token_response::repair_head(head, settings);
    worker.counters.findings(&repaired.findings);
    if let Some(status) = repaired.status {
        parts.status = StatusCode::from_u16(status).unwrap_or(parts.status);
    }
    for (name, value) in
        [(CONTENT_TYPE, repaired.content_type), (CACHE_CONTROL, repaired.cache_control)]
    {
        if let Some(value) = value {
            parts.headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// The values of a field as one (RFC 9110 §5.3); `None` if the field is not there.
fn all_of<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Cow<'h, str>> {
    let mut values =
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let first = values.next()?;
    Some(values.fold(first, |all, value| all + ", " + value))
}
