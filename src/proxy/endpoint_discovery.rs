//! The discovery document: served from memory where the rules changed it, passed on from the provider where not.

use super::body::Body;
use super::endpoint_jwks::{options, respond};
use crate::clock;
use crate::upstream::Route;
use http::{Method, Request, Response};

/// The answer to a request for the document, if that is not the provider's own.
pub(super) fn answer<B>(request: &Request<B>, route: &Route) -> Option<Response<Body>> {
    let snapshot = route.snapshot.as_ref().filter(|snapshot| snapshot.is_usable(clock::now()))?;
    let document = snapshot.discovery.as_ref()?;
    match *request.method() {
        Method::GET | Method::HEAD => Some(respond(document, request.headers())),
        Method::OPTIONS => Some(options()),
        _ => None,
    }
}
