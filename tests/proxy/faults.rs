//! An upstream that is down, slow, silent or overrun, and clients that are: each gets a clear answer, nobody waits
//! for ever, and who is to blame is told apart.

use crate::http1::{End, Reader};
use crate::{Answer, Gate, Response, Sidecar, Upstream, eventually};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::thread;
use std::time::Duration;

fn failures(sidecar: &Sidecar, reason: &str) -> u64 {
    sidecar.metric(&format!("kidstamp_upstream_failures_total{{reason=\"{reason}\"}}"))
}

fn all_failures(sidecar: &Sidecar) -> bool {
    sidecar.admin("/metrics").1.contains("kidstamp_upstream_failures_total{")
}

#[test]
fn an_upstream_that_is_down_is_a_502_with_a_name_for_the_request() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sidecar = Sidecar::before_address(address).with_issuers(PASSING).start_blind();
    let mut client = sidecar.client();
    for _ in 0..5 {
        // A refusal costs nothing, so it is asked each time: it may be back.
        client.get("/x").assert_refused(502, "upstream_unreachable");
    }
    assert_eq!(failures(&sidecar, "connect"), 5);
}

/// An issuer of which all is known, so that no request waits for documents.
const PASSING: &str = "[[issuer]]\nissuer = \"https://idp.test\"\njwks_uri = \"https://idp.test/jwks.json\"\n\
     keys = \"KEYS\"\n";

/// Takes connections until one asks for `path`, and hands that over with the request's head; who asks for anything else
/// is left alone.
fn connection_that_asks_for(path: &str, listener: &TcpListener) -> (TcpStream, Reader) {
    let mut others = Vec::new();
    loop {
        let (socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut reader = Reader::new(socket.try_clone().unwrap());
        match reader.head() {
            Some(head) if head.line.split(' ').nth(1) == Some(path) => return (socket, reader),
            _ => others.push(socket),
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

/// Nobody waits for anything on it, so nobody but kidstamp itself can see that it is over.
#[test]
fn an_idle_connection_that_the_upstream_ends_is_closed_without_a_further_request() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let sidecar =
        Sidecar::before_address(listener.local_addr().unwrap()).with_issuers(PASSING).start_blind();
    let mut client = sidecar.client();
    client.send("GET /x HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    let (mut socket, _) = connection_that_asks_for("/x", &listener);
    socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
    assert_eq!(client.response().text(), "ok");
    socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(socket.read(&mut [0]).unwrap(), 0, "the other side is closed, too");
}

/// Where a client reads nothing before it has sent all, the provider must get what it sends all the same.
#[test]
fn an_upload_goes_on_while_nobody_reads_the_response() {
    const LENGTH: usize = 16 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let sidecar =
        Sidecar::before_address(listener.local_addr().unwrap()).with_issuers(PASSING).start_blind();
    let mut client = sidecar.client();
    client.send(format!("PUT /x HTTP/1.1\r\nHost: idp.test\r\nContent-Length: {LENGTH}\r\n\r\n"));
    let (mut socket, mut upstream) = connection_that_asks_for("/x", &listener);
    let answering = thread::spawn(move || {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(&vec![b'y'; LENGTH]).unwrap();
    });
    let reading = thread::spawn(move || {
        let mut count = 0;
        let end = upstream.sized(LENGTH as u64, &mut |bytes| count += bytes.len());
        (end, count)
    });
    client.send(vec![b'x'; LENGTH]);
    assert_eq!(reading.join().unwrap(), (End::Complete, LENGTH));
    assert_eq!(client.response().body.len(), LENGTH);
    answering.join().unwrap();
}

#[test]
fn threat_31_a_client_that_stalls_in_its_body_is_told_so() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream).with("server.limits.body_idle = \"200ms\"").start();
    for path in ["/x", "/token"] {
        let mut client = sidecar.client();
        client.send(format!(
            "POST {path} HTTP/1.1\r\nHost: idp.test\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: 10\r\n\r\nabc"
        ));
        client.response().assert_refused(408, "body_timeout");
        assert_eq!(client.rest(), "", "closed after it");
    }
    assert!(!all_failures(&sidecar), "the upstream is not to blame");
    assert_eq!(sidecar.client().get("/next").text(), "ok");
}

/// A client that goes on, however slowly, is not stalled.
#[test]
fn a_client_that_pauses_within_bounds_is_served() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream)
        .with("server.limits.body_idle = \"10s\"\nupstream.timeouts.first_byte = \"50ms\"")
        .start();
    let mut client = sidecar.client();
    client.send("PUT /up HTTP/1.1\r\nHost: idp.test\r\nContent-Length: 4\r\n\r\n");
    for byte in ["a", "b", "c", "d"] {
        thread::sleep(Duration::from_millis(120));
        client.send(byte);
    }
    assert_eq!(client.response().status, 200, "the upstream could not answer before");
    assert_eq!(upstream.request().body, b"abcd");
}

