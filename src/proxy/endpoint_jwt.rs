//! Endpoints whose whole response is one JWT: userinfo (OpenID Connect Core §5.3.2) and introspection
//! (RFC 9701 §5).

use super::asked::Asked;
use super::body::Body;
use super::rewrite;
use super::vouch::{Treated, unseen, vouch};
use super::worker::Worker;
use crate::token::{JwtResponse, TokenKind};
use crate::upstream::{Endpoint, Route};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
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
) -> Treated {
    let media_type = rewrite::media_type(response.headers());
    let is_jwt = media_type == "application/jwt" || media_type.ends_with("+jwt");
    if response.status() != StatusCode::OK || !is_jwt {
        return Ok((response, None));
    }
    let treatment = route.snapshot.as_ref().map(|snapshot| snapshot.treatments.of(None));
    let pass = |response, reason| unseen(worker, kind, treatment, response, reason);
    let (mut parts, body) = match rewrite::read(worker, response).await {
        Ok(read) => read,
        Err((response, reason)) => return pass(response, reason),
    };
    let Some(parsed) = JwtResponse::parse(kind, &body) else {
        return pass(Response::from_parts(parts, Body::Full(body)), "not_a_jws");
    };
    let mut vouched =
        vouch(worker, route.issuer, &Asked::default(), std::iter::once(parsed.token())).await;
    vouched.check()?;
    vouched.annotate(&mut parts.headers);
    let new = match (vouched.tokens.pop(), vouched.claims.take()) {
        (None, Some(claims)) => {
            rewrite::forget_old_body(&mut parts.headers);
            parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Bytes::from(claims)
        }
        (Some((_, token)), _) => {
            rewrite::forget_old_body(&mut parts.headers);
            Bytes::from(parsed.with(&token))
        }
        (None, None) => body.clone(),
    };
    Ok((Response::from_parts(parts, Body::Full(new)), vouched.deed))
}
