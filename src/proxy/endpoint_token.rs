//! The token endpoint: the tokens of a response pass, are annotated or re-signed; the response itself is repaired.

use super::asked::Asked;
use super::body::Body;
use super::vouch::{Treated, passed, unseen, vouch};
use super::worker::Worker;
use super::{nonces, repair_token_response, rewrite};
use crate::token::{TokenKind, TokenResponse};
use crate::upstream::Route;
use bytes::Bytes;
use http::{Response, StatusCode};

/// Treats a response of the token endpoint; returns what was done, for the log.
pub(super) async fn treat(
    worker: &Worker,
    route: &Route,
    asked: &Asked,
    response: Response<Body>,
) -> Treated {
    let treatment = route.snapshot.as_ref().map(|snapshot| {
        let treatments = &snapshot.treatments;
        treatments.of(asked.client(|client| treatments.knows(client)))
    });
    let pass = |response, reason| unseen(worker, TokenKind::IdToken, treatment, response, reason);
    let Some(snapshot) = &route.snapshot else { return pass(response, "no_snapshot") };
    if !matches!(response.status(), StatusCode::OK | StatusCode::CREATED) {
        // An error response (RFC 6749 §5.2) has no token: nothing to decide, nothing to count.
        return Ok((response, None));
    }
    let media_type = rewrite::media_type(response.headers());
    if !may_be_json(&media_type) {
        return pass(response, "content_type");
    }
    let is_html = media_type == "text/html";
    let (mut parts, body) = match rewrite::read(worker, response).await {
        Ok(read) => read,
        Err((response, reason)) => return pass(response, reason),
    };
    if is_html && !begins_an_object(&body) {
        return pass(Response::from_parts(parts, Body::Full(body)), "content_type");
    }
    let (repair, read) = repair_token_response::repair(&snapshot.treatments, asked, &body);
    let body = repair.body.as_ref().unwrap_or(&body);
    let parsed = match read.map_or_else(|| TokenResponse::parse(body), TokenResponse::of) {
        Ok(parsed) => parsed,
        Err(error) => {
            let reason = error.name();
            return pass(Response::from_parts(parts, Body::Full(body.clone())), reason);
        }
    };
    repair.finish(worker, &parsed, &mut parts);
    let (access_token, id_token) = (parsed.access_token(), parsed.id_token());
    if id_token.is_none() {
        passed(worker, TokenKind::IdToken, "no_id_token");
    }
    let id_token = id_token
        .map(|token| nonces::restore(worker, route.issuer, &snapshot.treatments, asked, token));
    let tokens = access_token.iter().chain(&id_token);
    let vouched = vouch(worker, route.issuer, asked, tokens).await;
    vouched.check()?;
    vouched.annotate(&mut parts.headers);
    let new = if vouched.tokens.is_empty() && vouched.id_token_kid().is_none() {
        Body::Full(body.clone())
    } else {
        rewrite::forget_old_body(&mut parts.headers);
        Body::Full(Bytes::from(parsed.with(&vouched.tokens, vouched.id_token_kid())))
    };
    let deed = vouched.deed.or_else(|| Some("no_id_token".into()));
    Ok((Response::from_parts(parts, new), deed))
}

/// JSON by its type, or of no type at all. A wrong one is some provider's habit; HTML is an error page as a rule.
fn may_be_json(media_type: &str) -> bool {
    media_type.ends_with("json")
        || matches!(media_type, "" | "text/plain" | "text/javascript" | "text/html")
}

/// True if a text may be a JSON object, told by its first character.
fn begins_an_object(body: &[u8]) -> bool {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    body.strip_prefix(MARK).unwrap_or(body).trim_ascii_start().starts_with(b"{")
}
