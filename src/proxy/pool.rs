//! The upstream connections of one worker: few, warm, last in first out.
//!
//! Kept by hand, since it is the hot path: a pass takes a connection from the end of a list and puts it back,
//! without a lock and without another task.

use super::body::{Body, Upload};
use crate::upstream::{ConnectError, Connector};
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, HeaderMap, PROXY_AUTHENTICATE, TRANSFER_ENCODING,
    WWW_AUTHENTICATE,
};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// The idle connections of one worker.
pub(super) struct Pool {
    connector: Connector,
    idle: RefCell<Vec<SendRequest<Body>>>,
    capacity: usize,
    first_byte: Duration,
}

/// A connection in use; dropped without [`Lease::give_back`], it is closed.
pub(super) struct Lease {
    sender: SendRequest<Body>,
    pool: Rc<Pool>,
    reusable: bool,
}

/// Why the upstream gave no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The exchange broke.
    #[error("the upstream broke off or sent what is no HTTP: {0}")]
    Exchange(hyper::Error),
    /// No response head in time.
    #[error("no answer from the upstream within {0:?}")]
    FirstByte(Duration),
}

impl Pool {
    pub(super) fn new(connector: Connector, capacity: usize, first_byte: Duration) -> Rc<Self> {
        Rc::new(Self { connector, idle: RefCell::default(), capacity, first_byte })
    }

    /// Sends `request` and waits for the head of the response, for as long as the configuration says after the
    /// last that moved of the request's body.
    ///
    /// What was never written is sent again on a new connection; so is a request without a body whose method is
    /// idempotent (RFC 9110 §9.2.2), if a kept connection broke before any byte of a response came.
    pub(super) async fn send(
        self: &Rc<Self>,
        request: Request<Body>,
        upload: Option<&Upload>,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        let mut exchange = std::pin::pin!(self.send_at_leisure(request));
        loop {
            match tokio::time::timeout(self.first_byte, &mut exchange).await {
                Ok(result) => return result,
                // The upstream can't answer what it has not got yet.
                Err(_) if upload.is_some_and(Upload::has_moved) => {}
                Err(_) => return Err(UpstreamError::FirstByte(self.first_byte)),
            }
        }
    }

    async fn send_at_leisure(
        self: &Rc<Self>,
        request: Request<Body>,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        // NTLM and Negotiate authenticate a connection (RFC 4559): it must not serve anyone else.
        let bound = carries_connection_authentication(request.headers());
        let mut request = request;
        if let Some(mut sender) = self.take_idle() {
            let spare = spare(&request);
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(self.lease(response, sender, bound)),
                Err(mut error) => match error.take_message().or(spare) {
                    Some(unsent) => request = unsent,
                    None => return Err(UpstreamError::Exchange(error.into_error())),
                },
            }
        }
        let mut sender = self.connector.open().await?;
        let response = sender.send_request(request).await.map_err(UpstreamError::Exchange)?;
        Ok(self.lease(response, sender, bound))
    }

    fn take_idle(&self) -> Option<SendRequest<Body>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(sender) = idle.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    fn lease(
        self: &Rc<Self>,
        response: Response<Incoming>,
        sender: SendRequest<Body>,
        bound: bool,
    ) -> (Response<Incoming>, Lease) {
        let reusable = !bound
            && !offers_connection_authentication(&response)
            && !is_framed_twice(response.headers());
        (response, Lease { sender, pool: Rc::clone(self), reusable })
    }
}

impl Lease {
    /// Puts the connection back, for the next request.
    pub(super) fn give_back(self) {
        if self.reusable {
            let mut idle = self.pool.idle.borrow_mut();
            if idle.len() < self.pool.capacity {
                idle.push(self.sender);
            }
        }
    }
}

/// A copy of a request that may safely be sent twice; what it lacks is the case of the names of its fields.
fn spare(request: &Request<Body>) -> Option<Request<Body>> {
    let idempotent = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !idempotent || !matches!(request.body(), Body::Empty) {
        return None;
    }
    let mut copy = Request::new(Body::Empty);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

fn carries_connection_authentication(headers: &HeaderMap) -> bool {
    headers.get(AUTHORIZATION).is_some_and(|value| names_connection_scheme(value.as_bytes()))
}

fn offers_connection_authentication(response: &Response<Incoming>) -> bool {
    let field = match response.status() {
        StatusCode::UNAUTHORIZED => WWW_AUTHENTICATE,
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => PROXY_AUTHENTICATE,
        _ => return false,
    };
    response.headers().get_all(field).iter().any(|value| names_connection_scheme(value.as_bytes()))
}

/// In credentials, or in any challenge of a list. A comma inside a quoted string may make it true for nothing.
fn names_connection_scheme(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).any(|challenge| {
        let scheme = challenge.split(|byte| *byte == b' ').next().unwrap_or_default();
        [&b"ntlm"[..], b"negotiate"].iter().any(|name| scheme.eq_ignore_ascii_case(name))
    })
}

/// With a length and chunks, where the response ends is in doubt: it may be an attempt at splitting (RFC 9112 §6.3).
fn is_framed_twice(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH)
}
