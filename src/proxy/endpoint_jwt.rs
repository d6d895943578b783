//! Endpoints whose whole response is one JWT: userinfo (OpenID Connect Core §5.3.2) and introspection
//! (RFC 9701 §5).

use super::asked::Asked;
use super::body::Body;
use super::rewrite;
use super::vouch::{passed, vouch};
use super::worker::Worker;
use crate::token::{JwtResponse, TokenKind};
use crate::upstream::{Endpoint, Route};
use bytes::Bytes;
use http::{Response, StatusCode};

/// The kind of token that the whole response of the endpoint may be.
pub(super) fn kind_of(endpoint: Endpoint) -> Option<TokenKind> {
    match endpoint {
        Endpoint::UserInfo => Some(TokenKind::UserInfo),
        Endpoint::Introspection => Some(TokenKind::Introspection),
        _ => None,
    }
}

/// Treats a response of such an endpoint; what is no JWT by its type passes without a look.
pub(super) async fn treat(
    worker: &Worker,
    route: &Route,
    kind: TokenKind,
    response: Response<Body>,
) -> (Response<Body>, Option<&'static str>) {
    let media_type = rewrite::media_type(response.headers());
    let is_jwt = media_type == "application/jwt" || media_type.ends_with("+jwt");
    if response.status() != StatusCode::OK || !is_jwt {
        return (response, None);
    }
    let pass = |response, reason| (response, Some(passed(worker, kind, reason)));
    if rewrite::is_encoded(response.headers()) {
        return pass(response, "encoded");
    }
    let (mut parts, body) = match rewrite::read(worker, response).await {
        Ok(read) => read,
        Err((response, reason)) => return pass(response, reason),
    };
    let Some(parsed) = JwtResponse::parse(kind, &body) else {
        return pass(Response::from_parts(parts, Body::Full(body)), "not_a_jws");
    };
    let mut vouched =
        vouch(worker, route.issuer, &Asked::default(), std::iter::once(parsed.token())).await;
    vouched.annotate(&mut parts.headers);
    let new = match vouched.tokens.pop() {
        Some((_, token)) => {
            rewrite::forget_old_body(&mut parts.headers);
            Bytes::from(parsed.with(&token))
        }
        None => body.clone(),
    };
    (Response::from_parts(parts, Body::Full(new)), vouched.word)
}
