//! An upstream that frames its responses badly: the client gets a clear answer, and the next client a clean one.

use crate::http1::End;
use crate::{Answer, Gate, Sidecar, Upstream};

struct Pair {
    upstream: Upstream,
    sidecar: Sidecar,
}

impl Pair {
    /// With `/bad` answered like this.
    fn answering(answer: Answer) -> Self {
        Self::with("", answer)
    }

    fn with(settings: &str, answer: Answer) -> Self {
        let upstream = Upstream::start();
        upstream.on("/bad", answer);
        let sidecar = Sidecar::before(&upstream).with(settings).start();
        Self { upstream, sidecar }
    }

    /// The next clients get what is theirs, over another connection than the one before.
    #[track_caller]
    fn assert_next_is_clean(&self) {
        for _ in 0..3 {
            let response = self.sidecar.client().get("/next");
            assert_eq!((response.status, response.text().as_str()), (200, "ok"));
        }
        let requests = self.upstream.requests();
        let of = |path: &str| requests.iter().find(|r| r.path() == path).unwrap().connection;
        assert_ne!(of("/bad"), of("/next"), "not over the same connection");
    }
}

#[test]
fn what_is_no_http_becomes_502() {
    for bytes in [
        "",
        "\x16\x03\x01\0\x05hello\r\n\r\n",
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Len",
    ] {
        let pair = Pair::answering(Answer::raw(bytes).then_close());
        pair.sidecar.client().get("/bad").assert_refused(502, "upstream_failed");
        pair.assert_next_is_clean();
    }
}

#[test]
fn a_head_without_bounds_becomes_502() {
    let long = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(300_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(200));
    for bytes in [long, many] {
        let pair = Pair::answering(Answer::raw(bytes).then_close());
        pair.sidecar.client().get("/bad").assert_refused(502, "upstream_failed");
        pair.assert_next_is_clean();
    }
}

#[test]
fn a_head_over_the_cap_becomes_502_though_it_comes_at_once() {
    let long = |bytes| format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(bytes));
    let pair = Pair::answering(Answer::raw(long(40_000)).then_close());
    pair.sidecar.client().get("/bad").assert_refused(502, "upstream_failed");
    pair.assert_next_is_clean();
    let pair = Pair::answering(Answer::raw(long(20_000)).then_close());
    assert_eq!(pair.sidecar.client().get("/bad").header("x-long").map(str::len), Some(20_000));
}

#[test]
fn a_reset_becomes_502() {
    let pair = Pair::answering(Answer::nothing().then_reset());
    pair.sidecar.client().get("/bad").assert_refused(502, "upstream_failed");
    pair.assert_next_is_clean();
}

#[test]
fn a_switch_of_protocols_that_nobody_asked_for_becomes_502() {
    let switch =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\nEVIL";
    for asked in ["", "Connection: Upgrade\r\nUpgrade: bar\r\n", "Upgrade: foo\r\n"] {
        let pair = Pair::answering(Answer::raw(switch));
        let mut client = pair.sidecar.client();
        client.send(format!("GET /bad HTTP/1.1\r\nHost: idp.test\r\n{asked}\r\n"));
        client.response().assert_refused(502, "upstream_failed");
        pair.assert_next_is_clean();
    }
}

#[test]
fn no_answer_in_time_becomes_504() {
    let gate = Gate::new();
    let answer = Answer::ok("text/plain", "late").after(&gate);
    let pair = Pair::with("upstream.timeouts.first_byte = \"200ms\"", answer);
    let mut client = pair.sidecar.client();
    client.get("/bad").assert_refused(504, "upstream_timeout");
    pair.assert_next_is_clean();
    gate.open();
    assert_eq!(client.get("/next").text(), "ok", "the late answer is nobody's");
}

#[test]
fn interim_responses_are_skipped() {
    let answer = Answer::raw("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        .then("HTTP/1.1 100 Continue\r\n\r\n".repeat(20))
        .then("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let pair = Pair::answering(answer);
    assert_eq!(pair.sidecar.client().get("/bad").text(), "ok");
}

#[test]
fn with_a_length_and_chunks_the_chunks_count() {
    for head in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 300",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
    ] {
        let raw = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        let pair = Pair::answering(Answer::raw(raw));
        let response = pair.sidecar.client().get("/bad");
        assert_eq!((response.text().as_str(), response.end), ("abc", End::Complete), "{head}");
        assert_eq!(response.header("content-length"), None);
        // RFC 9112 §6.3: such a message may be an attempt at splitting.
        pair.assert_next_is_clean();
    }
}

#[test]
fn threat_08_surplus_bytes_are_nobodys_response() {
    const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ] {
        let pair = Pair::answering(Answer::raw(format!("{head}{EVIL}")));
        let response = pair.sidecar.client().get("/bad");
        assert!(!response.text().contains("EVIL"));
        pair.assert_next_is_clean();
    }
}

