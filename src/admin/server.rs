//! The admin listener.

use super::counters::Counters;
use super::status::{Sources, Status};
use super::{metrics, page};
use crate::clock;
use crate::config::ValidConfig;
use crate::upstream::Refresher;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tracing::error;

/// For the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// What the admin listener tells about.
pub struct Admin {
    /// The background.
    pub refresher: Arc<Refresher>,
    /// The workers' counters.
    pub counters: Arc<Counters>,
    /// False once kidstamp is on its way to the end.
    pub is_serving: Box<dyn Fn() -> bool + Send>,
    /// The configuration in effect.
    pub config: Box<dyn Fn() -> Arc<ValidConfig> + Send>,
    /// When this process began, in seconds since 1970.
    pub started: i64,
}

/// Serves `listener` for as long as the runtime runs.
pub async fn serve(listener: std::net::TcpListener, admin: Admin) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return error!("no health and metrics: {error}"),
    };
    let admin = Rc::new(admin);
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let admin = Rc::clone(&admin);
        tokio::task::spawn_local(async move {
            let service = service_fn(|request: Request<_>| {
                let response = admin.answer(&request);
                async { Ok::<_, Infallible>(response) }
            });
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            // Whoever breaks off here asks again.
            let _ = builder.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

impl Admin {
    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        }
        if !has_harmless_host(request) {
            return text(
                StatusCode::MISDIRECTED_REQUEST,
                "ask by IP address or as localhost\n".to_owned(),
            );
        }
        match request.uri().path() {
            "/livez" => text(StatusCode::OK, "ok\n".to_owned()),
            "/readyz" => self.readiness(),
            "/metrics" => self.metrics(),
            "/status" => self.page(),
            "/status.json" => self.json(),
            _ => text(
                StatusCode::NOT_FOUND,
                "here are /livez, /readyz, /metrics, /status and /status.json\n".to_owned(),
            ),
        }
    }

    /// Red only before the first documents of each issuer, and while draining.
    fn readiness(&self) -> Response<Full<Bytes>> {
        if !(self.is_serving)() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
        }
        let missing: Vec<String> = self
            .refresher
            .statuses()
            .into_iter()
            .filter(|status| status.fetched.is_none())
            .map(|status| {
                status.error.unwrap_or_else(|| "the provider has not been asked yet".to_owned())
            })
            .collect();
        if missing.is_empty() {
            text(StatusCode::OK, "ok\n".to_owned())
        } else {
            text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("no documents of the provider yet: {}\n", missing.join("; ")),
            )
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        let trusts_anyone = (self.config)().upstream.danger_accept_invalid_certs;
        let statuses = self.refresher.statuses();
        match metrics::text(&self.counters, statuses, self.started, trusts_anyone) {
            Ok(metrics) => {
                of_type(metrics, "application/openmetrics-text; version=1.0.0; charset=utf-8")
            }
            Err(_) => {
                text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics can't be written\n".to_owned())
            }
        }
    }
}

impl Admin {
    fn status(&self) -> Status {
        Status::gather(&Sources {
            config: &(self.config)(),
            refresher: &self.refresher,
            counters: &self.counters,
            is_serving: (self.is_serving)(),
            started: self.started,
            now: clock::now(),
        })
    }

    fn page(&self) -> Response<Full<Bytes>> {
        let Ok(page) = page::html(&self.status()) else {
            return text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the page can't be written\n".to_owned(),
            );
        };
        let mut response = of_type(page, "text/html; charset=utf-8");
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::POLICY));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }

    fn json(&self) -> Response<Full<Bytes>> {
        match serde_json::to_string_pretty(&self.status()) {
            Ok(json) => of_type(json + "\n", "application/json"),
            Err(_) => {
                text(StatusCode::INTERNAL_SERVER_ERROR, "the status can't be written\n".to_owned())
            }
        }
    }
}

fn of_type(body: String, content_type: &'static str) -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::OK, body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// False for the name of a web site: a browser could be made to ask under it (DNS rebinding).
fn has_harmless_host<B>(request: &Request<B>) -> bool {
    let Some(host) = request.headers().get(HOST) else { return true };
    let Ok(authority) = http::uri::Authority::try_from(host.as_bytes()) else { return false };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<std::net::IpAddr>().is_ok()
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
