//! The token endpoint: the ID token of a response passes or is re-signed.
//!
//! What can't be judged passes byte for byte, and is counted with the reason. The signature itself is made on
//! the runtime's pool of blocking threads, never on its event loop.

use super::body::{Body, ReadAhead};
use super::repair_token_response;
use super::worker::Worker;
use crate::admin::TokenOutcome;
use crate::clock;
use crate::token::{
    Decision, PassReason, ResignReason, TokenResponse, UnreadableResponse, Unsigned, Unverified,
    decide,
};
use crate::upstream::{Route, Snapshot, Wanted};
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{Response, StatusCode};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// How long a token waits for fresh keys, if no known one verifies it.
const PATIENCE: Duration = Duration::from_secs(3);

/// What describes the body that came, and not the one that goes out (RFC 9530, RFC 1864).
const OF_THE_OLD_BODY: [HeaderName; 6] = [
    CONTENT_LENGTH,
    ETAG,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// Asks the provider for a response that can be read: not compressed, whole, and not conditional.
pub(super) fn prepare_request(headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for name in [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
        headers.remove(name);
    }
}

/// Treats a response of the token endpoint; returns what was done in a word for the log.
pub(super) async fn treat(
    worker: &Worker,
    route: &Route,
    response: Response<Body>,
) -> (Response<Body>, Option<&'static str>) {
    let Some(snapshot) = &route.snapshot else { return passed(worker, response, "no_snapshot") };
    if !matches!(response.status(), StatusCode::OK | StatusCode::CREATED) {
        // An error response (RFC 6749 §5.2) has no token: nothing to decide, nothing to count.
        return (response, None);
    }
    if response.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return passed(worker, response, "encoded");
    }
    if !may_be_json(response.headers()) {
        return passed(worker, response, "content_type");
    }
    let (mut parts, body) = response.into_parts();
    let body = match body.read(worker.config.server.limits.rewritten_body_bytes).await {
        ReadAhead::Whole(body) => body,
        ReadAhead::Rest(rest) => {
            let reason = if matches!(rest, Body::Broken(_)) { "truncated" } else { "too_large" };
            return passed(worker, Response::from_parts(parts, rest), reason);
        }
    };
    if is_html(&parts.headers) && !begins_an_object(&body) {
        return passed(worker, Response::from_parts(parts, Body::Full(body)), "content_type");
    }
    let (body, is_new) = repair_token_response::repair(worker, &mut parts, body);
    if is_new {
        forget_old_body(&mut parts.headers);
    }
    match treat_body(worker, route.issuer, Arc::clone(snapshot), &body).await {
        Ok((new, reason)) => {
            forget_old_body(&mut parts.headers);
            worker.counters.token(TokenOutcome::Resigned, reason);
            (Response::from_parts(parts, Body::Full(Bytes::from(new))), Some("resigned"))
        }
        Err(reason) => passed(worker, Response::from_parts(parts, Body::Full(body)), reason),
    }
}

fn passed(
    worker: &Worker,
    response: Response<Body>,
    reason: &'static str,
) -> (Response<Body>, Option<&'static str>) {
    worker.counters.token(TokenOutcome::Passed, reason);
    (response, Some(reason))
}

/// Takes out what is no longer true of the body.
fn forget_old_body(headers: &mut HeaderMap) {
    for name in OF_THE_OLD_BODY {
        headers.remove(name);
    }
}

