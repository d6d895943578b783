//! Restoring tokens in a request, before it goes to the provider: in `Authorization`, query and form.
//!
//! Touches a request only where there is an exact carrier; see [`crate::token::restore`].

use super::body::{Body, ReadAhead};
use crate::token::{Place, restore_authorization, restore_fields};
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

/// True if the body is a form in which a token may come back.
pub(super) fn is_form(method: &Method, headers: &HeaderMap) -> bool {
    let content_type =
        headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    method == Method::POST
        && media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        && !headers.contains_key(CONTENT_ENCODING)
}

/// Restores the tokens in a form body of at most `limit` bytes; longer ones pass as they are.
pub(super) async fn in_form(
    headers: &mut HeaderMap,
    body: Body,
    limit: usize,
) -> (Body, Option<Place>) {
    let form = match body.read(limit).await {
        ReadAhead::Whole(form) => form,
        ReadAhead::Rest(rest) => return (rest, None),
    };
    match restore_fields(&form) {
        Some(restored) => {
            // hyper writes the length of the body that it is given.
            headers.remove(CONTENT_LENGTH);
            (Body::Full(Bytes::from(restored)), Some(Place::Form))
        }
        None if form.is_empty() => (Body::Empty, None),
        None => (Body::Full(form), None),
    }
}
