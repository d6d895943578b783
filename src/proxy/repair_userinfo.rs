//! The rules for userinfo responses that are plain JSON, applied to one on its way to the relying party.

use super::body::Body;
use super::rewrite;
use super::vouch::Treated;
use super::worker::Worker;
use crate::rules::{Settings, userinfo};
use bytes::Bytes;
use http::Response;

/// Repairs a userinfo response; one that is no JSON object, or too long, passes as it came.
pub(super) async fn treat(
    worker: &Worker,
    settings: &Settings,
    response: Response<Body>,
) -> Treated {
    let (mut parts, body) = match rewrite::read(worker, response).await {
        Ok((parts, body)) if body.is_empty() => {
            return Ok((Response::from_parts(parts, Body::Empty), None));
        }
        Ok(read) => read,
        Err((response, _)) => return Ok((response, None)),
    };
    match repaired(worker, settings, &body) {
        Some(new) => {
            rewrite::forget_old_body(&mut parts.headers);
            Ok((Response::from_parts(parts, Body::Full(new)), Some("repaired".into())))
        }
        None => Ok((Response::from_parts(parts, Body::Full(body)), None)),
    }
}

/// What becomes of the text of a response; `None` if it stays.
pub(super) fn repaired(worker: &Worker, settings: &Settings, body: &[u8]) -> Option<Bytes> {
    let repaired = userinfo::repair(std::str::from_utf8(body).ok()?, settings).ok()?;
    worker.counters.findings(&repaired.findings);
    repaired.is_changed().then(|| Bytes::from(repaired.text.into_owned()))
}
