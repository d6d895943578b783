//! One GET of one of the provider's documents, with every bound that a hostile answer calls for.

use super::coding::{Bounds, CodingError, check_coding, decode};
use super::connect::{ConnectError, Connector};
use crate::config::{Origin, Scheme};
use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION,
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
    external: Origin,
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
            external: external.clone(),
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
    /// The body, complete and decoded.
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
    #[error("{path}: the provider answered {status}{}", if status.is_redirection() { "; a redirect is followed three times, and only on the provider's own origin" } else { "" })]
    Status {
        /// What was asked for.
        path: String,
        /// The answer.
        status: StatusCode,
    },
    /// A content coding that nobody asked for, and that can't be undone.
    #[error("{path}: {error}, though identity was asked for")]
    Encoded {
        /// What was asked for.
        path: String,
        /// Why not.
        error: CodingError,
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
    match tokio::time::timeout(timeout, follow(connector, forwarding, path)).await {
        Ok(result) => result,
        Err(_) => Err(FetchError::Timeout { path: path.to_owned(), timeout }),
    }
}

/// Follows redirects that stay on the provider's origin, by its name inside or outside: some lead from one spelling of a
/// path to another, or from http to https.
async fn follow(
    connector: &Connector,
    forwarding: &Forwarding,
    path: &str,
) -> Result<Fetched, FetchError> {
    const MOST_REDIRECTS: usize = 3;
    let mut target = path.to_owned();
    for _ in 0..MOST_REDIRECTS {
        match fetch_at_leisure(connector, forwarding, &target).await? {
            Answer::Document(document) => return Ok(document),
            Answer::Redirect { location, status } => {
                let origins = [connector.origin(), &forwarding.external];
                target = location
                    .and_then(|location| own_target(&location, origins))
                    .filter(|next| *next != target)
                    .ok_or_else(|| FetchError::Status { path: target.clone(), status })?;
            }
        }
    }
    match fetch_at_leisure(connector, forwarding, &target).await? {
        Answer::Document(document) => Ok(document),
        Answer::Redirect { status, .. } => Err(FetchError::Status { path: target, status }),
    }
}

/// What one request led to.
enum Answer {
    Document(Fetched),
    Redirect { location: Option<HeaderValue>, status: StatusCode },
}

/// The request target of a redirect to one of the `origins`, or to a path; in plain http too, which is fetched over the
/// same connection as everything else.
fn own_target(location: &HeaderValue, origins: [&Origin; 2]) -> Option<String> {
    let location = location.to_str().ok()?;
    if location.starts_with('/') && !location.starts_with("//") {
        return location.split('#').next().map(str::to_owned);
    }
    let uri: http::Uri = location.parse().ok()?;
    let origin = Origin::of(&uri)?;
    let is_own = origins.into_iter().any(|own| {
        let plain = (origin.scheme(), origin.port()) == (Scheme::Http, Scheme::Http.default_port());
        origin == *own || (plain && origin.host() == own.host())
    });
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    is_own.then(|| target.to_owned())
}

async fn fetch_at_leisure(
    connector: &Connector,
    forwarding: &Forwarding,
    path: &str,
) -> Result<Answer, FetchError> {
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
    let status = response.status();
    // Not the others: 300 offers a choice, 304 was not asked for.
    if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        let location = response.headers().get(LOCATION).cloned();
        return Ok(Answer::Redirect { location, status });
    }
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status { path: path.to_owned(), status: response.status() });
    }
    let (parts, mut body) = response.into_parts();
    let encoded = |error| FetchError::Encoded { path: path.to_owned(), error };
    check_coding(&parts.headers).map_err(encoded)?;
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(http)?.into_data() {
            if bytes.len() + data.len() > MAX_BYTES {
                return Err(FetchError::TooLarge { path: path.to_owned() });
            }
            bytes.extend_from_slice(&data);
        }
    }
    let bounds = Bounds { bytes: MAX_BYTES, ratio: connector.max_ratio() };
    let body = decode(&parts.headers, bytes.freeze(), bounds).map_err(encoded)?;
    Ok(Answer::Document(Fetched { headers: parts.headers, body }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_20_a_redirect_leads_to_no_other_origin() {
        let inside = Origin::parse("http://idp:8080").unwrap();
        let outside = Origin::parse("https://idp.test").unwrap();
        let target = |location: &str| {
            own_target(&HeaderValue::from_str(location).unwrap(), [&inside, &outside])
        };
        for (location, expected) in [
            ("/other/jwks?a=b#c", "/other/jwks?a=b"),
            ("https://idp.test/jwks", "/jwks"),
            ("http://idp.test/jwks", "/jwks"),
            ("http://idp:8080", "/"),
        ] {
            assert_eq!(target(location).as_deref(), Some(expected), "{location}");
        }
        for elsewhere in [
            "http://169.254.169.254/latest",
            "//evil.test/jwks",
            "https://idp.test.evil/jwks",
            "https://idp.test:8443/jwks",
            "http://idp:8081/",
            "file:///etc/passwd",
            "jwks",
            "",
        ] {
            assert_eq!(target(elsewhere), None, "{elsewhere}");
        }
    }
}
