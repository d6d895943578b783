//! Other protocols: a tunnel after a 101 that the client asked for, and HTTP before.

use crate::tls::{Tls, over_tls};
use crate::{Answer, Client, Gate, Process, Sidecar, Upstream};

const ASK: &str = "GET /socket HTTP/1.1\r\nHost: idp.test\r\nConnection: keep-alive, Upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n";
const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
                     Sec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n\r\n";

/// Asks, and checks that the answer is the switch and no more.
fn switch(client: &mut Client) {
    client.send(ASK);
    let response = client.response_head().expect("a response");
    assert_eq!(response.status, 101, "{response:?}");
    assert_eq!(response.head.all("upgrade"), ["WebSocket"]);
    assert_eq!(response.head.all("connection"), ["upgrade"]);
    assert_eq!(response.header("sec-websocket-accept"), Some("HSmrc0sMlYUkAGmm5OPpG2HaGWk="));
    assert_eq!(response.header("transfer-encoding"), None);
}

/// Bytes pass in both directions.
fn assert_tunnel(mut client: Client, upstream: &Upstream) {
    switch(&mut client);
    assert_eq!(client.bytes(7), b"welcome");
    // The provider of these tests reads what ends like the head of a message.
    client.send(b"\x81\x85hello\r\n\r\n");
    upstream.await_bytes("hello");
    assert_eq!(client.bytes(2), b"ok");
}

fn websocket(upstream: &Upstream) {
    // After that, whatever comes is answered as a request would be.
    upstream.on("/socket", Answer::raw(AGREE).then("welcome"));
    upstream.on("", Answer::raw("ok"));
}

#[test]
fn a_websocket_passes_in_the_clear_and_over_tls() {
    let upstream = Upstream::start();
    websocket(&upstream);
    let plain = Sidecar::before(&upstream).start();
    assert_tunnel(plain.client(), &upstream);
    let sidecar = over_tls(&upstream).start();
    assert_tunnel(Tls::new().connect(&sidecar, "idp.test"), &upstream);
    let asked =
        upstream.requests().into_iter().find(|request| request.path() == "/socket").unwrap();
    assert_eq!(asked.head.all("upgrade"), ["websocket"]);
    assert_eq!(asked.head.all("connection"), ["upgrade"]);
    assert_eq!(asked.header("sec-websocket-key"), Some("x3JJHMbDL1EzLkh9GBhXDw=="));
    assert!(asked.header("x-forwarded-for").is_some() && asked.header("via").is_some());
}

/// RFC 9931: what comes early is HTTP until the provider has agreed.
#[test]
fn threat_10_no_early_byte_goes_on_before_the_101() {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    upstream.on("/socket", Answer::raw(AGREE).after(&gate));
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    client.send(format!("{ASK}GET /early HTTP/1.1\r\nHost: idp.test\r\n\r\n"));
    upstream.await_bytes("/socket");
    for _ in 0..20 {
        assert_eq!(sidecar.client().get("/x").status, 200);
    }
    assert!(!upstream.received().contains("/early"));
    gate.open();
    assert_eq!(client.response_head().unwrap().status, 101);
    // To the byte.
    upstream.await_bytes("GET /early HTTP/1.1\r\nHost: idp.test\r\n\r\n");
}

#[test]
fn threat_10_where_the_provider_refuses_what_follows_is_a_request() {
    let upstream = Upstream::start();
    upstream.on("/socket", Answer::ok("text/plain", "no"));
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    client.send(format!("{ASK}GET /next HTTP/1.1\r\nHost: idp.test\r\n\r\n"));
    assert_eq!(client.response().text(), "no");
    assert_eq!(client.response().text(), "ok");
    let next = upstream.requests().pop().unwrap();
    assert!(next.path() == "/next" && next.header("via").is_some());
}

#[test]
fn threat_10_only_what_was_asked_for_is_switched_to() {
    let upstream = Upstream::start();
    upstream.on("/socket", Answer::raw(AGREE).then("EVIL"));
    let sidecar = Sidecar::before(&upstream).start();
    for (fields, passed) in [
        ("Connection: Upgrade\r\nUpgrade: other", Some("other")),
        ("Connection: Upgrade\r\nUpgrade: h2c", None),
        (
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
            None,
        ),
        ("Connection: Upgrade\r\nUpgrade: websocket, h2c", None),
        ("Connection: Upgrade\r\nUpgrade: TLS/1.0", None),
        ("Upgrade: websocket", None),
        ("Connection: close", None),
    ] {
        let request = format!("GET /socket HTTP/1.1\r\nHost: idp.test\r\n{fields}\r\n\r\n");
        sidecar.client().send(request).response().assert_refused(502, "upstream_failed");
        let told = upstream.requests().pop().unwrap();
        assert_eq!(told.header("upgrade"), passed, "{fields}");
        assert_eq!(told.header("http2-settings"), None);
    }
    // One that has a body, or is of an older version, gets no tunnel either.
    let mut client = sidecar.client();
    client.send(ASK.replace("GET", "POST").replace("\r\n\r\n", "\r\nContent-Length: 1\r\n\r\nx"));
    client.response().assert_refused(502, "upstream_failed");
    let old = ASK.replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(sidecar.client().send(old).response().status, 502);
}

#[test]
fn a_tunnel_ends_with_either_end() {
    let upstream = Upstream::start();
    upstream.on("/socket", Answer::raw(AGREE).then("bye").then_close());
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    switch(&mut client);
    assert_eq!(client.rest(), "bye");
}

#[test]
fn threat_31_a_tunnel_has_a_seat_until_it_is_idle_for_too_long() {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    upstream.on("/socket", Answer::raw(AGREE).then_wait(&gate));
    let settings = "server.limits.tunnel_idle = \"400ms\"\nserver.limits.connections = 1";
    let sidecar = Sidecar::before(&upstream).with(settings).start();
    let mut client = sidecar.client();
    switch(&mut client);
    let mut next = sidecar.client();
    next.send("GET /next HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    // As long as something moves, it stays.
    let start = std::time::Instant::now();
    while start.elapsed().as_millis() < 1_000 {
        client.send("x");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(!upstream.received().contains("/next"));
    assert_eq!(client.rest(), "");
    assert_eq!(next.response().status, 200);
}

/// A tunnel under way, and the process before it, which drains.
fn draining(settings: &str, gate: &Gate) -> (Upstream, Process, Client) {
    let upstream = Upstream::start();
    upstream.on("/socket", Answer::raw(AGREE).then_wait(gate).then("late"));
    let (file, folder) = Sidecar::before(&upstream).with(settings).write();
    let process = Process::start(&["serve", "--config", file.to_str().unwrap()]).keeping(folder);
    process.await_ready();
    let mut client = process.client();
    switch(&mut client);
    process.terminate();
    crate::eventually("it drains", || process.log().contains("finishing").then_some(()));
    (upstream, process, client)
}

#[test]
fn the_drain_lets_tunnels_go_on_for_a_while() {
    let gate = Gate::new();
    let (_upstream, process, mut client) = draining("server.drain_tunnels = \"1m\"", &gate);
    gate.open();
    assert_eq!(client.bytes(4), b"late");
    drop(client);
    let (code, log) = process.ended();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn the_drain_ends_tunnels_in_the_end() {
    let settings = "server.drain_tunnels = \"100ms\"\nserver.drain_timeout = \"1h\"";
    let (_upstream, process, mut client) = draining(settings, &Gate::new());
    assert_eq!(client.rest(), "");
    let (code, log) = process.ended();
    assert_eq!(code, Some(0), "{log}");
}
