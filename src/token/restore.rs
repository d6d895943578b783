//! Restore: a re-signed token becomes the provider's own again, on its way back to the provider.
//!
//! The provider verifies its own tokens (at userinfo, at logout, at introspection) and would refuse the bridge
//! key's signature. Everything needed is in the token: no key, no state, and nothing is granted here, since
//! the provider checks the original itself. Only a token with an exact carrier is touched; every other byte of
//! a request stays.

use super::resign::CARRIER_START;
use super::undo;
use crate::jose::{CompactJws, base64url};
use memchr::memchr_iter;
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// Form and query fields in which providers take tokens back: RFC 6750 §2.2 and §2.3, RFC 7662 §2.1, RFC 7009
/// §2.1, OpenID Connect RP-Initiated Logout §2, OpenID Connect Core §3.1.2.1, RFC 8693 §2.1, RFC 7523 §2.1.
pub(super) const FIELDS: [&str; 6] =
    ["access_token", "token", "id_token_hint", "subject_token", "actor_token", "assertion"];

/// Where a token was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// `Authorization: Bearer`
    Authorization,
    /// The query of the request target.
    Query,
    /// A form body.
    Form,
    /// A body of `multipart/form-data`.
    Multipart,
    /// A JSON body.
    Json,
}

impl Place {
    /// The word for metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::Query => "query",
            Self::Form => "form",
            Self::Multipart => "multipart",
            Self::Json => "json",
        }
    }
}

/// The original of a re-signed token, to the letter; `None` if `token` has no exact carrier.
pub fn restore(token: &str) -> Option<String> {
    if token.len() > CompactJws::MAX_BYTES {
        return None;
    }
    let mut segments = token.split('.');
    let (header, payload, signature) = (segments.next()?, segments.next()?, segments.next()?);
    if segments.next().is_some() || header.is_empty() || signature.is_empty() || !may_carry(payload)
    {
        return None;
    }
    let payload = base64url::decode(payload)?;
    let brace = payload.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))?;
    let (before, inside) = payload.split_at_checked(brace + 1)?;
    if before.last() != Some(&b'{') {
        return None;
    }
    let inside = inside.strip_prefix(CARRIER_START.as_bytes())?;
    let quote = inside.iter().position(|byte| *byte == b'"')?;
    let (carrier, rest) = inside.split_at_checked(quote)?;
    let claims = rest.strip_prefix(b"\",")?;
    let mut parts = std::str::from_utf8(carrier).ok()?.splitn(3, '.');
    let (original_header, original_signature) = (parts.next()?, parts.next()?);
    for segment in [header, signature, original_header, original_signature] {
        base64url::decode(segment).filter(|octets| !octets.is_empty())?;
    }
    let repaired_payload = [before, claims].concat();
    let original_payload = match parts.next() {
        Some(undo) => base64url::encode(undo::apply(undo, &repaired_payload)?),
        None => base64url::encode(repaired_payload),
    };
    Some([original_header, &original_payload, original_signature].join("."))
}

/// False only if a payload can't begin with a carrier, told without decoding it: nearly every token that
/// passes is told apart here. Payloads that begin with a blank get the long way.
fn may_carry(payload: &str) -> bool {
    match payload.as_bytes() {
        // base64url of `{"_kidstamp":`
        [b'e', b'y', ..] => payload.starts_with("eyJfa2lkc3RhbXAiO"),
        [first, ..] => matches!(first, b'I' | b'C' | b'D'),
        [] => false,
    }
}

/// The value of an `Authorization` field with its token restored; `None` if there was nothing to restore.
/// Only the scheme Bearer is looked at (RFC 6750 §2.1); DPoP-bound tokens are never re-signed.
pub fn restore_authorization(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, token) = value.split_at_checked(7)?;
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return None;
    }
    let text = std::str::from_utf8(token).ok()?;
    let trimmed = text.trim_matches(' ');
    let original = restore(trimmed)?;
    Some([scheme, text.replacen(trimmed, &original, 1).as_bytes()].concat())
}

/// A form body or query (`application/x-www-form-urlencoded`) with the tokens in its known fields
/// restored; `None` if there was nothing to restore. All other bytes stay as they are.
pub fn restore_fields(form: &[u8]) -> Option<Vec<u8>> {
    let mut restored = Vec::new();
    let (mut start, mut copied) = (0, 0);
    for end in memchr_iter(b'&', form).chain([form.len()]) {
        if let Some(new) = restore_field(form.get(start..end)?) {
            restored.extend_from_slice(form.get(copied..start)?);
            restored.extend(new);
            copied = end;
        }
        start = end + 1;
    }
    if copied == 0 {
        return None;
    }
    restored.extend_from_slice(form.get(copied..)?);
    Some(restored)
}

fn restore_field(field: &[u8]) -> Option<Vec<u8>> {
    let equals = field.iter().position(|byte| *byte == b'=')?;
    let (name, value) = field.split_at_checked(equals)?;
    // Hardly a name has anything to decode, and none of those that are known.
    let decoded_name: Cow<'_, [u8]> =
        if name.contains(&b'%') { percent_decode(name).into() } else { name.into() };
    if !FIELDS.iter().any(|field| field.as_bytes() == &*decoded_name) {
        return None;
    }
    let value: Cow<'_, [u8]> = percent_decode(value.get(1..)?).into();
    let original = restore(std::str::from_utf8(&value).ok()?)?;
    Some([name, b"=", original.as_bytes()].concat())
}
