//! The key set, served from memory: one text for everyone, whatever the request looks like.

use super::body::Body;
use super::error::Refusal;
use crate::clock;
use crate::upstream::{PublishedKeys, Route};
use http::header::{
    ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CONTENT_TYPE, HeaderMap,
    HeaderValue, IF_NONE_MATCH,
};
use http::{Method, Request, Response, StatusCode};

/// Answers a request for the key set.
pub(super) fn answer<B>(request: &Request<B>, route: &Route) -> Result<Response<Body>, Refusal> {
    match *request.method() {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return Ok(options()),
        // Some provider might answer a POST with its own set.
        _ => return Err(Refusal::JwksMethod),
    }
    let snapshot = route.snapshot.as_ref().filter(|snapshot| snapshot.is_usable(clock::now()));
    let snapshot = snapshot.ok_or(Refusal::NoKeySet)?;
    let keys = match route.view {
        None => Some(&snapshot.keys),
        Some(view) => snapshot.views.get(view).and_then(Option::as_ref),
    };
    Ok(respond(keys.ok_or(Refusal::NoKeySet)?, request.headers()))
}

/// A document from memory, or the word that it is still the same.
pub(super) fn respond(keys: &PublishedKeys, request: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.headers_mut() = keys.head.clone();
    if matches(request, &keys.etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(CONTENT_TYPE);
    } else {
        *response.body_mut() = Body::Full(keys.body.clone());
    }
    response
}

/// `If-None-Match` against a strong tag; the comparison is the weak one (RFC 9110 §13.1.2).
fn matches(request: &HeaderMap, etag: &HeaderValue) -> bool {
    request
        .get_all(IF_NONE_MATCH)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}

/// The answer to a question about what is allowed.
pub(super) fn options() -> Response<Body> {
    const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ALLOW, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    response
}
