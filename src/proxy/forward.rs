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
use memchr::memchr;
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
            let mut request = spare.take()?.into_request()?;
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
/// idempotent. What it lacks is the case of the names of its fields.
///
/// A text of its own, since it is made for nearly every request and hardly ever used: copies of the fields cost more, and
/// keep the buffer that the request was read into until its response is there.
struct Spare {
    method: Method,
    version: Version,
    /// The target and the fields, one a line; before the value of a field, whether it is sensitive.
    text: Vec<u8>,
}

impl Spare {
    /// Most requests are shorter.
    const USUAL: usize = 1 << 9;

    fn of(request: &Request<Body>) -> Option<Self> {
        let idempotent = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if !idempotent || !matches!(request.body(), Body::Empty) {
            return None;
        }
        let mut text = Vec::with_capacity(Self::USUAL);
        match (request.uri().scheme(), request.uri().path_and_query()) {
            (None, Some(target)) => text.extend_from_slice(target.as_str().as_bytes()),
            _ => text.extend(request.uri().to_string().into_bytes()),
        }
        for (name, value) in request.headers() {
            let sensitive: &[u8] = if value.is_sensitive() { b":!" } else { b": " };
            for part in [b"\n", name.as_str().as_bytes(), sensitive, value.as_bytes()] {
                text.extend_from_slice(part);
            }
        }
        Some(Self { method: request.method().clone(), version: request.version(), text })
    }

    /// `None` if it is no request after all.
    fn into_request(self) -> Option<Request<Body>> {
        let mut request = Request::new(Body::Empty);
        *request.method_mut() = self.method;
        *request.version_mut() = self.version;
        let mut lines = self.text.split(|byte| *byte == b'\n');
        *request.uri_mut() = Uri::try_from(lines.next()?).ok()?;
        for line in lines {
            let colon = memchr(b':', line)?;
            let (name, value) = line.split_at_checked(colon)?;
            let mut field = HeaderValue::from_bytes(value.get(2..)?).ok()?;
            field.set_sensitive(value.starts_with(b":!"));
            request.headers_mut().append(HeaderName::from_bytes(name).ok()?, field);
        }
        Some(request)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_sent_twice_is_the_same_again() {
        for target in ["/", "/a%20b?c=d:e", "//a", "http://idp.test:8443/a?b"] {
            let mut secret = HeaderValue::from_static("Bearer a");
            secret.set_sensitive(true);
            let request = Request::get(target)
                .version(Version::HTTP_10)
                .header("accept", "a: b")
                .header("authorization", secret)
                .header("accept", b"\t\xe9!".as_slice())
                .header("x-empty", "");
            let request = request.body(Body::Empty).unwrap();
            let again = Spare::of(&request).and_then(Spare::into_request).expect("it may be");
            assert_eq!(again.method(), request.method());
            assert_eq!(again.uri(), request.uri());
            assert_eq!(again.version(), request.version());
            assert_eq!(again.headers(), request.headers());
            let is_sensitive = |(_, value): (_, &HeaderValue)| value.is_sensitive();
            assert!(
                again
                    .headers()
                    .iter()
                    .map(is_sensitive)
                    .eq(request.headers().iter().map(is_sensitive))
            );
        }
    }

    #[test]
    fn what_changes_something_is_sent_once() {
        let request = |method: Method, body| {
            let request = Request::builder().method(method).uri("/");
            Spare::of(&request.body(body).unwrap()).is_some()
        };
        assert!(request(Method::HEAD, Body::Empty));
        assert!(!request(Method::POST, Body::Empty));
        assert!(!request(Method::GET, Body::Full("a".into())));
    }
}
