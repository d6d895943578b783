//! HTTP/2 towards clients: its limits, and what a request of it is as one of HTTP/1.1.
//!
//! The library bounds streams, header lists, resets, CONTINUATION and empty DATA. What it answers however often
//! it comes, a [`FrameGuard`](super::http2_guard::FrameGuard) bounds.

use crate::config::Limits;
use http::header::{COOKIE, HOST, HeaderValue};
use http::{Request, Version};
use hyper::rt::Executor;
use hyper::server::conn::http2::Builder;
use hyper_util::rt::TokioTimer;
use std::time::Duration;

/// What a client may send on one stream before it is told that there is room again, and on all of them.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// The least that a frame may be allowed to hold (RFC 9113 §4.2).
const FRAME_BYTES: u32 = 16 << 10;
/// What may wait to be sent on a stream.
const SEND_BYTES: usize = 256 << 10;
/// Streams that the client reset before they were looked at (CVE-2023-44487).
const PENDING_RESETS: usize = 20;
/// Streams that were reset here for what the client did on them (CVE-2025-8671).
const LOCAL_RESETS: usize = 128;
/// A client that is gone is found by a PING.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Tasks of a connection run on its worker's thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnThisThread;

impl<F: Future<Output: 'static> + 'static> Executor<F> for OnThisThread {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

/// A server with every limit set.
pub(super) fn builder(limits: &Limits) -> Builder<OnThisThread> {
    let mut builder = Builder::new(OnThisThread);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(u32::try_from(limits.http2_streams).unwrap_or(u32::MAX))
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(LOCAL_RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_BYTES)
        .max_send_buf_size(SEND_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// Gives a request of HTTP/2 what one of HTTP/1.1 has: `Host` (RFC 9113 §8.3.1), one `Cookie` (§8.2.3).
pub(super) fn as_http1<B>(request: &mut Request<B>) {
    if request.version() != Version::HTTP_2 {
        return;
    }
    if !request.headers().contains_key(HOST)
        && let Some(host) = request.uri().authority().map(http::uri::Authority::as_str)
        && let Ok(host) = HeaderValue::from_str(host)
    {
        request.headers_mut().insert(HOST, host);
    }
    let mut crumbs = request.headers().get_all(COOKIE).iter();
    if let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) {
        let mut cookie = first.as_bytes().to_vec();
        for crumb in std::iter::once(second).chain(crumbs) {
            cookie.extend_from_slice(b"; ");
            cookie.extend_from_slice(crumb.as_bytes());
        }
        if let Ok(mut cookie) = HeaderValue::from_bytes(&cookie) {
            cookie.set_sensitive(true);
            request.headers_mut().insert(COOKIE, cookie);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&str, &str)]) -> Request<()> {
        let mut builder =
            Request::builder().version(Version::HTTP_2).uri("https://sso.test:8443/x?y");
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        let mut request = builder.body(()).unwrap();
        as_http1(&mut request);
        request
    }

    #[test]
    fn the_authority_is_the_host() {
        assert_eq!(request(&[]).headers()[HOST], "sso.test:8443");
        // Both: whether they agree is seen to elsewhere.
        assert_eq!(request(&[("host", "other.test")]).headers()[HOST], "other.test");
    }

    #[test]
    fn crumbs_become_one_cookie() {
        let cookies = |crumbs: &[(&str, &str)]| {
            let request = request(crumbs);
            let all = request.headers().get_all(COOKIE).iter();
            all.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert!(cookies(&[]).is_empty());
        assert_eq!(cookies(&[("cookie", "a=1; b=2")]), ["a=1; b=2"]);
        assert_eq!(
            cookies(&[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")]),
            ["a=1; b=2; c=3"]
        );
    }
}
