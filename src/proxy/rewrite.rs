//! What every response has in common whose body may be changed: how it is asked for, and which of its fields
//! speak of the body that came.

use super::body::{Body, ReadAhead};
use super::worker::Worker;
use crate::upstream::{Bounds, check_coding, decode};
use bytes::Bytes;
use http::Response;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::response::Parts;
use std::borrow::Cow;
use tracing::warn;

/// What describes the body that came, and not the one that goes out (RFC 9530, RFC 1864).
const OF_THE_OLD_BODY: [HeaderName; 6] = [
    CONTENT_LENGTH,
    ETAG,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// Asks the provider for a response that can be read: not compressed, whole, and not conditional.
pub(super) fn prepare_request(headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for name in [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
        headers.remove(name);
    }
}

/// Takes out what no longer holds once a body was changed; hyper writes the new length.
pub(super) fn forget_old_body(headers: &mut HeaderMap) {
    for name in OF_THE_OLD_BODY {
        headers.remove(name);
    }
}

/// Reads a response whose body may be changed; the error is the response as it is to go on, with the reason.
///
/// One that is compressed, though nobody asked for it, becomes one that is not: whoever asked can read that, too.
pub(super) async fn read(
    worker: &Worker,
    response: Response<Body>,
) -> Result<(Parts, Bytes), (Response<Body>, &'static str)> {
    let limits = &worker.config.server.limits;
    let Ok(is_encoded) = check_coding(response.headers()) else {
        return Err((response, "encoded"));
    };
    let (mut parts, body) = response.into_parts();
    match body.read(limits.rewritten_body_bytes).await {
        ReadAhead::Whole(body) if is_encoded => {
            let bounds =
                Bounds { bytes: limits.rewritten_body_bytes, ratio: limits.decompression_ratio };
            match decode(&parts.headers, body.clone(), bounds) {
                Ok(decoded) => {
                    parts.headers.remove(CONTENT_ENCODING);
                    forget_old_body(&mut parts.headers);
                    Ok((parts, decoded))
                }
                Err(problem) => {
                    warn!("a response passes as it came: {problem}");
                    Err((Response::from_parts(parts, Body::Full(body)), "encoded"))
                }
            }
        }
        ReadAhead::Whole(body) => Ok((parts, body)),
        ReadAhead::Rest(rest) => {
            let reason = if matches!(rest, Body::Broken(_)) { "truncated" } else { "too_large" };
            Err((Response::from_parts(parts, rest), reason))
        }
    }
}

/// The media type of the body in lower case, without parameters; empty if there is none.
pub(super) fn media_type(headers: &HeaderMap) -> Cow<'_, str> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    let media_type = media_type.trim();
    if media_type.bytes().any(|byte| byte.is_ascii_uppercase()) {
        media_type.to_ascii_lowercase().into()
    } else {
        media_type.into()
    }
}
