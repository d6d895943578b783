//! The relay for back-channel logout: a path of kidstamp that a provider takes for a relying party's logout URI.
//!
//! A provider sends its logout tokens straight to the relying party, past kidstamp, and a strict one refuses
//! them for what kidstamp repairs elsewhere. Registered as the logout URI, a relay checks the token (OpenID
//! Connect Back-Channel Logout §2.6), signs it anew where that is called for, and sends it to the one URL that
//! the configuration names: never to one that a request could choose.

use super::asked::Asked;
use super::body::{Body, ReadAhead};
use super::vouch::{Deed, vouch};
use super::worker::Worker;
use crate::config::{LogoutRelay, Timeouts, Upstream, ValidConfig};
use crate::token::LogoutRequest;
use crate::upstream::{ConnectError, Connector, TlsError};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use std::error::Error;
use std::time::Duration;
use tracing::warn;

/// The longest logout request, and the longest answer to it.
const MAX_BYTES: usize = 128 << 10;

/// A relay, ready to send.
#[derive(Clone)]
pub(super) struct Relay {
    /// Where it is reached at kidstamp.
    pub(super) path: String,
    issuer: usize,
    client_id: String,
    target: Uri,
    host: HeaderValue,
    connector: Connector,
    timeout: Duration,
}

impl Relay {
    /// The relays of the configuration.
    pub(super) fn prepare(config: &ValidConfig) -> Result<Vec<Self>, TlsError> {
        config.logout_relays.iter().map(|relay| Self::new(relay, config)).collect()
    }

    fn new(relay: &LogoutRelay, config: &ValidConfig) -> Result<Self, TlsError> {
        let timeouts: Timeouts = config.upstream.timeouts.clone();
        let timeout = timeouts.first_byte;
        let connector = Connector::new(&Upstream::new(relay.origin.clone(), timeouts))?;
        let named = |name: &String| {
            config.issuers.iter().position(|issuer| issuer.issuer.as_ref() == Some(name))
        };
        Ok(Self {
            path: relay.path.clone(),
            issuer: relay.issuer.as_ref().and_then(named).unwrap_or_default(),
            client_id: relay.client_id.clone(),
            target: relay.target.path_and_query().map_or_else(Uri::default, |p| p.clone().into()),
            host: HeaderValue::from_str(&relay.origin.authority())
                .unwrap_or(HeaderValue::from_static("")),
            connector,
            timeout,
        })
    }
}

/// Why a relying party gave no answer.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("{0}")]
    Answer(Box<dyn Error + Send + Sync>),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

/// Answers a logout request; the second part is what was done, for the log.
pub(super) async fn answer(
    worker: &Worker,
    relay: &Relay,
    request: &mut Request<Body>,
) -> (Response<Body>, Deed) {
    if request.method() != Method::POST {
        return refused(StatusCode::METHOD_NOT_ALLOWED, "method");
    }
    let ReadAhead::Whole(form) = std::mem::take(request.body_mut()).read(MAX_BYTES).await else {
        return refused(StatusCode::BAD_REQUEST, "body");
    };
    let Some(logout) = LogoutRequest::parse(&form) else {
        return refused(StatusCode::BAD_REQUEST, "no_logout_token");
    };
    if !logout.token().claims_audience(&relay.client_id) {
        return refused(StatusCode::BAD_REQUEST, "audience");
    }
    let asked = Asked::by(&relay.client_id);
    let mut vouched = vouch(worker, relay.issuer, &asked, std::iter::once(logout.token())).await;
    let deed = vouched.deed.take().unwrap_or_else(|| "".into());
    if vouched.check().is_err() {
        return refused(StatusCode::BAD_REQUEST, deed.decision);
    }
    let token = match (vouched.tokens.pop(), deed.decision) {
        (Some((_, token)), _) => token,
        // Verified, and left as it is.
        (None, "acceptable" | "annotated" | "no_key_for_alg") => logout.token().text().to_owned(),
        // OpenID Connect Back-Channel Logout §2.6: what can't be validated is refused.
        (None, word) => return refused(StatusCode::BAD_REQUEST, word),
    };
    match tokio::time::timeout(relay.timeout, send(relay, &token)).await {
        Ok(Ok(response)) => (response, deed),
        Ok(Err(error)) => unreachable_target(relay, &error),
        Err(_) => unreachable_target(relay, &RelayError::Timeout(relay.timeout)),
    }
}

/// Sends the token to the relying party; of its answer, only what §2.8 gives a meaning to comes back.
async fn send(relay: &Relay, token: &str) -> Result<Response<Body>, RelayError> {
    let mut request = Request::new(Body::Full(Bytes::from(LogoutRequest::form_with(token))));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = relay.target.clone();
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(HOST, relay.host.clone());
    request.headers_mut().insert(CONTENT_TYPE, form);
    let mut sender = relay.connector.open().await?;
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, MAX_BYTES).collect().await.map_err(RelayError::Answer)?;
    let mut response = Response::new(Body::Full(body.to_bytes()));
    *response.status_mut() = parts.status;
    if let Some(content_type) = parts.headers.get(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, content_type.clone());
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn unreachable_target(relay: &Relay, error: &RelayError) -> (Response<Body>, Deed) {
    warn!(client_id = relay.client_id, "a logout token did not reach its relying party: {error}");
    refused(StatusCode::BAD_GATEWAY, "target_unreachable")
}

/// OpenID Connect Back-Channel Logout §2.8
fn refused(status: StatusCode, word: &'static str) -> (Response<Body>, Deed) {
    let body = format!("{{\"error\":\"invalid_request\",\"error_description\":\"{word}\"}}\n");
    let mut response = Response::new(Body::Full(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (response, word.into())
}
