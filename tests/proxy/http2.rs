//! HTTP/2 towards clients: what of it reaches the provider, its limits, and floods.

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, get,
};
use crate::tls::{Tls, over_tls};
use crate::{Answer, Gate, Sidecar, Upstream};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Frame as BodyFrame;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::header::HeaderMap;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use tokio::net::TcpStream;
use tokio::runtime::Handle;

type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

fn empty() -> Body {
    Full::default().boxed()
}

/// A client that speaks HTTP/2.
struct Client {
    runtime: Handle,
    sender: SendRequest<Body>,
}

/// A body of these frames.
struct InPieces(std::vec::IntoIter<BodyFrame<Bytes>>);

impl hyper::body::Body for InPieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

/// A response that has come whole.
#[derive(Debug)]
struct Whole {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    trailers: Option<HeaderMap>,
}

impl Client {
    fn connect(sidecar: &Sidecar) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let tls = Tls::new().offering(&[b"h2", b"http/1.1"]);
        let (sender, connection) = runtime.block_on(async {
            let socket = TcpStream::connect(sidecar.listen()).await.unwrap();
            let stream = tls.connect_async(socket, "idp.test").await;
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            let builder = http2::Builder::new(TokioExecutor::new());
            builder.handshake(TokioIo::new(stream)).await.unwrap()
        });
        let handle = runtime.handle().clone();
        // Ends with the connection, which ends with the last sender.
        thread::spawn(move || runtime.block_on(connection));
        Self { runtime: handle, sender }
    }

    fn send(&mut self, request: Request<Body>) -> Whole {
        self.try_send(request).expect("a response")
    }

    fn try_send(&mut self, request: Request<Body>) -> Result<Whole, hyper::Error> {
        let response = self.sender.send_request(request);
        self.runtime.block_on(async {
            let (parts, body): (_, hyper::body::Incoming) = response.await?.into_parts();
            let collected = body.collect().await?;
            let trailers = collected.trailers().cloned();
            let body = collected.to_bytes();
            Ok(Whole { status: parts.status, headers: parts.headers, body, trailers })
        })
    }

    fn get(&mut self, path: &str) -> Whole {
        self.send(request(path).body(empty()).unwrap())
    }
}

fn request(path: &str) -> http::request::Builder {
    Request::builder().uri(format!("https://idp.test{path}"))
}

fn start(upstream: &Upstream, settings: &str) -> Sidecar {
    over_tls(upstream).with(settings).start()
}

#[test]
fn a_request_reaches_the_provider_as_one_of_http_1_1() {
    let upstream = Upstream::start();
    let sidecar = start(&upstream, "");
    let mut client = Client::connect(&sidecar);
    let crumbs = request("/a//b;c?d=%20e")
        .header("cookie", "a=1")
        .header("cookie", "b=2; c=3")
        .header("te", "trailers")
        .header("x-own", "kept");
    let response = client.send(crumbs.body(empty()).unwrap());
    assert_eq!((response.status, &response.body[..]), (StatusCode::OK, &b"ok"[..]));
    let told = upstream.request();
    assert_eq!(told.head.line, "GET /a//b;c?d=%20e HTTP/1.1");
    assert_eq!(told.head.all("host"), ["idp.test"]);
    assert_eq!(told.head.all("cookie"), ["a=1; b=2; c=3"]);
    assert_eq!(told.header("x-own"), Some("kept"));
    for gone in ["te", "connection", "transfer-encoding", "content-length"] {
        assert_eq!(told.header(gone), None, "{gone}");
    }
}

#[test]
fn the_key_set_and_tokens_come_over_http_2_too() {
    let upstream = Upstream::start();
    let sidecar = start(&upstream, "");
    let mut client = Client::connect(&sidecar);
    let set = client.get("/jwks.json");
    let over_http1 = Tls::new().connect(&sidecar, "idp.test").get("/jwks.json");
    assert_eq!(set.body, over_http1.body);
    assert_eq!(set.headers["etag"], over_http1.header("etag").unwrap());
    let form = Full::from("grant_type=authorization_code&code=x").boxed();
    let token = request("/token")
        .method(Method::POST)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let response = client.send(token.unwrap());
    assert_eq!(response.status, StatusCode::OK);
    let kid: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    let header = kid["id_token"].as_str().unwrap().split('.').next().unwrap().to_owned();
    let header = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header);
    assert!(String::from_utf8(header.unwrap()).unwrap().contains("\"kid\""), "it is re-signed");
}

