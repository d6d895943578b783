//! Passing a request on, and its response back.

use super::body::{Body, Upload};
use super::client::Client;
use super::error::Refusal;
use super::headers;
use super::hygiene::origin_form;
use super::trace::Trace;
use super::worker::Worker;
use crate::upstream::Forwarding;
use http::header::{HOST, HeaderMap};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use std::rc::Rc;
use tracing::warn;

/// Sends `request` to the upstream; the error is why there is no response.
///
/// `upload` tells whether it is the client's body that breaks, or is late.
pub(super) async fn forward(
    worker: &Worker,
    mut request: Request<Body>,
    client: &Rc<Client>,
    trace: &Trace,
    forwarding: Option<&Forwarding>,
    upload: Option<&Upload>,
) -> Result<Response<Body>, Refusal> {
    if let Some(target) = origin_form(request.uri()) {
        *request.uri_mut() = target;
    }
    // The requests of an HTTP/2 connection come all at once, and would take it from each other.
    let can_bind = request.version() <= Version::HTTP_11;
    if request.version() == Version::HTTP_10 {
        give_host(worker, request.headers_mut(), forwarding);
    }
    *request.version_mut() = Version::HTTP_11;
    headers::prepare_request(request.headers_mut(), client, forwarding, &worker.via, trace);
    match worker.pool.send(request, can_bind.then_some(client), upload).await {
        // Nobody asked for another protocol: `Upgrade` is not passed on.
        Ok((response, _)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            warn!(trace_id = %trace, "the upstream switched protocols unasked; its connection is closed");
            Err(Refusal::BadGateway)
        }
        Ok((mut response, lease)) => {
            *response.version_mut() = Version::HTTP_11;
            headers::prepare_response(response.headers_mut());
            Ok(response.map(|body| Body::of_upstream(body, lease, *trace)))
        }
        Err(_) if upload.is_some_and(Upload::is_stalled) => Err(Refusal::ClientStalled),
        Err(_) if upload.is_some_and(Upload::is_broken) => Err(Refusal::ClientBody),
        Err(error) => {
            warn!(trace_id = %trace, "no response from the upstream: {error}");
            Err(Refusal::of_upstream(&error))
        }
    }
}

/// A request of HTTP/1.0 may have no `Host`; the one that goes on is of HTTP/1.1 and must (RFC 9112 §3.2).
fn give_host(worker: &Worker, headers: &mut HeaderMap, forwarding: Option<&Forwarding>) {
    if headers.contains_key(HOST) {
        return;
    }
    let external = forwarding.map(|forwarding| forwarding.host().clone());
    let upstream = || HeaderValue::from_str(&worker.config.upstream.url.authority()).ok();
    if let Some(host) = external.or_else(upstream) {
        headers.insert(HOST, host);
    }
}