/// The new body and why, or why the old one stays.
async fn treat_body(
    worker: &Worker,
    issuer: usize,
    mut snapshot: Arc<Snapshot>,
    body: &[u8],
) -> Result<(String, &'static str), &'static str> {
    let response = TokenResponse::parse(body).map_err(UnreadableResponse::name)?;
    let token = response.id_token().ok_or("no_id_token")?;
    let deadline = Instant::now() + PATIENCE;
    let mut refreshes = 2;
    let (unsigned, reason) = loop {
        if !snapshot.is_usable(clock::now()) {
            return Err("stale");
        }
        let decided =
            decide(&snapshot.trust, &snapshot.bridge, snapshot.mode, &token, clock::now());
        worker.counters.findings(&decided.findings);
        match decided.decision {
            Decision::Resign(unsigned, reason) => break (unsigned, reason),
            Decision::Pass(PassReason::Unverified(Unverified::Signature)) if refreshes > 0 => {
                let patience = deadline.saturating_duration_since(Instant::now());
                refreshes = match worker.refresher.refresh(issuer, patience).await {
                    // It may have read the keys before the one of this token was among them.
                    Wanted::AlreadyUnderWay => refreshes - 1,
                    Wanted::Attempted | Wanted::TimedOut => 0,
                };
                snapshot = worker.refresher.site.load().snapshot(issuer).ok_or("no_snapshot")?;
            }
            Decision::Pass(reason) => {
                tell_pass(&snapshot, reason);
                return Err(reason.name());
            }
        }
    };
    let token = sign(worker, &snapshot, unsigned, reason).await?;
    Ok((response.with_id_token(&token), reason.name()))
}

async fn sign(
    worker: &Worker,
    snapshot: &Snapshot,
    unsigned: Unsigned,
    reason: ResignReason,
) -> Result<String, &'static str> {
    if !unsigned.is_carried() && snapshot.bridge.carrier {
        worker.counters.token(TokenOutcome::WithoutCarrier, "too_long");
        warn!(
            issuer = snapshot.trust.issuer,
            "a re-signed ID token would be longer than tokens.max_token_bytes ({}) with its carrier: it goes without, \
             so the provider will refuse it as id_token_hint",
            snapshot.bridge.max_token_bytes
        );
    }
    let kid = unsigned.kid().to_owned();
    // As many signatures at once as there are cores; whoever comes later waits here, and not on an event loop.
    let permit = worker.signers.acquire().await.map_err(|_| "draining")?;
    let signed = tokio::task::spawn_blocking(move || unsigned.sign()).await;
    drop(permit);
    match signed {
        Ok(Ok(token)) => {
            info!(target: "kidstamp::token", issuer = snapshot.trust.issuer, kid, reason = reason.name(), "ID token re-signed");
            Ok(token)
        }
        Ok(Err(_)) | Err(_) => {
            error!(
                issuer = snapshot.trust.issuer,
                kid, "the signature could not be made: the ID token passes as it came"
            );
            Err("signing_failed")
        }
    }
}

/// What an operator should do about a token that passes though relying parties may refuse it.
fn tell_pass(snapshot: &Snapshot, reason: PassReason) {
    let issuer = snapshot.trust.issuer.as_str();
    match reason {
        PassReason::Mode | PassReason::Acceptable => {}
        PassReason::NoKeyForAlg(alg) => warn!(
            issuer,
            "an {alg} ID token passes as it came, since there is no bridge key for {alg}; make one with: kidstamp keys \
             generate --alg {alg} --dir DIR"
        ),
        PassReason::Unverified(problem) => {
            warn!(issuer, reason = reason.name(), "an ID token passes as it came: {problem}");
        }
    }
}

/// JSON by its type, or of no type at all. A wrong one is some provider's habit; HTML is an error page as a rule.
fn may_be_json(headers: &HeaderMap) -> bool {
    let media_type = media_type(headers);
    media_type.ends_with("json")
        || matches!(media_type.as_str(), "" | "text/plain" | "text/javascript" | "text/html")
}

fn is_html(headers: &HeaderMap) -> bool {
    media_type(headers) == "text/html"
}

/// True if a text may be a JSON object, told by its first character.
fn begins_an_object(body: &[u8]) -> bool {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    body.strip_prefix(MARK).unwrap_or(body).trim_ascii_start().starts_with(b"{")
}

fn media_type(headers: &HeaderMap) -> String {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}