#[test]
fn a_host_that_is_not_the_authority_is_refused() {
    let upstream = Upstream::start();
    let sidecar = start(&upstream, "");
    let mut client = Client::connect(&sidecar);
    let refused = |client: &mut Client, uri: &str, host: Option<&str>| {
        let mut request = Request::builder().uri(uri);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        client.send(request.body(empty()).unwrap()).status.as_u16()
    };
    assert_eq!(refused(&mut client, "https://idp.test/x", Some("evil.test")), 400);
    assert_eq!(refused(&mut client, "https://evil.test/x", None), 421);
    assert_eq!(refused(&mut client, "https://idp.test/x", Some("idp.test")), 200);
    assert_eq!(client.get("/x").status, StatusCode::OK, "the connection goes on");
    assert_eq!(upstream.requests().len(), 2);
}

/// As gRPC ends its responses.
#[test]
fn trailers_pass_in_both_directions() {
    let upstream = Upstream::start();
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n";
    upstream.on(
        "/call",
        Answer::raw(format!("{head}2\r\nab\r\n0\r\ngrpc-status: 0\r\ngrpc-message: fine\r\n\r\n")),
    );
    let sidecar = start(&upstream, "");
    let mut client = Client::connect(&sidecar);
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", "7".parse().unwrap());
    trailers.insert("x-forwarded-for", "1.2.3.4".parse().unwrap());
    let data = BodyFrame::data(Bytes::from("in"));
    let body = InPieces(vec![data, BodyFrame::trailers(trailers)].into_iter()).boxed();
    let call = request("/call")
        .method(Method::POST)
        .header("te", "trailers")
        .header("trailer", "x-checksum");
    let response = client.send(call.body(body).unwrap());
    let got = response.trailers.expect("trailers");
    assert_eq!(got["grpc-status"], "0");
    assert_eq!(got["grpc-message"], "fine");
    let told = upstream.request();
    assert_eq!(told.body, b"in");
    assert_eq!(told.trailers, [("x-checksum".to_owned(), "7".to_owned())]);
}

