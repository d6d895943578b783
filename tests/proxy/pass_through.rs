//! What needs no repair passes untouched, in both directions.

use crate::http1::{End, latin1};
use crate::{Answer, Sidecar, Upstream};

#[test]
fn a_response_passes_byte_for_byte() {
    let upstream = Upstream::start();
    let head = "HTTP/1.1 418 I'm  a Teapot!\r\nDate: Mon, 23 Nov 2026 00:00:00 GMT\r\nSeRvEr: leg acy/0.1\r\n\
                Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; HttpOnly\r\nSet-Cookie: a=3\r\nx-EMPTY:\r\n\
                X-Odd: tab\there \"q\" \u{e9}, ,;=\r\nETag: W/\"abc\"\r\nContent-Type: Text/HTML;charset=\"x\"\r\n\
                Content-Length: 12\r\n\r\n";
    let head: Vec<u8> = head.chars().map(|sign| sign as u8).collect();
    let body = b"\x00\xff\r\n\r\n{bytes";
    upstream.on("/page", Answer::raw(&head).then(body));
    let sidecar = Sidecar::before(&upstream).start();
    let response = sidecar.client().get("/page");
    assert_eq!(response.body, body);
    assert_eq!(
        latin1(&response.head.raw),
        with_small_names(&latin1(&head)),
        "each field, each value, in their order"
    );
    let sidecar = Sidecar::before(&upstream).with(KEEPING_CASE).start();
    assert_eq!(
        latin1(&sidecar.client().get("/page").head.raw).replace("x-EMPTY: \r\n", "x-EMPTY:\r\n"),
        latin1(&head),
        "each name as it was written"
    );
}

const KEEPING_CASE: &str = "server.preserve_header_case = true";

/// The same head, with the names of its fields as HTTP/2 has them, too.
fn with_small_names(head: &str) -> String {
    let line = |line: &str| match line.split_once(':') {
        Some((name, value)) if !name.contains(' ') => {
            format!("{}: {}\r\n", name.to_ascii_lowercase(), value.trim_ascii())
        }
        _ => format!("{line}\r\n"),
    };
    head.split_terminator("\r\n").map(line).collect()
}

#[test]
fn a_request_passes_byte_for_byte() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream).with(KEEPING_CASE).start();
    let body = b"a\x00b\xff\r\n=&%41+";
    sidecar
        .client()
        .send("PATCH /a?b=c HTTP/1.1\r\nhOST: idp.test\r\nX-Two: 1\r\nAccept:  */* \r\nX-Two: 2\r\n")
        .send(b"Cookie: s=\xe9; t=\"x\"\r\nAuthorization: Basic dXNlcjpwYXNz\r\nAccept-Encoding: br, gzip;q=0\r\n")
        .send("Content-Type: Application/X-Own\r\nContent-Length: 12\r\n\r\n")
        .send(body)
        .response();
    let request = upstream.request();
    assert_eq!(request.head.line, "PATCH /a?b=c HTTP/1.1");
    assert_eq!(request.body, body);
    let own = [
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "forwarded",
        "traceparent",
        "via",
    ];
    let fields: Vec<String> = request
        .head
        .fields
        .iter()
        .filter(|(name, _)| !own.contains(&name.to_ascii_lowercase().as_str()))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    assert_eq!(
        fields,
        [
            "hOST: idp.test",
            "X-Two: 1",
            "X-Two: 2",
            "Accept: */*",
            "Cookie: s=\u{e9}; t=\"x\"",
            "Authorization: Basic dXNlcjpwYXNz",
            "Accept-Encoding: br, gzip;q=0",
            "Content-Type: Application/X-Own",
            "Content-Length: 12",
        ]
    );
}

#[test]
fn unusual_targets_pass_byte_for_byte() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    for target in [
        "/",
        "/?",
        "/a/../b/./c",
        "//double//slash",
        "/%2e%2E/%zz/%",
        "/{}|\\^;x=1;y",
        "/a?x={}|\\^'!$&()*+,;=:@/?%",
        "/a?next=https://rp.test/cb?x=1&y=2",
        "/caf\u{c3}\u{a9}",
        "/a;jsessionid=1?q=%00",
        "/TOKEN.",
        "/-._~!$&'()*+,;=:@",
    ] {
        let before = upstream.requests().len();
        let target: Vec<u8> = target.chars().map(|sign| sign as u8).collect();
        client.send("GET ").send(&target).send(" HTTP/1.1\r\nHost: idp.test\r\n\r\n");
        let response = client.response();
        assert_eq!(response.status, 200, "{}", latin1(&target));
        assert_eq!(upstream.requests()[before].target(), latin1(&target));
    }
}

