//! What kidstamp itself answers when it can't pass a request or its response on: a status and a JSON body.

use super::body::Body;
use super::pool::UpstreamError;
use super::trace::Trace;
use crate::upstream::ConnectError;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};

/// Why a request is answered by kidstamp instead of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// `CONNECT`: this is no forward proxy.
    Connect,
    /// A head over `limits.header_bytes`.
    Head,
    /// `Host` is missing, doubled, malformed, or contradicts the target.
    Host,
    /// `Host` is another than the TLS handshake named.
    Misdirected,
    /// A target that this method can't have.
    Target,
    /// A transfer coding other than one `chunked`.
    TransferEncoding,
    /// The request has been here before.
    Loop,
    /// The client broke its body off.
    ClientBody,
    /// The client sent nothing for too long, in the middle of its body.
    ClientStalled,
    /// The key set was asked for with another method than GET or HEAD.
    JwksMethod,
    /// There is no key set that could be served.
    NoKeySet,
    /// The upstream can't be reached.
    Unreachable,
    /// The upstream broke off, or sent what is no HTTP.
    BadGateway,
    /// A token in the response can't be vouched for, and `tokens.on_failure` is `reject`.
    Token,
    /// The upstream took too long.
    Timeout,
    /// As many requests are at the upstream, and wait for it, as may.
    Busy,
    /// The upstream has not answered lately; it is tried again after so many seconds.
    Unhealthy(u64),
}

impl Refusal {
    /// Of an exchange with the upstream that failed.
    pub(super) fn of_upstream(error: &UpstreamError) -> Self {
        match error {
            UpstreamError::Connect(ConnectError::Unhealthy { retry_after, .. }) => {
                Self::Unhealthy(retry_after.as_secs() + 1)
            }
            UpstreamError::Connect(ConnectError::Timeout { .. }) => Self::Timeout,
            UpstreamError::Connect(_) => Self::Unreachable,
            UpstreamError::Busy => Self::Busy,
            UpstreamError::Exchange(_) | UpstreamError::Head(_) => Self::BadGateway,
            UpstreamError::FirstByte(_) => Self::Timeout,
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Connect | Self::JwksMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Host | Self::Target | Self::TransferEncoding | Self::ClientBody => {
                StatusCode::BAD_REQUEST
            }
            Self::Head => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::NoKeySet | Self::Unreachable | Self::BadGateway | Self::Token => {
                StatusCode::BAD_GATEWAY
            }
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::ClientStalled => StatusCode::REQUEST_TIMEOUT,
            Self::Busy | Self::Unhealthy(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The word in `error`; one of a fixed set.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect_not_allowed",
            Self::Head => "head_too_large",
            Self::Host => "invalid_host",
            Self::Misdirected => "misdirected_request",
            Self::Target => "invalid_target",
            Self::TransferEncoding => "invalid_transfer_encoding",
            Self::Loop => "proxy_loop",
            Self::ClientBody => "invalid_body",
            Self::JwksMethod => "method_not_allowed",
            Self::NoKeySet => "no_key_set",
            Self::Unreachable => "upstream_unreachable",
            Self::BadGateway => "upstream_failed",
            Self::Token => "token_not_verified",
            Self::Timeout => "upstream_timeout",
            Self::ClientStalled => "body_timeout",
            Self::Busy => "upstream_busy",
            Self::Unhealthy(_) => "upstream_unhealthy",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Connect => "kidstamp is no forward proxy: CONNECT is not allowed",
            Self::Head => "the head of the request is longer than server.limits.header_bytes",
            Self::Host => {
                "the Host field is missing, stands twice, is malformed, or is not that of the request target"
            }
            Self::Misdirected => {
                "the Host field is not the host that the TLS handshake named; use a connection of its own for it"
            }
            Self::Target => "only OPTIONS may have the target *",
            Self::TransferEncoding => "Transfer-Encoding may only be chunked, once",
            Self::Loop => {
                "this request has passed through this kidstamp before: upstream.url leads back to kidstamp's own address"
            }
            Self::ClientBody => "the request body broke off or is malformed",
            Self::JwksMethod => "the key set can only be read: use GET or HEAD",
            Self::NoKeySet => {
                "no key set of the identity provider is at hand; kidstamp keeps trying"
            }
            Self::Unreachable => "the identity provider can't be reached",
            Self::BadGateway => "the identity provider broke off or sent what is no HTTP",
            Self::Token => {
                "a token of the identity provider could not be verified or re-signed, and tokens.on_failure is reject; \
                 the log and kidstamp_tokens_total say why"
            }
            Self::Timeout => "the identity provider took too long to answer",
            Self::ClientStalled => {
                "the rest of the request body did not come within server.limits.body_idle"
            }
            Self::Busy => "too many requests wait for the identity provider; try again soon",
            Self::Unhealthy(_) => "the identity provider has not answered lately; try again soon",
        }
    }

    /// After a doubtful request the connection is not used again.
    fn closes(self) -> bool {
        matches!(
            self,
            Self::Connect
                | Self::Head
                | Self::Host
                | Self::Target
                | Self::TransferEncoding
                | Self::ClientBody
                | Self::ClientStalled
        )
    }

    /// The answer to the request that the log knows as `trace`.
    pub(super) fn response(self, trace: &Trace) -> Response<Body> {
        let body = format!(
            "{{\"error\":\"{}\",\"error_description\":\"{}\",\"request_id\":\"{trace}\"}}\n",
            self.name(),
            self.description()
        );
        let mut response = Response::new(Body::Full(Bytes::from(body)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.closes() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        match self {
            Self::JwksMethod => {
                headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"))
            }
            Self::Connect => {
                headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, OPTIONS"))
            }
            Self::Busy => headers.insert(RETRY_AFTER, HeaderValue::from(1_u64)),
            Self::Unhealthy(seconds) => headers.insert(RETRY_AFTER, HeaderValue::from(seconds)),
            _ => None,
        };
        response
    }
}
