//! One GET of one of the provider's documents, with every bound that a hostile answer calls for.

use super::connect::{ConnectError, Connector};
use crate::config::Origin;
use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue,
};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use std::time::Duration;

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// The fields that tell the provider under which origin it is known outside. Facts of the
/// configuration: never of a client, and never of the listener.
#[derive(Debug, Clone)]
pub struct Forwarding {
    host: HeaderValue,
    proto: HeaderValue,
    port: HeaderValue,
    /// What follows `for=` in `Forwarded` (RFC 7239 §4).
    forwarded: HeaderValue,
}

impl Forwarding {
    /// For the origin `external`.
    pub fn new(external: &Origin) -> Self {
        let value =
            |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        let (host, scheme) = (external.authority(), external.scheme().as_str());
        // A colon or a bracket needs quotes.
        let quote = if host.contains(':') { "\"" } else { "" };
        Self {
            forwarded: value(&format!(";host={quote}{host}{quote};proto={scheme}")),
            host: value(&host),
            proto: HeaderValue::from_static(scheme),
            port: value(&external.port().to_string()),
        }
    }

    /// The `Host` of the external origin.
    pub fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// `;host=…;proto=…`, the end of an element of `Forwarded`.
    pub fn forwarded(&self) -> &HeaderValue {
        &self.forwarded
    }

    /// `Forwarded` of a request that kidstamp makes for itself.
    fn of_nobody(&self) -> HeaderValue {
        let text = self.forwarded.to_str().unwrap_or_default();
        HeaderValue::from_str(text.trim_start_matches(';')).unwrap_or(HeaderValue::from_static(""))
    }

    /// Sets the forwarding fields in `headers`, whatever stood there.
    pub fn apply(&self, headers: &mut HeaderMap) {
        headers.insert(X_FORWARDED_PROTO, self.proto.clone());
        headers.insert(X_FORWARDED_HOST, self.host.clone());
        headers.insert(X_FORWARDED_PORT, self.port.clone());
    }
}

/// A document as it came.
#[derive(Debug)]
pub struct Fetched {
    /// The header section.
    pub headers: HeaderMap,
    /// The body, complete and not encoded.
    pub body: Bytes,
}

/// Why a document could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The exchange failed.
    #[error("{path}: {error}")]
    Http {
        /// What was asked for.
        path: String,
        /// Why.
        error: hyper::Error,
    },
    /// Not 200.
    #[error("{path}: the provider answered {status}{}", if status.is_redirection() { "; redirects are not followed" } else { "" })]
    Status {
        /// What was asked for.
        path: String,
        /// The answer.
        status: StatusCode,
    },
    /// A content coding that nobody asked for.
    #[error(
        "{path}: the provider answered with Content-Encoding {coding}, though identity was asked for"
    )]
    Encoded {
        /// What was asked for.
        path: String,
        /// The coding.
        coding: String,
    },
    /// More bytes than any real document has.
    #[error("{path}: the answer is larger than {MAX_BYTES} bytes")]
    TooLarge {
        /// What was asked for.
        path: String,
    },
    /// It took too long.
    #[error("{path}: no complete answer within {timeout:?}")]
    Timeout {
        /// What was asked for.
        path: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// The path is no request target.
    #[error("{path}: not a valid request target")]
    Target {
        /// What was to be asked for.
        path: String,
    },
}

/// The largest document that is read, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// Fetches `path` (with query) at the upstream, under the external origin's name.
pub async fn fetch(
    connector: &Connector,
    forwarding: &Forwarding,
    path: &str,
    timeout: Duration,
) -> Result<Fetched, FetchError> {
    match tokio::time::timeout(timeout, fetch_at_leisure(connector, forwarding, path)).await {
        Ok(result) => result,
        Err(_) => Err(FetchError::Timeout { path: path.to_owned(), timeout }),
    }
}

async fn fetch_at_leisure(
    connector: &Connector,
    forwarding: &Forwarding,
    path: &str,
) -> Result<Fetched, FetchError> {
    let mut request = Request::get(path)
        .header(HOST, forwarding.host())
        .header(ACCEPT, "application/json")
        .header(ACCEPT_ENCODING, "identity")
        .body(Empty::<Bytes>::new())
        .map_err(|_| FetchError::Target { path: path.to_owned() })?;
    forwarding.apply(request.headers_mut());
    request.headers_mut().insert(FORWARDED, forwarding.of_nobody());
    let http = |error| FetchError::Http { path: path.to_owned(), error };
    let mut sender = connector.open().await?;
    let response = sender.send_request(request).await.map_err(http)?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status { path: path.to_owned(), status: response.status() });
    }
    let (parts, mut body) = response.into_parts();
    if let Some(coding) = parts.headers.get(CONTENT_ENCODING).filter(|coding| *coding != "identity")
    {
        let coding = String::from_utf8_lossy(coding.as_bytes()).into_owned();
        return Err(FetchError::Encoded { path: path.to_owned(), coding });
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(http)?.into_data() {
            if bytes.len() + data.len() > MAX_BYTES {
                return Err(FetchError::TooLarge { path: path.to_owned() });
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(Fetched { headers: parts.headers, body: bytes.freeze() })
}