#[test]
fn chunked_bodies_pass_both_ways_with_their_trailers() {
    let upstream = Upstream::start();
    upstream.on(
        "/chunks",
        Answer::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
            .then("3;ext=\"1\"\r\nabc\r\n")
            .then("02\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n"),
    );
    let sidecar = Sidecar::before(&upstream).start();
    let response = sidecar
        .client()
        .send("POST /chunks HTTP/1.1\r\nHost: idp.test\r\nTE: trailers\r\nTrailer: X-Up\r\n")
        .send("Transfer-Encoding: chunked\r\n\r\n4\r\nwxyz\r\n1\r\n!\r\n0\r\nX-Up: yes\r\n\r\n")
        .response();
    assert_eq!(response.text(), "abcde");
    assert_eq!(response.trailers, [("x-sum".to_owned(), "5".to_owned())]);
    let request = upstream.request();
    assert_eq!(request.body, b"wxyz!");
    assert_eq!(request.trailers, [("x-up".to_owned(), "yes".to_owned())]);
    assert!(request.head.is_chunked());
}

#[test]
fn chunked_bodies_without_trailers_leave_the_connection_in_order() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    for _ in 0..2 {
        let response = client
            .send("POST /x HTTP/1.1\r\nHost: idp.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")
            .response();
        assert_eq!(response.text(), "ok");
    }
    assert!(upstream.requests().iter().all(|request| request.body == b"a"));
}

#[test]
fn head_has_the_length_and_no_body() {
    let upstream = Upstream::start();
    upstream.on("/file", Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nX: y\r\n\r\n"));
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    for _ in 0..2 {
        client.send("HEAD /file HTTP/1.1\r\nHost: idp.test\r\n\r\n");
        let response = client.response_head().unwrap();
        assert_eq!(response.header("content-length"), Some("12345"));
    }
    assert_eq!(client.get("/after").text(), "ok", "nothing of a body stood in between");
}

#[test]
fn statuses_without_a_body_leave_the_connection_in_order() {
    let upstream = Upstream::start();
    upstream
        .on("/204", Answer::raw("HTTP/1.1 204 No Content\r\nX: y\r\n\r\n"))
        .on(
            "/304",
            Answer::raw("HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\nContent-Length: 99\r\n\r\n"),
        )
        .on("/205", Answer::raw("HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"));
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    let response = client.get("/204");
    assert_eq!((response.status, response.header("x")), (204, Some("y")));
    assert_eq!(response.header("content-length"), None);
    let response = client.get("/304");
    assert_eq!((response.status, response.header("etag")), (304, Some("\"e\"")));
    assert_eq!(client.get("/205").status, 205);
    assert_eq!(client.get("/after").text(), "ok");
}

#[test]
fn clients_of_http_1_0_get_what_they_understand() {
    let upstream = Upstream::start();
    upstream.on(
        "/chunks",
        Answer::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    );
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    let response = client.send("GET /chunks HTTP/1.0\r\nHost: idp.test\r\n\r\n").response();
    assert!(!response.head.is_chunked(), "{response:?}");
    assert_eq!((response.text().as_str(), response.end), ("abc", End::Complete));
    assert_eq!(client.rest(), "", "closed after it");
}

/// A request of HTTP/1.0 may have no `Host`; the one that is passed on is of HTTP/1.1 and must (RFC 9112 §3.2).
#[test]
fn a_request_without_host_gets_the_external_one() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream).start();
    let response = sidecar.client().send("GET /old HTTP/1.0\r\n\r\n").response();
    assert_eq!(response.text(), "ok");
    let request = upstream.request();
    assert_eq!(request.head.line, "GET /old HTTP/1.1");
    assert_eq!(request.header("host"), Some("idp.test"));
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    client.send(
        "POST /x HTTP/1.1\r\nHost: idp.test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    );
    assert_eq!(client.response_head().unwrap().status, 100);
    assert_eq!(client.send("abc").response().text(), "ok");
    assert_eq!(upstream.request().body, b"abc");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::start();
    for path in ["/1", "/2", "/3"] {
        upstream.on(path, Answer::ok("text/plain", path));
    }
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    client.send(
        "GET /1 HTTP/1.1\r\nHost: idp.test\r\n\r\nPOST /2 HTTP/1.1\r\nHost: idp.test\r\nContent-Length: 1\r\n\r\nx\
         GET /3 HTTP/1.1\r\nHost: idp.test\r\n\r\n",
    );
    let answers: Vec<String> = (0..3).map(|_| client.response().text()).collect();
    assert_eq!(answers, ["/1", "/2", "/3"]);
    let paths: Vec<String> = upstream.requests().iter().map(|r| r.path().to_owned()).collect();
    assert_eq!(paths, ["/1", "/2", "/3"]);
}

#[test]
fn connections_are_kept_on_both_sides() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    for _ in 0..5 {
        client.get("/x");
    }
    let mut other = sidecar.client();
    other.get("/x");
    let used: Vec<usize> = upstream.requests().iter().map(|r| r.connection).collect();
    assert_eq!(used, [used[0]; 6], "one connection to the upstream for all of them");
}

#[test]
fn the_upstreams_wish_to_close_is_its_own() {
    let upstream = Upstream::start();
    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx";
    upstream.on("/close", Answer::raw(closing).then_close());
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    for _ in 0..3 {
        let response = client.get("/close");
        assert_eq!((response.text().as_str(), response.header("connection")), ("x", None));
    }
}
