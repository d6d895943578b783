//! Sending requests over one connection to the provider, whichever HTTP it speaks.

use super::driver::Driver;
use http::header::{CONNECTION, HOST, HeaderValue, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri, Version};
use hyper::body::{Body, Incoming};
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::rt::Executor;
use std::future::poll_fn;

/// One connection.
pub enum Sender<B> {
    /// A request at a time.
    Http1(http1::SendRequest<B>),
    /// As many as the provider allows.
    Http2(http2::SendRequest<B>, Scheme),
}

/// Tasks of a connection run on the thread that opened it.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnThisThread;

impl<F: Future<Output: 'static> + 'static> Executor<F> for OnThisThread {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

impl<B: Body + 'static> Sender<B> {
    /// True if a request can be sent now.
    pub fn is_ready(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_ready(),
            Self::Http2(sender, _) => sender.is_ready(),
        }
    }

    /// Until a request can be sent; the error is that the connection has ended.
    pub async fn ready(&mut self) -> hyper::Result<()> {
        match self {
            Self::Http1(sender) => sender.ready().await,
            Self::Http2(sender, _) => sender.ready().await,
        }
    }

    /// Another one for the same connection, if that can have several.
    pub fn share(&self) -> Option<Self> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(sender, scheme) => Some(Self::Http2(sender.clone(), scheme.clone())),
        }
    }

    /// Sends a request that has a `Host` and a target in origin form.
    pub async fn send_request(
        &mut self,
        request: Request<B>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        match self {
            Self::Http1(sender) => sender.send_request(request).await,
            Self::Http2(sender, scheme) => sender.send_request(as_http2(request, scheme)).await,
        }
    }

    /// The same for one that is moved along by `driver`; gives a request back that was never sent.
    pub async fn try_send_request(
        &mut self,
        driver: Option<&mut Driver>,
        request: Request<B>,
    ) -> Result<Response<Incoming>, TrySendError<Request<B>>> {
        match (self, driver) {
            (Self::Http1(sender), Some(driver)) => {
                driver.expect_ringing();
                // It is on its way at once, not only when its response is waited for.
                let mut sent = std::pin::pin!(sender.try_send_request(request));
                poll_fn(|context| driver.poll_for(context, |own| sent.as_mut().poll(own))).await
            }
            (Self::Http1(sender), None) => sender.try_send_request(request).await,
            // On the heap, so that it takes no room in what waits for a connection of HTTP/1.
            (Self::Http2(sender, scheme), _) => {
                Box::pin(sender.try_send_request(as_http2(request, scheme))).await
            }
        }
    }
}

/// `Host` becomes `:authority` (RFC 9113 §8.3.1), and nothing speaks of the connection (§8.2.2).
fn as_http2<B>(mut request: Request<B>, scheme: &Scheme) -> Request<B> {
    let headers = request.headers_mut();
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    let authority = host.and_then(|host| Authority::try_from(host).ok());
    headers.remove(CONNECTION);
    headers.remove(UPGRADE);
    if let Some(authority) = authority {
        headers.remove(HOST);
        let mut target = request.uri().clone().into_parts();
        target.scheme = Some(scheme.clone());
        target.authority = Some(authority);
        target.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
        if let Ok(target) = Uri::from_parts(target) {
            *request.uri_mut() = target;
        }
    }
    *request.version_mut() = Version::HTTP_2;
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_becomes_the_authority() {
        let request = Request::get("/a?b").header(HOST, "idp.test:8443").header(CONNECTION, "x");
        let request = as_http2(request.body(()).unwrap(), &Scheme::HTTPS);
        assert_eq!(request.uri(), "https://idp.test:8443/a?b");
        assert!(request.headers().is_empty());
        // Sent again, it is the same.
        let again = as_http2(request, &Scheme::HTTPS);
        assert_eq!(again.uri(), "https://idp.test:8443/a?b");
    }
}
