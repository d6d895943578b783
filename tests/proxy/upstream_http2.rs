//! A provider that speaks HTTP/2.

use crate::tokens::{Key, discovery};
use crate::upstream_tls::{CA, server_config};
use crate::{Gate, Sidecar, Upstream, eventually};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What came: the number of the connection, and the request without its body.
type Seen = (usize, Request<Vec<u8>>);

#[derive(Clone)]
struct Provider {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// How often all connections were told to go away.
    farewells: watch::Sender<u32>,
    gate: Gate,
}

/// Data, and trailers behind it.
struct Answer(std::vec::IntoIter<Frame<Bytes>>);

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

impl Provider {
    /// Over TLS where `protocols` are given.
    fn start(protocols: Option<&[&[u8]]>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let provider = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            farewells: watch::Sender::new(0),
            gate: Gate::new(),
        };
        let acceptor = protocols.map(|protocols| {
            let mut config = server_config(None);
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            TlsAcceptor::from(Arc::new(config))
        });
        let serving = provider.clone();
        // Ends with the process: it waits for connections, and costs nothing meanwhile.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                let mut number = 0;
                loop {
                    let (socket, _) = listener.accept().await.unwrap();
                    let (serving, acceptor) = (serving.clone(), acceptor.clone());
                    tokio::spawn(async move {
                        match acceptor {
                            None => serving.serve(socket, number).await,
                            Some(acceptor) => {
                                let Ok(stream) = acceptor.accept(socket).await else { return };
                                serving.serve(stream, number).await;
                            }
                        }
                    });
                    number += 1;
                }
            });
        });
        provider
    }

    async fn serve<S>(&self, stream: S, number: usize)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|request| self.clone().answer(number, request));
        let builder = http2::Builder::new(TokioExecutor::new());
        let mut connection =
            std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut farewells = self.farewells.subscribe();
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = farewells.changed() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }

    async fn answer(
        self,
        number: usize,
        request: Request<Incoming>,
    ) -> Result<Response<Answer>, Infallible> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
        self.seen.lock().unwrap().push((number, Request::from_parts(parts, body)));
        while path == "/slow" && !self.gate.is_open() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        let body = match path.as_str() {
            "/.well-known/openid-configuration" => discovery(),
            "/jwks.json" => format!("{{\"keys\":[{}]}}", Key::idp().jwk("")),
            _ => "ok".to_owned(),
        };
        let mut frames = vec![Frame::data(Bytes::from(body))];
        if path == "/call" {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            frames.push(Frame::trailers(trailers));
        }
        Ok(Response::new(Answer(frames.into_iter())))
    }

    /// Those that were passed on.
    fn requests(&self) -> Vec<(usize, String)> {
        let seen = self.seen.lock().unwrap();
        let passed = seen.iter().filter(|(_, request)| request.headers().contains_key("via"));
        passed.map(|(number, request)| (*number, request.uri().to_string())).collect()
    }

    fn sidecar(&self, scheme: &str) -> Sidecar {
        let setup = Sidecar::before_address(self.address).with("upstream.http2 = true");
        match scheme {
            "http" => setup.start(),
            _ => setup
                .over_tls()
                .with(&format!("upstream.ca = \"{CA}\"\nupstream.server_name = \"idp.internal\""))
                .start(),
        }
    }
}

#[test]
fn one_connection_carries_everything() {
    for (scheme, protocols) in [("http", None), ("https", Some(&[&b"h2"[..]][..]))] {
        let provider = Provider::start(protocols);
        let sidecar = provider.sidecar(scheme);
        assert!(sidecar.jwks().contains("\"kid\""));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let mut client = sidecar.client();
                        client.send(
                            "POST /x?y HTTP/1.1\r\nHost: idp.test\r\nConnection: x-hop\r\nX-Hop: 1\r\n\
                             Content-Length: 2\r\n\r\nhi",
                        );
                        assert_eq!(client.response().text(), "ok");
                    }
                });
            }
        });
        let requests = provider.requests();
        assert_eq!(requests.len(), 40);
        let target = format!("{scheme}://idp.test/x?y");
        assert!(
            requests.iter().all(|request| *request == (requests[0].0, target.clone())),
            "{requests:?}"
        );
        let seen = provider.seen.lock().unwrap();
        let (_, request) = seen.iter().find(|(_, request)| request.uri().path() == "/x").unwrap();
        assert_eq!((request.version(), request.body().as_slice()), (Version::HTTP_2, &b"hi"[..]));
        for gone in ["host", "connection", "x-hop", "te"] {
            assert!(!request.headers().contains_key(gone), "{gone}");
        }
    }
}

#[test]
fn trailers_come_through_where_the_client_takes_them() {
    let provider = Provider::start(None);
    let sidecar = provider.sidecar("http");
    let mut client = sidecar.client();
    client.send("GET /call HTTP/1.1\r\nHost: idp.test\r\nConnection: TE\r\nTE: trailers\r\n\r\n");
    assert_eq!(client.response().text(), "ok");
    let seen = provider.seen.lock().unwrap();
    let (_, request) = seen.iter().find(|(_, request)| request.uri().path() == "/call").unwrap();
    assert_eq!(request.headers()["te"], "trailers");
}

#[test]
fn after_a_farewell_the_next_request_takes_a_new_connection() {
    let provider = Provider::start(None);
    let sidecar = provider.sidecar("http");
    assert_eq!(sidecar.client().get("/x").status, 200);
    let mut slow = sidecar.client();
    slow.send("GET /slow HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    eventually("the slow request is there", || (provider.requests().len() == 2).then_some(()));
    provider.farewells.send_modify(|count| *count += 1);
    for _ in 0..20 {
        assert_eq!(sidecar.client().get("/x").status, 200);
    }
    provider.gate.open();
    assert_eq!(slow.response().text(), "ok", "what was under way is answered");
    let requests = provider.requests();
    let (first, last) = (requests[0].0, requests.last().unwrap().0);
    assert_eq!(requests[1].0, first);
    assert_ne!(last, first);
}

#[test]
fn where_the_provider_does_not_agree_it_is_http_1_1() {
    let upstream = Upstream::start();
    let address = crate::upstream_tls::tls_before(&upstream);
    let settings = format!(
        "upstream.http2 = true\nupstream.ca = \"{CA}\"\nupstream.server_name = \"idp.internal\""
    );
    let sidecar = Sidecar::before_address(address).over_tls().with(&settings).start();
    for _ in 0..3 {
        assert_eq!(sidecar.client().get("/hello").text(), "ok");
    }
    assert_eq!(upstream.requests().len(), 3);
}
