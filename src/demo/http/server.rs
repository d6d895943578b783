//! A server on a free loopback port, on the caller's runtime.

use super::MAX_BODY;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How long a connection may take to end when the server stops.
const GRACE: Duration = Duration::from_secs(2);

/// A place on the network whose URL is known before anyone answers there: the parties have to know
/// each other's URLs.
pub struct Site {
    listener: TcpListener,
    url: String,
}

/// A server that answers until it is stopped or dropped.
pub struct Server {
    url: String,
    stop: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Site {
    /// Takes a free loopback port.
    pub async fn bind() -> io::Result<Self> {
        Self::at((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    /// Takes `address`.
    pub async fn at(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let url = format!("http://{}", listener.local_addr()?);
        Ok(Self { listener, url })
    }

    /// The origin, without a `/` at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Answers every request with what `handler` makes of it.
    pub fn serve<H, F>(self, handler: H) -> Server
    where
        H: Fn(Request<String>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<String>> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(());
        let accepting = tokio::spawn(accept(self.listener, handler, stopped));
        Server { url: self.url, stop, accepting }
    }
}

impl Server {
    /// The origin, without a `/` at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops accepting, lets what runs end, and returns when the port is free.
    pub async fn stop(self) {
        drop(self.stop);
        // An error means that the task is gone already.
        let _ = self.accepting.await;
    }
}

async fn accept<H, F>(listener: TcpListener, handler: H, mut stopped: watch::Receiver<()>)
where
    H: Fn(Request<String>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<String>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, handler.clone(), stopped.clone()));
                }
                // Out of file descriptors, most likely: it passes, and must not be asked in a tight loop.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
            // The sender never sends; that it is gone is the signal.
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn converse<H, F>(stream: TcpStream, handler: H, mut stopped: watch::Receiver<()>)
where
    H: Fn(Request<String>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<String>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let handler = handler.clone();
        async move {
            Ok::<_, Infallible>(match read(request).await {
                Ok(request) => handler(request).await,
                Err(refusal) => refusal,
            })
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // What a peer does wrong on its connection is its own affair.
        _ = connection.as_mut() => return,
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(GRACE, connection).await;
}

async fn read(request: Request<Incoming>) -> Result<Request<String>, Response<String>> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await;
    let body =
        body.map_err(|_| text(StatusCode::PAYLOAD_TOO_LARGE, "a body that can't be read"))?;
    let body = String::from_utf8(body.to_bytes().to_vec());
    let body = body.map_err(|_| text(StatusCode::BAD_REQUEST, "a body that is not UTF-8"))?;
    Ok(Request::from_parts(parts, body))
}

/// An answer in JSON, which nobody may store (RFC 6749 §5.1).
pub fn json(status: StatusCode, body: impl ToString) -> Response<String> {
    let mut response = Response::new(body.to_string());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A line of plain text.
pub fn text(status: StatusCode, line: impl Into<String>) -> Response<String> {
    let mut response = Response::new(line.into() + "\n");
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// Sends the browser on to `url`.
pub fn redirect(url: &str) -> Response<String> {
    let Ok(location) = HeaderValue::from_str(url) else {
        return text(StatusCode::BAD_REQUEST, "a redirect to what is not a URL");
    };
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(LOCATION, location);
    response
}

#[cfg(test)]
mod tests {
    use super::super::{browse, get, post_form};
    use super::*;

    #[tokio::test]
    async fn what_is_sent_arrives_and_redirects_are_followed() {
        let site = Site::bind().await.unwrap();
        let server = site.serve(|request| async move {
            match request.uri().path() {
                "/there" => {
                    text(StatusCode::OK, format!("{} {}", request.method(), request.body()))
                }
                "/circle" => redirect(&format!(
                    "http://{}/circle?token=x",
                    request.headers()["host"].to_str().unwrap()
                )),
                _ => redirect(&format!(
                    "http://{}/there",
                    request.headers()["host"].to_str().unwrap()
                )),
            }
        });
        let url = server.url().to_owned();
        assert_eq!(browse(&url).await.unwrap().body(), "GET \n");
        let answer = post_form(&format!("{url}/there"), &[("a", "b c")]).await.unwrap();
        assert_eq!(answer.body(), "POST a=b%20c\n");
        let circles = browse(&format!("{url}/circle")).await.unwrap_err().to_string();
        assert!(circles.ends_with("/circle") && !circles.contains("token"), "{circles}");
        server.stop().await;
        let error = get(&format!("{url}/there?code=secret")).await.unwrap_err().to_string();
        assert!(error.contains("no answer from") && !error.contains("secret"), "{error}");
        assert!(get("nowhere").await.is_err() && get("https://127.0.0.1/").await.is_err());
    }

    #[tokio::test]
    async fn bodies_are_bounded() {
        let server = Site::bind().await.unwrap().serve(|_| async { text(StatusCode::OK, "read") });
        let long = "x".repeat(MAX_BODY + 1);
        let answer = post_form(server.url(), &[("a", &long)]).await;
        // The server may hang up before the client has sent everything.
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 413));
    }
}
