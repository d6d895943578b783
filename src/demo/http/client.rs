//! A client that opens a connection for each request, and a browser that follows redirects.

use super::MAX_BODY;
use super::form::Form;
use http::header::{CONTENT_TYPE, HOST, HeaderValue, LOCATION};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;

/// Longer than kidstamp waits for anything that it asks the provider for.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The most redirects that a login or logout needs, with some to spare.
const MAX_REDIRECTS: usize = 8;

/// Why a request got no response. No query is in it: it may hold a code or a token.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not an absolute `http` URL, or a header that can't be sent.
    #[error("not a request that can be sent: {0}")]
    Request(String),
    /// The connection failed, or what came over it was no HTTP.
    #[error("no answer from {place}: {reason}")]
    Transport {
        /// Origin and path.
        place: String,
        /// What went wrong.
        reason: String,
    },
    /// Nothing came in time.
    #[error("no answer from {place} within {} seconds", TIMEOUT.as_secs())]
    Timeout {
        /// Origin and path.
        place: String,
    },
    /// A login that goes in circles.
    #[error("more than {MAX_REDIRECTS} redirects, the last one from {0}")]
    Redirects(String),
}

/// Sends `request`, whose URI is absolute, and reads the answer whole.
pub async fn send(mut request: Request<String>) -> Result<Response<String>, HttpError> {
    let uri = request.uri().clone();
    let authority = match (uri.scheme_str(), uri.authority()) {
        (Some("http"), Some(authority)) => authority.clone(),
        _ => return Err(HttpError::Request(format!("{uri} is not an absolute http URL"))),
    };
    let place = format!("http://{authority}{}", uri.path());
    let host = HeaderValue::from_str(authority.as_str());
    request
        .headers_mut()
        .insert(HOST, host.map_err(|error| HttpError::Request(error.to_string()))?);
    // RFC 9112 §3.2.1: a server is asked in origin form.
    *request.uri_mut() = uri.path_and_query().map_or_else(Uri::default, |path| path.clone().into());
    match tokio::time::timeout(TIMEOUT, exchange(authority.as_str(), request)).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => Err(HttpError::Transport { place, reason: error.to_string() }),
        Err(_) => Err(HttpError::Timeout { place }),
    }
}

async fn exchange(
    authority: &str,
    request: Request<String>,
) -> Result<Response<String>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(authority).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends by itself when `sender` and the body are gone.
    tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await?.to_bytes();
    Ok(Response::from_parts(parts, String::from_utf8(body.to_vec())?))
}

/// `GET url`.
pub async fn get(url: &str) -> Result<Response<String>, HttpError> {
    let request = Request::get(url).body(String::new());
    send(request.map_err(|error| HttpError::Request(error.to_string()))?).await
}

/// `POST url` with `parameters` as a form.
pub async fn post_form(
    url: &str,
    parameters: &[(&str, &str)],
) -> Result<Response<String>, HttpError> {
    let request = Request::post(url)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Form::encode(parameters));
    send(request.map_err(|error| HttpError::Request(error.to_string()))?).await
}

/// Opens `url` as a browser does: redirects are followed to where they end.
pub async fn browse(url: &str) -> Result<Response<String>, HttpError> {
    let mut next = url.to_owned();
    for _ in 0..=MAX_REDIRECTS {
        let response = get(&next).await?;
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        match location {
            Some(location) if response.status().is_redirection() => next = location.to_owned(),
            _ => return Ok(response),
        }
    }
    let place = next.split('?').next().unwrap_or_default();
    Err(HttpError::Redirects(place.to_owned()))
}
