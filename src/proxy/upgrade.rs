//! Switching to another protocol, such as WebSocket (RFC 9110 §7.8): after a 101 that the client asked for, and not
//! before.
//!
//! Until then every byte of the client is HTTP (RFC 9931): what comes early waits, to be a request if the provider
//! refuses, or the first bytes of the tunnel if it agrees. `h2c` is not among what one can ask for: it would lead
//! past everything that is done to requests here.

use super::client::Client;
use super::pool::Lease;
use super::watch::Watch;
use bytes::Bytes;
use http::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};

/// What a client asks to switch to: the value of its `Upgrade`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked(HeaderValue);

/// The provider's end of a tunnel that begins.
pub(super) struct Tunnel {
    upstream: OnUpgrade,
    /// Counts as a request at the upstream as long as the tunnel stands.
    _lease: Box<Lease>,
}

impl Asked {
    /// Of a request without a body; `None` if it asks for nothing, or for what no client gets.
    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        let headers = request.headers();
        // Nearly every request ends here.
        let upgrade = headers.get(UPGRADE)?;
        let is_plain = headers.get_all(UPGRADE).iter().count() == 1
            && request.version() == Version::HTTP_11
            && tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(b"upgrade"));
        let is_http = |protocol: &[u8]| {
            let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default();
            [&b"h2c"[..], b"h2", b"http", b"tls"].iter().any(|http| name.eq_ignore_ascii_case(http))
        };
        let mut protocols = tokens(headers, &UPGRADE).peekable();
        (is_plain && protocols.peek().is_some() && !protocols.any(is_http))
            .then(|| Self(upgrade.clone()))
    }

    /// Writes it into the fields of the request that goes on.
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, self.0.clone());
    }

    /// The protocol that a 101 switches to; `None` if it is none of those that were asked for.
    fn agreed(&self, response: &HeaderMap) -> Option<HeaderValue> {
        let mut agreed = response.get_all(UPGRADE).iter();
        let (Some(agreed), None) = (agreed.next(), agreed.next()) else { return None };
        let mut asked = self.0.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        asked.any(|asked| agreed.as_bytes().eq_ignore_ascii_case(asked)).then(|| agreed.clone())
    }
}

fn tokens<'h>(
    headers: &'h HeaderMap,
    name: &http::HeaderName,
) -> impl Iterator<Item = &'h [u8]> + use<'h> {
    let values = headers.get_all(name).iter();
    let tokens = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    tokens.map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// Leaves the provider's end of the tunnel with the client's connection, and returns what its 101 switches to;
/// `None` if nobody asked for that.
pub(super) fn begin(
    asked: Option<&Asked>,
    response: &mut Response<Incoming>,
    mut lease: Lease,
    client: &Client,
) -> Option<HeaderValue> {
    debug_assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let agreed = asked?.agreed(response.headers())?;
    lease.run_alone();
    let upstream = hyper::upgrade::on(response);
    client.tunnel.set(Some(Tunnel { upstream, _lease: Box::new(lease) }));
    Some(agreed)
}

/// Makes the response a switch to `protocol`.
pub(super) fn agree(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

impl Tunnel {
    /// Passes bytes in both directions until both ends have ended, or the watch says so. `early` are bytes of the
    /// client that came before.
    pub(super) async fn run<S>(self, mut client: S, early: Bytes, watch: &Watch)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Ok(upstream) = self.upstream.await else { return };
        let mut upstream = TokioIo::new(upstream);
        let passing = async {
            upstream.write_all(&early).await?;
            copy_bidirectional(&mut client, &mut upstream).await
        };
        // How it ended is told to both ends by their own connections.
        let _ = watch.tunnel(passing).await;
        let _ = client.shutdown().await;
        let _ = upstream.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(fields: &[(&str, &str)]) -> Option<Asked> {
        let mut builder = Request::builder();
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        Asked::of(&builder.body(()).unwrap())
    }

    #[test]
    fn what_a_client_may_ask_for() {
        let upgrade = |value| asked(&[("connection", "keep-alive, Upgrade"), ("upgrade", value)]);
        for value in ["websocket", "WebSocket", "foo/2, websocket"] {
            assert_eq!(upgrade(value), Some(Asked(HeaderValue::from_static(value))), "{value}");
        }
        for value in ["h2c", "websocket, H2C", "HTTP/2.0", "h2", "TLS/1.0", "", " , "] {
            assert_eq!(upgrade(value), None, "{value:?}");
        }
        assert_eq!(asked(&[("upgrade", "websocket")]), None, "for whoever comes next");
        let twice = [("connection", "upgrade"), ("upgrade", "a"), ("upgrade", "h2c")];
        assert_eq!(asked(&twice), None);
        let mut old = Request::builder().version(Version::HTTP_10);
        old = old.header("connection", "upgrade").header("upgrade", "websocket");
        assert_eq!(Asked::of(&old.body(()).unwrap()), None);
    }

    #[test]
    fn what_a_provider_may_agree_to() {
        let asked = Asked(HeaderValue::from_static("foo/2, websocket"));
        let agreed = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(UPGRADE, HeaderValue::from_static(value));
            }
            asked.agreed(&headers).is_some()
        };
        assert!(agreed(&["WebSocket"]) && agreed(&["foo/2"]));
        for wrong in [&[][..], &["h2c"], &["foo"], &["websocket", "websocket"], &["websocket, h2c"]]
        {
            assert!(!agreed(wrong), "{wrong:?}");
        }
    }
}
