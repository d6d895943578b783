//! Bodies pass as they come, and are not held.

use crate::http1::End;
use crate::{Answer, Gate, Sidecar, Upstream};
use aws_lc_rs::digest;
use std::time::{Duration, Instant};

const MEBIBYTE: usize = 1 << 20;
/// Far more than kidstamp may hold.
const LARGE: usize = 64 * MEBIBYTE;

#[test]
fn the_first_byte_of_a_slow_download_comes_before_the_last_is_sent() {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    upstream.on(
        "/slow",
        Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
            .then_wait(&gate)
            .then("-last"),
    );
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    client.send("GET /slow HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    client.response_head().unwrap();
    assert_eq!(client.bytes(5), b"first");
    gate.open();
    assert_eq!(client.bytes(5), b"-last");
}

#[test]
fn the_first_chunk_of_an_event_stream_comes_at_once() {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    upstream.on(
        "/events",
        Answer::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
            .then_wait(&gate)
            .then("1\r\nc\r\n0\r\n\r\n"),
    );
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    client.send("GET /events HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    client.response_head().unwrap();
    assert_eq!(client.bytes(7), b"2\r\nab\r\n");
    gate.open();
    assert_eq!(client.bytes(11), b"1\r\nc\r\n0\r\n\r\n");
}

#[test]
fn a_long_upload_reaches_the_upstream_before_it_ends() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    client.send("PUT /up HTTP/1.1\r\nHost: idp.test\r\nContent-Length: 10\r\n\r\nbegin");
    upstream.await_bytes("begin");
    assert_eq!(client.send("s-end").response().text(), "ok");
    assert_eq!(upstream.request().body, b"begins-end");
}

/// The time for the first byte of the response counts from the last that moved of the request.
#[test]
fn an_upload_that_goes_on_is_not_cut_off() {
    const FIRST_BYTE: Duration = Duration::from_millis(100);
    let upstream = Upstream::start();
    let settings = format!("upstream.timeouts.first_byte = \"{}ms\"", FIRST_BYTE.as_millis());
    let sidecar = Sidecar::before(&upstream).with(&settings).start();
    let mut client = sidecar.client();
    client.send("PUT /up HTTP/1.1\r\nHost: idp.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    let begun = Instant::now();
    let mut sent = 0;
    while begun.elapsed() < 4 * FIRST_BYTE {
        sent += 1;
        let piece = format!("<{sent}>");
        client.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
        upstream.await_bytes(&piece);
    }
    assert_eq!(client.send("0\r\n\r\n").response().status, 200);
}

#[test]
fn an_answer_may_come_before_the_upload_ends() {
    let upstream = Upstream::start();
    let refusal = "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 4\r\n\r\nstop";
    upstream.on("/up", Answer::raw(refusal).early());
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    client.send("PUT /up HTTP/1.1\r\nHost: idp.test\r\nContent-Length: 1000000\r\n\r\nbegin");
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (413, "stop"));
}

#[test]
fn a_large_download_comes_whole_while_nobody_holds_it() {
    let upstream = Upstream::start();
    let block = vec![b'x'; MEBIBYTE];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n");
    upstream.on("/large", Answer::raw(head).then_repeat(&block, LARGE / MEBIBYTE));
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    client.send("GET /large HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    let response = client.response_head().unwrap();
    let mut length = 0;
    let (end, _) = client.body(&response, &mut |bytes| {
        assert!(bytes.iter().all(|byte| *byte == b'x'));
        length += bytes.len();
    });
    assert_eq!((end, length), (End::Complete, LARGE));
}

#[test]
fn a_large_upload_goes_whole_while_nobody_holds_it() {
    let upstream = Upstream::start();
    upstream.on("/large", Answer::digest());
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    client
        .send(format!("PUT /large HTTP/1.1\r\nHost: idp.test\r\nContent-Length: {LARGE}\r\n\r\n"));
    let mut context = digest::Context::new(&digest::SHA256);
    for number in 0..LARGE / MEBIBYTE {
        let block = vec![u8::try_from(number).unwrap(); MEBIBYTE];
        context.update(&block);
        client.send(&block);
    }
    let expected = format!("{LARGE} {}", crate::tokens::hex(context.finish().as_ref()));
    assert_eq!(client.response().text(), expected);
}

/// A client that does not read must make the upstream wait, not kidstamp's memory grow: what the upstream could
/// write is bounded by the buffers of the sockets, far below the whole.
#[test]
fn threat_30_a_client_that_does_not_read_stops_the_upstream() {
    let (upstream, written) = (Upstream::start(), Gate::new());
    let block = vec![b'x'; MEBIBYTE];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n");
    upstream
        .on("/large", Answer::raw(head).then_repeat(&block, LARGE / MEBIBYTE).then_open(&written));
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    client.send("GET /large HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    let response = client.response_head().unwrap();
    // Others are served meanwhile, by the same event loop.
    for _ in 0..20 {
        assert_eq!(sidecar.client().get("/x").status, 200);
    }
    assert!(
        !written.is_open(),
        "64 MiB are held between the upstream and a client that reads nothing"
    );
    let (end, _) = client.body(&response, &mut |_| {});
    assert_eq!(end, End::Complete);
}