#[test]
fn threat_31_an_upstream_that_does_not_read_is_a_504() {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    upstream.on("/up", Answer::ok("text/plain", "late").after(&gate).early());
    let sidecar = Sidecar::before(&upstream)
        .with("server.limits.body_idle = \"10s\"\nupstream.timeouts.first_byte = \"300ms\"")
        .start();
    let mut client = sidecar.client();
    let length = 64 << 20;
    client.send(format!("PUT /up HTTP/1.1\r\nHost: idp.test\r\nContent-Length: {length}\r\n\r\n"));
    let block = vec![b'x'; 1 << 20];
    let mut sender = client.try_clone();
    let sending = thread::spawn(move || {
        for _ in 0..64 {
            sender.send(&block);
        }
    });
    client.response().assert_refused(504, "upstream_timeout");
    gate.open();
    sending.join().unwrap();
    assert_eq!(failures(&sidecar, "first_byte"), 1);
}

#[test]
fn threat_31_an_upstream_that_stalls_in_its_body_is_cut_off() {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc";
    upstream.on("/half", Answer::raw(half).then_wait(&gate).then("def"));
    let sidecar =
        Sidecar::before(&upstream).with("upstream.timeouts.body_idle = \"200ms\"").start();
    let response = sidecar.client().get("/half");
    assert_eq!((response.text().as_str(), response.end), ("abc", End::Broken));
    assert_eq!(failures(&sidecar, "body_idle"), 1);
    assert_eq!(sidecar.client().get("/next").text(), "ok", "over another connection");
    gate.open();
}

/// threat_45: what was to be read whole and stalled is not rewritten; it breaks off as it came.
#[test]
fn threat_45_a_token_response_that_stalls_breaks_off() {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    let half = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 600\r\n\r\n{\"id_token\":\"ey";
    upstream.on("/token", Answer::raw(half).then_wait(&gate));
    let sidecar =
        Sidecar::before(&upstream).with("upstream.timeouts.body_idle = \"200ms\"").start();
    let response = sidecar.client().post_form("/token", "grant_type=x");
    assert_eq!((response.text().as_str(), response.end), ("{\"id_token\":\"ey", End::Broken));
    assert_eq!(sidecar.passed("truncated"), 1);
    gate.open();
}

#[test]
fn threat_31_a_trickle_ends_with_the_time_for_all_of_it() {
    let upstream = Upstream::start();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    upstream.on("/trickle", Answer::raw(head).then_trickle("1\r\nx\r\n", 1_000));
    let settings = "upstream.timeouts.body_idle = \"10s\"\nupstream.timeouts.total = \"400ms\"";
    let sidecar = Sidecar::before(&upstream).with(settings).start();
    let response = sidecar.client().get("/trickle");
    assert_eq!(response.end, End::Broken);
    assert!(response.body.len() > 2, "it came as it came until then: {}", response.body.len());
    assert_eq!(failures(&sidecar, "body_idle"), 1);
}

#[test]
fn errors_of_the_upstream_are_its_own() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream).start();
    for status in ["500 Oops", "502 Bad Gateway", "503 Service Unavailable", "504 Late"] {
        let raw = format!("HTTP/1.1 {status}\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\noops");
        upstream.on("/bad", Answer::raw(raw));
        let response = sidecar.client().get("/bad");
        assert!(response.head.line.ends_with(status), "{response:?}");
        assert_eq!((response.header("retry-after"), response.text().as_str()), (Some("7"), "oops"));
    }
    assert!(!all_failures(&sidecar));
}

fn assert_busy(response: &Response) {
    response.assert_refused(503, "upstream_busy");
    assert_eq!(response.header("retry-after"), Some("1"));
}

#[test]
fn threat_31_the_queue_for_the_upstream_is_bounded() {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    upstream.on("/slow", Answer::ok("text/plain", "done").after(&gate));
    let settings = "server.limits.upstream_requests = 2\nserver.limits.upstream_queue = 1\n\
                    upstream.timeouts.connect = \"1m\"";
    let sidecar = Sidecar::before(&upstream).with(settings).start();
    let ask = || {
        let mut client = sidecar.client();
        client.send("GET /slow HTTP/1.1\r\nHost: idp.test\r\n\r\n");
        client
    };
    let mut served = vec![ask(), ask()];
    eventually("both are at the upstream", || (upstream.requests().len() == 2).then_some(()));
    // Of two that come now one waits, and there is no room for the other.
    let (refused, refusals) = std::sync::mpsc::channel();
    let asking: Vec<_> = [ask(), ask()]
        .into_iter()
        .map(|mut client| {
            let refused = refused.clone();
            thread::spawn(move || {
                let response = client.response();
                if response.status != 200 {
                    refused.send(()).unwrap();
                }
                response
            })
        })
        .collect();
    refusals.recv_timeout(Duration::from_secs(15)).expect("one is refused");
    assert_eq!(upstream.requests().len(), 2);
    assert_eq!(sidecar.client().get("/jwks.json").status, 200, "the set needs no upstream");
    gate.open();
    for client in &mut served {
        assert_eq!(client.response().text(), "done");
    }
    let mut responses: Vec<Response> =
        asking.into_iter().map(|asking| asking.join().unwrap()).collect();
    responses.sort_by_key(|response| response.status);
    assert_eq!(responses[0].text(), "done", "the one that waited");
    assert_busy(&responses[1]);
    assert_eq!(failures(&sidecar, "busy"), 1);
    for _ in 0..3 {
        assert_eq!(sidecar.client().get("/x").status, 200, "the places are free again");
    }
}

