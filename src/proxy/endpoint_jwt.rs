//! Endpoints whose whole response may be one JWT: userinfo (OpenID Connect Core §5.3.2) and introspection
//! (RFC 9701 §5). Userinfo as plain JSON has rules of its own.

use super::asked::Asked;
use super::body::Body;
use super::repair_userinfo;
use super::rewrite;
use super::vouch::{Treated, unseen, vouch};
use super::worker::Worker;
use crate::token::{JwtResponse, TokenKind};
use crate::upstream::{Endpoint, Route, Treatments};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

/// The kind of token that the whole response of the endpoint may be, where something may happen to it.
pub(super) fn concern(route: &Route) -> Option<TokenKind> {
    let kind = match route.endpoint {
        Endpoint::UserInfo => TokenKind::UserInfo,
        Endpoint::Introspection => TokenKind::Introspection,
        _ => return None,
    };
    let treatments = &route.snapshot.as_ref()?.treatments;
    let is_repaired = kind == TokenKind::UserInfo && treatments.userinfo_rules().is_some();
    (is_repaired || treatments.concern(kind)).then_some(kind)
}

/// Treats a response of such an endpoint; what is neither a JWT by its type, nor userinfo as JSON, passes without a look.
pub(super) async fn treat(
    worker: &Worker,
    route: &Route,
    kind: TokenKind,
    response: Response<Body>,
) -> Treated {
    let media_type = rewrite::media_type(response.headers());
    let is_jwt = media_type == "application/jwt" || media_type.ends_with("+jwt");
    let treatments = route.snapshot.as_ref().map(|snapshot| &snapshot.treatments);
    let userinfo_rules =
        treatments.filter(|_| kind == TokenKind::UserInfo).and_then(Treatments::userinfo_rules);
    if response.status() != StatusCode::OK {
        return Ok((response, None));
    }
    if let Some(rules) = userinfo_rules.filter(|_| is_json(&media_type)) {
        return repair_userinfo::treat(worker, rules, response).await;
    }
    if !is_jwt || treatments.is_some_and(|treatments| !treatments.concern(kind)) {
        return Ok((response, None));
    }
    let treatment = treatments.map(|treatments| treatments.of(None));
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
            let repaired = userinfo_rules
                .and_then(|rules| repair_userinfo::repaired(worker, rules, claims.as_bytes()));
            repaired.unwrap_or_else(|| Bytes::from(claims))
        }
        (Some((_, token)), _) => {
            rewrite::forget_old_body(&mut parts.headers);
            Bytes::from(parsed.with(&token))
        }
        (None, None) => body.clone(),
    };
    Ok((Response::from_parts(parts, Body::Full(new)), vouched.deed))
}

/// A media type of JSON (RFC 6839 §3.1), but for that of a JWT in it.
fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type == "text/json" || media_type.ends_with("+json")
}
