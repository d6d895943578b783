//! Passing a request on, and its response back.

use super::body::{Body, Upload};
use super::client::Client;
use super::error::Refusal;
use super::headers;
use super::hygiene::origin_form;
use super::look::Look;
use super::pool::{Sending, UpstreamError};
use super::trace::Trace;
use super::upgrade::{self, Asked};
use super::worker::Worker;
use crate::upstream::Forwarding;
use http::header::{HOST, HeaderMap, TE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;
use tracing::warn;

/// What a request is passed on with.
pub(super) struct Errand<'e> {
    pub(super) worker: &'e Worker,
    pub(super) client: &'e Rc<Client>,
    /// At the request as it came.
    pub(super) look: &'e Look,
    pub(super) trace: &'e Trace,
    pub(super) forwarding: Option<&'e Forwarding>,
    /// Tells whether it is the client's body that breaks, or is late.
    pub(super) upload: Option<&'e Upload>,
    /// The client may ask for another protocol.
    pub(super) can_upgrade: bool,
    /// When the request could be sent.
    pub(super) started: Instant,
}

impl Errand<'_> {
    /// Takes `request` and sends it to the upstream; the error is why there is no response.
    pub(super) async fn run(&self, request: &mut Request<Body>) -> Result<Response<Body>, Refusal> {
        // The requests of an HTTP/2 connection come all at once, and would take it from each other.
        let can_bind = request.version() <= Version::HTTP_11;
        let can_upgrade =
            self.can_upgrade && self.look.has_upgrade && !self.worker.config.upstream.http2;
        let asked = if can_upgrade { Asked::of(request) } else { None };
        // Before what is added to it, which would have to be copied, too.
        let spare = Cell::new(Spare::of(request));
        self.prepare(request, asked.as_ref());
        let again = || {
            let mut request = spare.take()?.into_request();
            self.prepare(&mut request, asked.as_ref());
            Some(request)
        };
        let sending = Sending {
            look: self.look,
            started: self.started,
            again: &again,
            client: can_bind.then_some(self.client),
            upload: self.upload,
        };
        let sent = self.worker.pool.send(request, &sending).await;
        let (mut response, lease) = sent.map_err(|error| self.refusal(&error))?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let look = lease.look;
            let begun = upgrade::begin(asked.as_ref(), &mut response, lease, self.client);
            let Some(agreed) = begun else {
                warn!(trace_id = %self.trace, "the upstream switched protocols unasked; its connection is closed");
                return Err(Refusal::BadGateway);
            };
            headers::prepare_response(response.headers_mut(), &look);
            upgrade::agree(response.headers_mut(), agreed);
            return Ok(response.map(|_| Body::Empty));
        }
        *response.version_mut() = Version::HTTP_11;
        headers::prepare_response(response.headers_mut(), &lease.look);
        Ok(response.map(|body| Body::of_upstream(body, lease, *self.trace)))
    }

    /// Makes a client's request one for the upstream.
    fn prepare(&self, request: &mut Request<Body>, asked: Option<&Asked>) {
        let Self { worker, forwarding, look, .. } = *self;
        if let Some(target) = origin_form(request.uri()) {
            *request.uri_mut() = target;
        }
        if request.version() == Version::HTTP_10 {
            give_host(worker, request.headers_mut(), forwarding);
        }
        *request.version_mut() = Version::HTTP_11;
        let takes_trailers = look.has_te
            && worker.config.upstream.http2
            && headers::takes_trailers(request.headers());
        let headers = request.headers_mut();
        headers::prepare_request(headers, self.client, forwarding, &worker.via, look, self.trace);
        if takes_trailers {
            // The one thing of its kind that HTTP/2 has (RFC 9113 §8.2.2); gRPC asks for it.
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
        if let Some(asked) = asked {
            asked.apply(headers);
        }
    }

    /// What the client is told when there is no response.
    fn refusal(&self, error: &UpstreamError) -> Refusal {
        if self.upload.is_some_and(Upload::is_stalled) {
            return Refusal::ClientStalled;
        }
        if self.upload.is_some_and(Upload::is_broken) {
            return Refusal::ClientBody;
        }
        warn!(trace_id = %self.trace, "no response from the upstream: {error}");
        Refusal::of_upstream(error)
    }
}

/// What a request is made of that may safely be sent twice (RFC 9110 §9.2.2): it has no body, and a method that is
/// idempotent. What it lacks is the case of the names of its fields. A list, since it is made for nearly every request
/// and hardly ever used.
struct Spare {
    method: Method,
    target: Uri,
    version: Version,
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Spare {
    fn of(request: &Request<Body>) -> Option<Self> {
        let idempotent = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if !idempotent || !matches!(request.body(), Body::Empty) {
            return None;
        }
        let fields = request.headers().iter();
        Some(Self {
            method: request.method().clone(),
            target: request.uri().clone(),
            version: request.version(),
            fields: fields.map(|(name, value)| (name.clone(), value.clone())).collect(),
        })
    }

    fn into_request(self) -> Request<Body> {
        let mut request = Request::new(Body::Empty);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.target;
        *request.version_mut() = self.version;
        for (name, value) in self.fields {
            request.headers_mut().append(name, value);
        }
        request
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