#[test]
fn nobody_waits_for_ever_for_a_place() {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    upstream.on("/slow", Answer::ok("text/plain", "done").after(&gate));
    let settings = "server.limits.upstream_requests = 1\nupstream.timeouts.connect = \"200ms\"";
    let sidecar = Sidecar::before(&upstream).with(settings).start();
    let mut first = sidecar.client();
    first.send("GET /slow HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    eventually("it is at the upstream", || (upstream.requests().len() == 1).then_some(()));
    assert_busy(&sidecar.client().get("/x"));
    gate.open();
    assert_eq!(first.response().text(), "done");
}

/// A client that goes away gives its place back.
#[test]
fn who_leaves_takes_no_place_along() {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    upstream.on("/slow", Answer::ok("text/plain", "done").after(&gate));
    let sidecar = Sidecar::before(&upstream)
        .with("server.limits.upstream_requests = 1\nserver.limits.upstream_queue = 0")
        .start();
    let mut client = sidecar.client();
    client.send("GET /slow HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    eventually("it is at the upstream", || (upstream.requests().len() == 1).then_some(()));
    assert_busy(&sidecar.client().get("/x"));
    drop(client);
    eventually("its place is free", || {
        let response = sidecar.client().get("/x");
        (response.status == 200 || {
            assert_busy(&response);
            false
        })
        .then_some(())
    });
    gate.open();
}

#[test]
fn a_connection_that_is_old_or_idle_takes_no_further_request() {
    for settings in
        ["upstream.timeouts.connection_age = \"1ms\"", "upstream.timeouts.idle = \"1ms\""]
    {
        let upstream = Upstream::start();
        let sidecar = Sidecar::before(&upstream).with(settings).start();
        let mut client = sidecar.client();
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(5));
            assert_eq!(client.get("/x").status, 200);
        }
        let mut used: Vec<usize> = upstream.requests().iter().map(|r| r.connection).collect();
        used.dedup();
        assert_eq!(used.len(), 3, "{settings}");
    }
}

/// Where a name leads to several addresses, one that fails is passed over, and comes back once it is well.
#[test]
fn several_addresses_stand_in_for_each_other() {
    let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = v4.local_addr().unwrap().port();
    let found: Vec<SocketAddr> = ("localhost", port).to_socket_addrs().unwrap().collect();
    if !found.iter().any(SocketAddr::is_ipv6) || !found.iter().any(SocketAddr::is_ipv4) {
        println!("skipped: several_addresses_stand_in_for_each_other: localhost is only {found:?}");
        return;
    }
    let upstream = Upstream::at(v4);
    let sidecar = Sidecar::before(&upstream)
        .named("localhost")
        .with("server.limits.idle_upstream_connections = 0")
        .start();
    for _ in 0..10 {
        assert_eq!(sidecar.client().get("/x").status, 200, "nobody listens on ::1");
    }
    assert!(!all_failures(&sidecar), "no request failed");
    let other = Upstream::at(TcpListener::bind(("::1", port)).unwrap());
    eventually("the other address gets its share", || {
        assert_eq!(sidecar.client().get("/x").status, 200);
        (!other.requests().is_empty()).then_some(())
    });
}

/// An address that swallows what is sent to it costs each request a wait: after some, nobody waits any more.
#[test]
fn threat_31_nobody_waits_for_an_upstream_that_swallows_connections() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = {
        let _entered = runtime.enter();
        socket.listen(1).unwrap().into_std().unwrap()
    };
    listener.set_nonblocking(false).unwrap();
    let address = listener.local_addr().unwrap();
    // Whoever connects now gets no answer, since nobody is let in and the queue is full.
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queued.push(stream);
        assert!(queued.len() < 100, "the queue of this system does not fill");
    }
    let sidecar = Sidecar::before_address(address)
        .with("upstream.timeouts.connect = \"100ms\"")
        .with_issuers(PASSING)
        .start_blind();
    let refusal = eventually("nobody waits any more", || {
        let response = sidecar.client().get("/x");
        if response.status == 504 {
            response.assert_refused(504, "upstream_timeout");
            return None;
        }
        Some(response)
    });
    refusal.assert_refused(503, "upstream_unhealthy");
    assert!(refusal.header("retry-after").is_some_and(|after| after.parse::<u64>().unwrap() >= 1));
    drop(queued);
    let _upstream = Upstream::at(listener);
    eventually("one request finds out that it is back", || {
        (sidecar.client().get("/x").status == 200).then_some(())
    });
}
