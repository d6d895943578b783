//! The discovery document: served from memory where it is not the provider's own, passed on from the provider where it is.

use super::body::Body;
use super::endpoint_jwks::{options, respond};
use crate::clock;
use crate::upstream::{PublishedDiscovery, Route};
use http::header::{HOST, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};

/// The answer to a request for the document, if that is not the provider's own.
///
/// Some providers write the name into it by which they are asked. Under another name than the external one, relying
/// parties get what they would get under that, from memory.
pub(super) fn answer<B>(request: &Request<B>, route: &Route) -> Option<Response<Body>> {
    let wanted = document(route)?;
    if !wanted.is_new && asks_by_external_name(request, route) {
        return None;
    }
    send(request.method(), request.headers(), wanted)
}

/// A question for the document that goes on to the provider.
pub(super) struct Question {
    method: Method,
    headers: HeaderMap,
}

impl Question {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        Self { method: request.method().clone(), headers: request.headers().clone() }
    }

    /// The document in the place of an answer which says that nothing is there: relying parties look for it where
    /// RFC 8414 §3 has it, too, and few providers from before that have it there.
    pub(super) fn or_document(&self, route: &Route, answer: Response<Body>) -> Response<Body> {
        let is_nothing = matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::GONE);
        let document = if is_nothing { document(route) } else { None };
        document.and_then(|document| send(&self.method, &self.headers, document)).unwrap_or(answer)
    }
}

fn document(route: &Route) -> Option<&PublishedDiscovery> {
    let snapshot = route.snapshot.as_ref().filter(|snapshot| snapshot.is_usable(clock::now()))?;
    snapshot.discovery.as_ref()
}

fn send(
    method: &Method,
    headers: &HeaderMap,
    discovery: &PublishedDiscovery,
) -> Option<Response<Body>> {
    match *method {
        Method::GET | Method::HEAD => Some(respond(&discovery.document, headers)),
        Method::OPTIONS => Some(options()),
        _ => None,
    }
}

/// True if the request's host is that of the external origin. One without a host gets that.
fn asks_by_external_name<B>(request: &Request<B>, route: &Route) -> bool {
    let Some(snapshot) = &route.snapshot else { return true };
    let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let external = snapshot.forwarding.host().as_bytes();
    authority.or(host).is_none_or(|asked| asked.eq_ignore_ascii_case(external))
}
