//! Passing a request on, and its response back.

use super::body::{Body, Upload};
use super::client::Client;
use super::error::Refusal;
use super::headers;
use super::hygiene::origin_form;
use super::trace::Trace;
use super::upgrade::{self, Asked};
use super::worker::Worker;
use crate::upstream::Forwarding;
use http::header::{HOST, HeaderMap, TE};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use std::rc::Rc;
use tracing::warn;

/// Sends `request` to the upstream; the error is why there is no response.
///
/// `upload` tells whether it is the client's body that breaks, or is late. With `can_upgrade`, the client may ask
/// for another protocol.
pub(super) async fn forward(
    worker: &Worker,
    mut request: Request<Body>,
    client: &Rc<Client>,
    trace: &Trace,
    forwarding: Option<&Forwarding>,
    upload: Option<&Upload>,
    can_upgrade: bool,
) -> Result<Response<Body>, Refusal> {
    if let Some(target) = origin_form(request.uri()) {
        *request.uri_mut() = target;
    }
    // The requests of an HTTP/2 connection come all at once, and would take it from each other.
    let can_bind = request.version() <= Version::HTTP_11;
    if request.version() == Version::HTTP_10 {
        give_host(worker, request.headers_mut(), forwarding);
    }
    let http2 = worker.config.upstream.http2;
    let asked = if can_upgrade && !http2 { Asked::of(&request) } else { None };
    let takes_trailers = http2 && headers::takes_trailers(request.headers());
    *request.version_mut() = Version::HTTP_11;
    headers::prepare_request(request.headers_mut(), client, forwarding, &worker.via, trace);
    if takes_trailers {
        // The one thing of its kind that HTTP/2 has (RFC 9113 §8.2.2); gRPC asks for it.
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(asked) = asked.clone() {
        asked.apply(request.headers_mut());
    }
    match worker.pool.send(request, can_bind.then_some(client), upload).await {
        Ok((mut response, lease)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            let Some(agreed) = upgrade::begin(asked.as_ref(), &mut response, lease, client) else {
                warn!(trace_id = %trace, "the upstream switched protocols unasked; its connection is closed");
                return Err(Refusal::BadGateway);
            };
            headers::prepare_response(response.headers_mut());
            upgrade::agree(response.headers_mut(), agreed);
            Ok(response.map(|_| Body::Empty))
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
