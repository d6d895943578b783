//! Each limit of `server.limits` that holds for a connection, read back over the wire.
//!
//! Where a test waits for one limit, those beside it are set to ten minutes, so that they can't be what it saw.

use crate::http1::End;
use crate::{Answer, Gate, Sidecar, Upstream};

/// All limits in time, out of the way but for what `settings` sets.
fn patient(upstream: &Upstream, settings: &str) -> crate::sidecar::Setup {
    let mut all = String::new();
    for limit in ["header_timeout", "keep_alive", "send_timeout", "connection_age"] {
        if !settings.contains(limit) {
            all += &format!("server.limits.{limit} = \"10m\"\n");
        }
    }
    Sidecar::before(upstream).with(&all).with(settings)
}

#[test]
fn threat_31_connections_beyond_the_limit_wait_for_a_seat() {
    let upstream = Upstream::start();
    let sidecar = patient(&upstream, "server.workers = 2\nserver.limits.connections = 2").start();
    let (mut first, mut second) = (sidecar.client(), sidecar.client());
    first.get("/one");
    second.get("/two");
    let mut third = sidecar.client();
    third.send("GET /three HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    for _ in 0..20 {
        first.get("/one");
        second.get("/two");
    }
    assert!(!upstream.requests().iter().any(|request| request.path() == "/three"));
    drop(first);
    assert_eq!(third.response().status, 200);
    assert_eq!(second.get("/two").status, 200, "who has a seat keeps it");
}

#[test]
fn threat_31_an_idle_connection_is_closed() {
    let upstream = Upstream::start();
    let sidecar = patient(&upstream, "server.limits.keep_alive = \"300ms\"").start();
    let mut client = sidecar.client();
    assert_eq!(client.get("/x").status, 200);
    assert_eq!(client.rest(), "");
}

#[test]
fn threat_31_a_later_head_has_its_time_too() {
    let upstream = Upstream::start();
    let sidecar = patient(&upstream, "server.limits.header_timeout = \"300ms\"").start();
    let mut client = sidecar.client();
    assert_eq!(client.get("/x").status, 200);
    client.send("GET /y HTTP/1.1\r\nHost: idp.");
    assert_eq!(client.rest(), "");
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_slow_answer_is_neither_idle_nor_a_slow_head() {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    upstream.on("/slow", Answer::ok("text/plain", "done").after(&gate));
    let settings = "server.limits.keep_alive = \"20ms\"\nserver.limits.header_timeout = \"20ms\"";
    let sidecar = patient(&upstream, settings).start();
    let mut slow = sidecar.client();
    slow.send("GET /slow HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    upstream.await_bytes("/slow");
    // Others come and are closed for being idle meanwhile.
    for _ in 0..5 {
        let mut idle = sidecar.client();
        idle.get("/x");
        assert_eq!(idle.rest(), "");
    }
    gate.open();
    assert_eq!(slow.response().text(), "done");
}

#[test]
fn threat_31_a_client_that_takes_nothing_loses_its_seat() {
    let upstream = Upstream::start();
    let block = vec![b'x'; 1 << 20];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 << 20);
    upstream.on("/large", Answer::raw(head).then_repeat(&block, 64));
    let settings = "server.limits.send_timeout = \"300ms\"\nserver.limits.connections = 1";
    let sidecar = patient(&upstream, settings).start();
    let mut lazy = sidecar.client();
    lazy.send("GET /large HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    let response = lazy.response_head().unwrap();
    // There is one seat.
    assert_eq!(sidecar.client().get("/x").status, 200);
    let (end, _) = lazy.body(&response, &mut |_| {});
    assert_eq!(end, End::Broken);
}

#[test]
fn threat_31_a_connection_ends_after_so_many_requests() {
    let upstream = Upstream::start();
    let sidecar = patient(&upstream, "server.limits.connection_requests = 3").start();
    let mut client = sidecar.client();
    for _ in 0..2 {
        assert_eq!(client.get("/x").header("connection"), None);
    }
    assert_eq!(client.get("/x").header("connection"), Some("close"));
    assert_eq!(client.rest(), "");
}

#[test]
fn threat_31_an_old_connection_ends_after_the_request_under_way() {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    upstream.on("/slow", Answer::ok("text/plain", "done").after(&gate));
    let sidecar = patient(&upstream, "server.limits.connection_age = \"100ms\"").start();
    let mut old = sidecar.client();
    old.send("GET /slow HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    upstream.await_bytes("/slow");
    let mut idle = sidecar.client();
    idle.get("/x");
    assert_eq!(idle.rest(), "", "closed for its age, while the older one has a request under way");
    gate.open();
    let response = old.response();
    assert_eq!((response.text().as_str(), response.header("connection")), ("done", Some("close")));
    assert_eq!(old.rest(), "");
}

#[test]
fn the_drain_has_an_end() {
    let upstream = Upstream::start();
    upstream.on("/never", Answer::nothing().then_wait(&Gate::new()));
    let setup = patient(&upstream, "server.drain_timeout = \"200ms\"");
    let (file, folder) = setup.write();
    let process = crate::Process::start(&["serve", "--config", file.to_str().unwrap()]);
    let process = process.keeping(folder);
    process.await_ready();
    let mut client = process.client();
    client.send("GET /never HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    upstream.await_bytes("/never");
    process.terminate();
    assert_eq!(client.rest(), "");
    let (code, log) = process.ended();
    assert_eq!(code, Some(0), "{log}");
}
