//! CORS (Fetch standard §3.2) at the endpoints that an application in a browser calls, for the origins that the
//! configuration lists.
//!
//! An origin is listed to the letter or not at all, and never with credentials: what such an application sends, it adds
//! itself. Where the provider answers for itself, its word stands.

use super::body::Body;
use crate::config::ValidConfig;
use crate::upstream::{Endpoint, Route};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::{Method, Request, Response, StatusCode};

/// A request from a listed origin.
pub(super) struct Cors {
    origin: HeaderValue,
    is_preflight: bool,
}

impl Cors {
    /// `None` for everything that the configuration does not list.
    pub(super) fn of<B>(
        config: &ValidConfig,
        route: Option<&Route>,
        request: &Request<B>,
    ) -> Option<Self> {
        let route = route.filter(|route| is_called_by_applications(route.endpoint))?;
        let listed = &config.issuers.get(route.issuer)?.cors_origins;
        let mut origins = request.headers().get_all(ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else { return None };
        let is_listed = listed.iter().any(|listed| origin.as_bytes() == listed.as_bytes());
        let is_preflight = *request.method() == Method::OPTIONS
            && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        is_listed.then(|| Self { origin: origin.clone(), is_preflight })
    }

    /// The answer to the question that a browser asks before the request itself.
    pub(super) fn preflight(&self) -> Option<Response<Body>> {
        if !self.is_preflight {
            return None;
        }
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone());
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
            (ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type, DPoP"),
            (ACCESS_CONTROL_MAX_AGE, "600"),
            (VARY, "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Some(response)
    }

    /// Lets the application read a response, unless the provider has said who may.
    pub(super) fn allow(&self, headers: &mut HeaderMap) {
        if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone());
        headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
        let exposed = HeaderValue::from_static("WWW-Authenticate, DPoP-Nonce");
        headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
}

/// The key set is for everyone anyway.
fn is_called_by_applications(endpoint: Endpoint) -> bool {
    matches!(
        endpoint,
        Endpoint::Token
            | Endpoint::UserInfo
            | Endpoint::Revocation
            | Endpoint::Discovery
            | Endpoint::ServerMetadata
    )
}