#[test]
fn many_requests_share_a_connection_and_none_waits_for_another() {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    upstream.on("/slow", Answer::ok("text/plain", "done").after(&gate));
    let sidecar = start(&upstream, "");
    let mut client = Client::connect(&sidecar);
    let slow = client.sender.send_request(request("/slow").body(empty()).unwrap());
    let slow = client.runtime.spawn(slow);
    upstream.await_bytes("/slow");
    for _ in 0..50 {
        assert_eq!(client.get("/x").status, StatusCode::OK);
    }
    gate.open();
    let response = client.runtime.block_on(slow).unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[test]
fn a_large_body_passes_in_both_directions() {
    const LARGE: usize = 8 << 20;
    let upstream = Upstream::start();
    upstream.on("/up", Answer::digest());
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n");
    upstream.on("/down", Answer::raw(head).then_repeat(vec![b'x'; 1 << 20], LARGE >> 20));
    let sidecar = start(&upstream, "");
    let mut client = Client::connect(&sidecar);
    let body = Bytes::from(vec![b'y'; LARGE]);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
    let up = request("/up").method(Method::PUT).body(Full::from(body).boxed());
    let told = client.send(up.unwrap()).body;
    assert_eq!(told, format!("{LARGE} {}", crate::tokens::hex(digest.as_ref())));
    let down = client.get("/down").body;
    assert!(down.len() == LARGE && down.iter().all(|byte| *byte == b'x'));
}

#[test]
fn a_response_that_breaks_off_is_no_complete_one() {
    let upstream = Upstream::start();
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    upstream.on("/half", Answer::raw(half).then_close());
    let sidecar = start(&upstream, "");
    let mut client = Client::connect(&sidecar);
    let broken = client.try_send(request("/half").body(empty()).unwrap());
    assert!(broken.is_err(), "{broken:?}");
    assert_eq!(client.get("/x").status, StatusCode::OK);
}

#[test]
fn http_2_is_offered_unless_it_is_switched_off() {
    let upstream = Upstream::start();
    let agreed = |sidecar: &Sidecar, protocols: &[&[u8]]| {
        let stream = Tls::new().offering(protocols).try_connect(sidecar, "idp.test");
        stream.map(|stream| stream.conn.alpn_protocol().map(<[u8]>::to_vec))
    };
    let both: [&[u8]; 2] = [b"http/1.1", b"h2"];
    let sidecar = start(&upstream, "");
    assert_eq!(agreed(&sidecar, &both).unwrap(), Some(b"h2".to_vec()));
    assert_eq!(agreed(&sidecar, &both[..1]).unwrap(), Some(b"http/1.1".to_vec()));
    assert_eq!(agreed(&sidecar, &[]).unwrap(), None);
    assert!(agreed(&sidecar, &[b"spdy/3"]).is_err());
    let without = start(&upstream, "server.http2 = false");
    assert_eq!(agreed(&without, &both).unwrap(), Some(b"http/1.1".to_vec()));
}

/// What the server says of its limits, and that it keeps to it.
#[test]
fn threat_32_the_limits_are_told_and_hold() {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    upstream.on("/slow", Answer::ok("text/plain", "done").after(&gate));
    let settings = "server.limits.http2_streams = 3\nserver.limits.header_bytes = 9000";
    let sidecar = start(&upstream, settings);
    let mut frames = Frames::connect(&sidecar);
    let told = frames.next_of(SETTINGS).unwrap().payload;
    let value = |id: u8| {
        let pair = told.chunks(6).find(|pair| pair[..2] == [0, id])?;
        Some(u32::from_be_bytes(pair[2..].try_into().unwrap()))
    };
    // RFC 9113 section 6.5.2: streams, window, frame size (its default), header list.
    assert_eq!((value(3), value(4), value(6)), (Some(3), Some(65_536), Some(9_000)));
    assert!(value(5).is_none_or(|bytes| bytes == 16_384));
    for stream in [1, 3, 5] {
        frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &get("/slow", &[]))).unwrap();
    }
    frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, 7, &get("/slow", &[]))).unwrap();
    let reset = frames.next_of(RST_STREAM).unwrap();
    // REFUSED_STREAM
    assert_eq!((reset.stream, reset.payload), (7, vec![0, 0, 0, 7]));
    gate.open();
    assert!(std::iter::from_fn(|| frames.next()).any(|frame| frame.kind == HEADERS));
    // A head over the limit: 431 for that stream alone.
    let long = "v".repeat(100);
    let many: Vec<(&str, &str)> = (0..80).map(|_| ("x-long", long.as_str())).collect();
    let refused = client_status(&sidecar, &many);
    assert_eq!(refused, 431);
    assert_eq!(client_status(&sidecar, &many[..40]), 200);
}

fn client_status(sidecar: &Sidecar, fields: &[(&str, &str)]) -> u16 {
    let mut client = Client::connect(sidecar);
    let mut request = request("/x");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    client.send(request.body(empty()).unwrap()).status.as_u16()
}

#[test]
fn threat_32_a_connection_ends_after_so_many_requests() {
    let upstream = Upstream::start();
    let sidecar = start(&upstream, "server.limits.connection_requests = 5");
    let mut frames = Frames::connect(&sidecar);
    for stream in [1, 3, 5, 7] {
        assert!(frames.is_served(stream));
    }
    frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, 9, &get("/x", &[]))).unwrap();
    assert!(frames.next_of(GOAWAY).is_some());
    // The client answers the PING that tells the server that the GOAWAY has come.
    let mut is_served = false;
    while let Some(next) = frames.next() {
        is_served |= next.kind == HEADERS && next.stream == 9;
        if next.kind == PING && next.flags == 0 {
            frames.send(&frame(PING, 1, 0, &next.payload)).unwrap();
        }
    }
    assert!(is_served, "the last one is answered, then the connection ends");
}

#[test]
fn threat_32_an_idle_connection_ends_though_it_is_kept_busy_with_pings() {
    let upstream = Upstream::start();
    let settings = "server.limits.keep_alive = \"300ms\"\nserver.limits.header_timeout = \"10m\"";
    let sidecar = start(&upstream, settings);
    let mut frames = Frames::connect(&sidecar);
    assert!(frames.is_served(1));
    frames.send(&frame(PING, 0, 0, &[7; 8])).unwrap();
    assert!(frames.next_of(GOAWAY).is_some());
}