#[test]
fn bytes_that_come_between_two_requests_are_nobodys_response() {
    let (asked, sent) = (Gate::new(), Gate::new());
    let answer = Answer::ok("text/plain", "abc")
        .then_wait(&asked)
        .then("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL")
        .then_open(&sent);
    let pair = Pair::answering(answer);
    assert_eq!(pair.sidecar.client().get("/bad").text(), "abc");
    asked.open();
    sent.wait();
    pair.assert_next_is_clean();
}

#[test]
fn a_response_without_a_length_ends_with_its_connection() {
    for head in ["HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n"] {
        let pair = Pair::answering(Answer::raw(head).then("abc").then_close());
        let mut client = pair.sidecar.client();
        let response = client.get("/bad");
        assert_eq!((response.text().as_str(), response.end), ("abc", End::Complete));
        assert!(response.head.line.starts_with("HTTP/1.1 200"), "{:?}", response.head.line);
        assert_eq!(client.get("/next").text(), "ok", "the client's connection goes on");
    }
}

#[test]
fn threat_45_a_response_that_breaks_off_comes_as_far_as_it_came() {
    for (head, end) in [
        ("Content-Length: 30\r\n\r\nabc", "close"),
        ("Content-Length: 30\r\n\r\nabc", "reset"),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nff\r\n", "close"),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nZZ\r\n", "close"),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nfffffffffffffffff1\r\n", "close"),
    ] {
        let came = Gate::new();
        let answer = Answer::raw(format!("HTTP/1.1 200 OK\r\n{head}")).then_wait(&came);
        let answer = if end == "close" { answer.then_close() } else { answer.then_reset() };
        let pair = Pair::answering(answer);
        let mut client = pair.sidecar.client();
        client.send("GET /bad HTTP/1.1\r\nHost: idp.test\r\n\r\n");
        let response = client.response_head().expect("a head");
        came.open();
        let mut body = Vec::new();
        let (end, _) = client.body(&response, &mut |bytes| body.extend_from_slice(bytes));
        assert_eq!((body.as_slice(), end), (&b"abc"[..], End::Broken), "{head}");
        assert_eq!(client.rest(), "", "closed after it");
        pair.assert_next_is_clean();
    }
}

/// RFC 4559: NTLM and Negotiate authenticate a connection, so nobody else's request may go over it.
#[test]
fn a_connection_that_carried_connection_authentication_is_not_shared() {
    for scheme in ["NTLM TlRMTVNTUAAB", "Negotiate YII", "negotiate YII"] {
        let pair = Pair::answering(Answer::ok("text/plain", "x"));
        pair.sidecar
            .client()
            .send(format!("GET /bad HTTP/1.1\r\nHost: idp.test\r\nAuthorization: {scheme}\r\n\r\n"))
            .response();
        pair.assert_next_is_clean();
    }
}

#[test]
fn a_connection_that_offered_connection_authentication_is_not_shared() {
    for offer in [
        "WWW-Authenticate: NTLM",
        "WWW-Authenticate: Basic realm=\"x\"\r\nWWW-Authenticate: Negotiate",
        "WWW-Authenticate: Basic realm=\"x\", Negotiate",
        "WWW-Authenticate: Basic realm=\"x\",NTLM",
    ] {
        let raw = format!("HTTP/1.1 401 Unauthorized\r\n{offer}\r\nContent-Length: 0\r\n\r\n");
        let pair = Pair::answering(Answer::raw(raw));
        assert_eq!(pair.sidecar.client().get("/bad").status, 401);
        pair.assert_next_is_clean();
    }
}

/// A kept connection may have been closed by the other side: whoever comes next must not pay for it.
#[test]
fn a_kept_connection_that_was_closed_costs_nobody_a_request() {
    let (answered, closed) = (Gate::new(), Gate::new());
    let answer = Answer::ok("text/plain", "x").then_wait(&answered).then_close().then_open(&closed);
    let pair = Pair::answering(answer);
    assert_eq!(pair.sidecar.client().get("/bad").text(), "x");
    answered.open();
    closed.wait();
    let mut client = pair.sidecar.client();
    for _ in 0..3 {
        assert_eq!(client.post_form("/next", "a=b").status, 200);
    }
    assert_eq!(pair.upstream.requests().iter().filter(|r| r.path() == "/next").count(), 3);
}

#[test]
fn a_post_that_may_have_been_done_is_not_sent_again() {
    let pair = Pair::answering(Answer::nothing().then_reset());
    pair.sidecar.client().get("/first");
    pair.sidecar.client().post_form("/bad", "a=b").assert_refused(502, "upstream_failed");
    assert_eq!(pair.upstream.requests().iter().filter(|r| r.path() == "/bad").count(), 1);
}

#[test]
fn a_get_over_a_kept_connection_that_breaks_is_sent_again() {
    let pair = Pair::answering(Answer::nothing().then_reset());
    pair.sidecar.client().get("/first");
    pair.sidecar.client().get("/bad").assert_refused(502, "upstream_failed");
    assert_eq!(pair.upstream.requests().iter().filter(|r| r.path() == "/bad").count(), 2);
}
