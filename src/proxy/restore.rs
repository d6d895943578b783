//! Restoring tokens in a request, before it goes to the provider: in `Authorization`, query and body.
//!
//! Touches a request only where there is an exact carrier; see [`crate::token::restore`].

use super::body::{Body, ReadAhead};
use super::rewrite;
use crate::token::{
    Place, boundary_of, restore_authorization, restore_fields, restore_json, restore_multipart,
};
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue,
};
use http::{Method, Uri};

/// Restores the token in `Authorization: Bearer`.
pub(super) fn in_authorization(headers: &mut HeaderMap) -> Option<Place> {
    let field = headers.get_mut(AUTHORIZATION)?;
    let restored = restore_authorization(field.as_bytes())?;
    let mut value = HeaderValue::from_bytes(&restored).ok()?;
    value.set_sensitive(true);
    *field = value;
    Some(Place::Authorization)
}

/// Restores the tokens in the query of a request target.
pub(super) fn in_query(uri: &mut Uri) -> Option<Place> {
    let restored = restore_fields(uri.query()?.as_bytes())?;
    let query = String::from_utf8(restored).ok()?;
    *uri = format!("{}?{query}", uri.path()).parse().ok()?;
    Some(Place::Query)
}

/// The kind of body in which a token may come back, if it is one.
pub(super) fn place_in_body(method: &Method, headers: &HeaderMap) -> Option<Place> {
    if method != Method::POST || headers.contains_key(CONTENT_ENCODING) {
        return None;
    }
    match &*rewrite::media_type(headers) {
        "application/x-www-form-urlencoded" => Some(Place::Form),
        "multipart/form-data" => Some(Place::Multipart),
        "application/json" => Some(Place::Json),
        _ => None,
    }
}

/// Restores the tokens in a body of at most `limit` bytes; longer ones pass as they are.
pub(super) async fn in_body(
    headers: &mut HeaderMap,
    body: Body,
    place: Place,
    limit: usize,
) -> (Body, Option<Place>) {
    let body = match body.read(limit).await {
        ReadAhead::Whole(body) => body,
        ReadAhead::Rest(rest) => return (rest, None),
    };
    let restored = match place {
        Place::Json => restore_json(&body),
        Place::Multipart => {
            let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            content_type
                .and_then(boundary_of)
                .and_then(|boundary| restore_multipart(&body, boundary))
        }
        Place::Form | Place::Authorization | Place::Query => restore_fields(&body),
    };
    match restored {
        Some(restored) => {
            // hyper writes the length of the body that it is given.
            headers.remove(CONTENT_LENGTH);
            (Body::Full(Bytes::from(restored)), Some(place))
        }
        None if body.is_empty() => (Body::Empty, None),
        None => (Body::Full(body), None),
    }
}