#[test]
fn the_drain_lets_requests_under_way_end() {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    upstream.on("/slow", Answer::ok("text/plain", "done").after(&gate));
    let mut sidecar = start(&upstream, "");
    let mut client = Client::connect(&sidecar);
    let mut frames = Frames::connect(&sidecar);
    assert!(frames.is_served(1));
    let slow = client.sender.send_request(request("/slow").body(empty()).unwrap());
    let slow = client.runtime.spawn(slow);
    upstream.await_bytes("/slow");
    let stopped = sidecar.stop();
    assert!(frames.next_of(GOAWAY).is_some());
    gate.open();
    let response = client.runtime.block_on(slow).unwrap().expect("a response");
    assert_eq!(response.status(), StatusCode::OK);
    drop((client, response, frames));
    stopped.join().unwrap();
}

/// Each of these floods ends its connection, and another one goes on being served.
fn assert_cut(name: &str, prepare: &[u8], flood: impl Fn(u32) -> Vec<u8>) {
    const TIMES: u32 = 20_000;
    let upstream = Upstream::start();
    let sidecar = start(&upstream, "");
    let mut other = Frames::connect(&sidecar);
    assert!(other.is_served(1));
    let mut frames = Frames::connect(&sidecar);
    frames.send(prepare).unwrap();
    assert!(frames.is_cut_by(TIMES, flood), "{name}");
    assert!(other.is_served(3), "{name}");
    assert_eq!(Tls::new().connect(&sidecar, "idp.test").get("/x").status, 200);
}

/// The number of the stream for a round, of those that a client may open.
fn stream(round: u32) -> u32 {
    2 * round + 1
}

#[test]
fn threat_32_ping_flood() {
    assert_cut("PING", &[], |_| frame(PING, 0, 0, &[0; 8]));
}

#[test]
fn threat_32_settings_flood() {
    assert_cut("SETTINGS", &[], |_| frame(SETTINGS, 0, 0, &[]));
}

#[test]
fn threat_32_priority_flood() {
    assert_cut("PRIORITY", &[], |round| frame(PRIORITY, 0, stream(round), &[0, 0, 0, 0, 1]));
}

#[test]
fn threat_32_window_update_flood() {
    assert_cut("WINDOW_UPDATE", &[], |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]));
}

#[test]
fn threat_32_flood_of_unknown_frames() {
    assert_cut("unknown", &[], |_| frame(0xfa, 0, 0, &[0; 4]));
}

#[test]
fn threat_32_rapid_reset() {
    assert_cut("rapid reset", &[], |round| {
        let request = frame(HEADERS, END_HEADERS | END_STREAM, stream(round), &get("/x", &[]));
        [request, frame(RST_STREAM, 0, stream(round), &[0, 0, 0, 8])].concat()
    });
}

#[test]
fn threat_32_continuation_flood() {
    let begin = frame(HEADERS, END_STREAM, 1, &get("/x", &[]));
    assert_cut("CONTINUATION", &begin, |_| frame(CONTINUATION, 0, 1, &[]));
    let field = [&[0, 1, b'a', 100][..], &[b'v'; 100]].concat();
    assert_cut("CONTINUATION with fields", &begin, |_| frame(CONTINUATION, 0, 1, &field));
}

#[test]
fn threat_32_empty_data_flood() {
    let begin = frame(HEADERS, END_HEADERS, 1, &get("/x", &[]));
    assert_cut("empty DATA", &begin, |_| frame(DATA, 0, 1, &[]));
    assert_cut("padded DATA", &begin, |_| frame(DATA, 8, 1, &[0]));
}

/// The server is made to reset the streams itself (CVE-2025-8671), by updates of no size or too much of it.
#[test]
fn threat_32_made_you_reset() {
    for update in [[0; 4], [0x7f, 0xff, 0xff, 0xff]] {
        assert_cut("MadeYouReset", &[], |round| {
            let request = frame(HEADERS, END_HEADERS | END_STREAM, stream(round), &get("/x", &[]));
            [request, frame(WINDOW_UPDATE, 0, stream(round), &update)].concat()
        });
    }
}
