//! What two servers could understand in two ways is refused, and what a client may not say is not passed on.

use crate::http1::latin1;
use crate::{Answer, Request, Response, Sidecar, Upstream};

struct Pair {
    upstream: Upstream,
    sidecar: Sidecar,
}

impl Pair {
    fn new() -> Self {
        Self::with("")
    }

    fn with(settings: &str) -> Self {
        let upstream = Upstream::start();
        let sidecar = Sidecar::before(&upstream).with(settings).start();
        Self { upstream, sidecar }
    }

    fn ask(&self, request: &str) -> Response {
        self.sidecar.client().send(request).response()
    }

    /// What reaches the provider of a GET with these fields.
    fn passed_on(&self, fields: &str) -> Request {
        let response = self.ask(&format!("GET /x HTTP/1.1\r\nHost: idp.test\r\n{fields}\r\n"));
        assert_eq!(response.status, 200, "{fields}");
        self.upstream.requests().pop().unwrap()
    }

    #[track_caller]
    fn assert_nothing_passed(&self) {
        assert_eq!(self.upstream.requests().len(), 0, "{:?}", self.upstream.requests());
    }
}

#[test]
fn a_doubtful_host_is_refused() {
    let pair = Pair::new();
    for fields in [
        "",
        "Host: idp.test\r\nHost: idp.test\r\n",
        "Host: idp.test\r\nHost: evil.test\r\n",
        "Host: idp.test/@evil\r\n",
        "Host: a@idp.test\r\n",
        "Host: idp.test:80:80\r\n",
        "Host: idp.test:x\r\n",
        "Host: idp.test evil.test\r\n",
        "Host: [::1\r\n",
        "Host: idp.test?x\r\n",
        "Host: idp.test#x\r\n",
        "Host: idp.test\\x\r\n",
    ] {
        let mut client = pair.sidecar.client();
        client
            .send(format!("GET /x HTTP/1.1\r\n{fields}\r\n"))
            .response()
            .assert_refused(400, "invalid_host");
        assert_eq!(client.rest(), "", "closed after it: {fields}");
    }
    pair.assert_nothing_passed();
}

#[test]
fn an_absolute_target_must_agree_with_host() {
    let pair = Pair::new();
    let with = |target: &str| pair.ask(&format!("GET {target} HTTP/1.1\r\nHost: idp.test\r\n\r\n"));
    for target in [
        "http://evil.test/x",
        "https://evil.test/x",
        "http://idp.test:8080/x",
        "http://idp.test.evil/x",
    ] {
        with(target).assert_refused(400, "invalid_host");
    }
    pair.assert_nothing_passed();
    assert_eq!(with("http://IDP.test/x?y").status, 200);
    assert_eq!(pair.upstream.request().target(), "/x?y", "in origin form");
}

#[test]
fn threat_10_kidstamp_is_no_forward_proxy() {
    let pair = Pair::new();
    let response = pair.ask("CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n");
    response.assert_refused(405, "connect_not_allowed");
    pair.assert_nothing_passed();
}

#[test]
fn an_asterisk_is_about_the_server() {
    let pair = Pair::new();
    let response = pair.ask("OPTIONS * HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    assert_eq!(
        (response.status, response.header("allow")),
        (204, Some("GET, HEAD, POST, OPTIONS"))
    );
    pair.ask("GET * HTTP/1.1\r\nHost: idp.test\r\n\r\n").assert_refused(400, "invalid_target");
    pair.assert_nothing_passed();
}

#[test]
fn threat_07_transfer_codings_other_than_one_chunked_are_refused() {
    let pair = Pair::new();
    for codings in [
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: x",
    ] {
        let request = format!("POST /x HTTP/1.1\r\nHost: idp.test\r\n{codings}\r\n\r\n0\r\n\r\n");
        assert_eq!(pair.ask(&request).status, 400, "{codings}");
    }
    pair.assert_nothing_passed();
    pair.ask("POST /x HTTP/1.1\r\nHost: idp.test\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n");
    assert_eq!(pair.upstream.request().header("transfer-encoding"), Some("chunked"));
}

#[test]
fn what_belongs_to_a_connection_goes_no_further() {
    let pair = Pair::new();
    pair.upstream.on(
        "/x",
        Answer::raw(
            "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nUpgrade: h2c\r\n\
             Proxy-Connection: keep-alive\r\nX-End: 1\r\nContent-Length: 0\r\n\r\n",
        ),
    );
    let response = pair.ask(
        "GET /x HTTP/1.1\r\nHost: idp.test\r\nConnection: Upgrade, HTTP2-Settings, x-hop\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAAQAAP__\r\nX-Hop: 1\r\nKeep-Alive: x\r\nTE: trailers, gzip\r\n\
         Proxy-Connection: x\r\nProxy-Authorization: Basic x\r\nX-End: 1\r\n\r\n",
    );
    let request = pair.upstream.request();
    for field in [
        "connection",
        "upgrade",
        "http2-settings",
        "x-hop",
        "keep-alive",
        "te",
        "proxy-connection",
        "proxy-authorization",
    ] {
        assert_eq!(request.header(field), None, "to the provider: {field}");
        assert_eq!(response.header(field), None, "to the client: {field}");
    }
    assert_eq!((request.header("x-end"), response.header("x-end")), (Some("1"), Some("1")));
}

/// CVE-2022-31813 and its like.
#[test]
fn connection_takes_nothing_away_that_a_check_rests_on() {
    let pair = Pair::new();
    let request = pair.passed_on(
        "Connection: keep-alive, Authorization, Cookie, Host, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, \
         Via, Content-Type\r\nAuthorization: Bearer x\r\nCookie: a=b\r\nContent-Type: text/plain\r\n",
    );
    for (field, value) in [
        ("authorization", "Bearer x"),
        ("cookie", "a=b"),
        ("host", "idp.test"),
        ("content-type", "text/plain"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "idp.test"),
    ] {
        assert_eq!(request.header(field), Some(value), "{field}");
    }
    assert!(request.header("via").is_some());
}

#[test]
fn threat_16_17_a_client_says_nothing_about_its_origin_or_in_kidstamps_name() {
    let pair = Pair::new();
    let request = pair.passed_on(
        "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Port: 1\r\n\
         X-Forwarded-Prefix: /evil\r\nX-Forwarded-Uri: /evil\r\nX_Forwarded_Host: evil.test\r\n\
         x-forwarded_proto: evil\r\nForwarded: host=evil.test\r\nFORWARDED: for=evil.test\r\n\
         X-Kidstamp-Verified: evil\r\nX_KIDSTAMP_Issuer: evil\r\nKidstamp-Id-Token: evil\r\nkidstamp_x: evil\r\n\
         X-Real-IP: 1.2.3.4\r\nClient-Cert: :evil:\r\nclient_cert_chain: :evil:\r\n",
    );
    let text = latin1(&request.head.raw).to_ascii_lowercase();
    assert!(
        !text.contains("evil") && !text.contains("1.2.3.4") && !text.contains("forwarded_"),
        "{text}"
    );
    for (field, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "idp.test"),
        ("x-forwarded-port", "443"),
        ("forwarded", "for=127.0.0.1;host=idp.test;proto=https"),
    ] {
        assert_eq!(request.header(field).unwrap_or_default(), value, "{field}");
    }
}

/// threat_17: a proxy that the configuration names says where the client is, and only that.
#[test]
fn threat_17_a_trusted_proxy_is_believed_the_address_and_nothing_else() {
    const SAID: &str = "X-Forwarded-For: 203.0.113.9, 198.51.100.7:4711\r\nX-Forwarded-Proto: http\r\n\
         X-Forwarded-Host: evil.test\r\nX-Forwarded-Port: 1\r\nForwarded: for=6.6.6.6;host=evil.test;proto=http\r\n";
    let pair = Pair::with("server.trusted_proxies = [\"10.0.0.0/8\", \"127.0.0.1\"]");
    let request = pair.passed_on(SAID);
    for (field, value) in [
        ("x-forwarded-for", "203.0.113.9, 198.51.100.7:4711, 127.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "idp.test"),
        ("x-forwarded-port", "443"),
        (
            "forwarded",
            "for=203.0.113.9, for=\"198.51.100.7:4711\", for=127.0.0.1;host=idp.test;proto=https",
        ),
    ] {
        assert_eq!(request.head.all(field), [value], "{field}");
    }
    let request = pair.passed_on("Forwarded: for=\"[2001:db8::1]\";proto=http\r\n");
    assert_eq!(request.header("x-forwarded-for"), Some("2001:db8::1, 127.0.0.1"));
    // The same words of somebody else.
    let pair = Pair::with("server.trusted_proxies = [\"10.0.0.0/8\"]");
    let request = pair.passed_on(SAID);
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.header("forwarded"), Some("for=127.0.0.1;host=idp.test;proto=https"));
}

#[test]
fn a_trace_is_kept_or_made() {
    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let pair = Pair::new();
    let request = pair.passed_on(&format!("Traceparent: {GIVEN}\r\ntracestate: a=b\r\n"));
    assert_eq!(request.header("traceparent"), Some(GIVEN));
    assert_eq!(request.header("tracestate"), Some("a=b"));
    let made: Vec<String> = ["", "traceparent: 00-0-0-0\r\ntracestate: a=b\r\n"]
        .iter()
        .map(|fields| {
            let request = pair.passed_on(fields);
            assert_eq!(request.header("tracestate"), None, "it belonged to something else");
            let all = request.head.all("traceparent");
            assert_eq!(all.len(), 1);
            all[0].to_owned()
        })
        .collect();
    assert!(made.iter().all(|made| made.len() == GIVEN.len() && made.starts_with("00-")));
    assert_ne!(made[0], made[1]);
    // An error names the request as the log and the provider's own traces do.
    let refused =
        pair.ask(&format!("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\ntraceparent: {GIVEN}\r\n\r\n"));
    refused.assert_refused(405, "connect_not_allowed");
    let error: serde_json::Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(error["request_id"], "0af7651916cd43dd8448eb211c80319c");
}

#[test]
fn threat_16_not_in_trailers_either() {
    let pair = Pair::new();
    let response = pair.ask(
        "POST /x HTTP/1.1\r\nHost: idp.test\r\nTransfer-Encoding: chunked\r\n\
         Trailer: X-Kidstamp-Verified, X_Forwarded_Host, X-Good\r\n\r\n1\r\na\r\n0\r\nX-Kidstamp-Verified: evil\r\n\
         X_Forwarded_Host: evil.test\r\nX-Good: 1\r\n\r\n",
    );
    assert_eq!(response.status, 200);
    assert_eq!(pair.upstream.request().trailers, [("x-good".to_owned(), "1".to_owned())]);
}

#[test]
fn the_origin_is_the_external_one_whatever_host_says() {
    let pair = Pair::new();
    pair.ask("GET /x HTTP/1.1\r\nHost: other.test:81\r\n\r\n");
    let request = pair.upstream.request();
    assert_eq!(request.header("host"), Some("other.test:81"), "kept");
    assert_eq!(request.header("x-forwarded-host"), Some("idp.test"));
    let own = pair.upstream.fetches_of("/jwks.json").pop().unwrap();
    assert_eq!(
        (own.header("host"), own.header("x-forwarded-proto")),
        (Some("idp.test"), Some("https"))
    );
    assert_eq!(own.header("forwarded"), Some("host=idp.test;proto=https"));
    assert_eq!(own.header("accept-encoding"), Some("identity"));
}

#[test]
fn a_loop_is_seen() {
    let pair = Pair::new();
    let via = pair.passed_on("Via: 1.0 other\r\n").head.all("via").join(", ");
    assert!(via.starts_with("1.0 other, 1.1 kidstamp-"), "{via}");
    pair.ask(&format!("GET /x HTTP/1.1\r\nHost: idp.test\r\nVia: {via}, 1.1 z\r\n\r\n"))
        .assert_refused(508, "proxy_loop");
    assert_eq!(pair.upstream.requests().len(), 1);
}

#[test]
fn a_head_over_the_cap_is_refused() {
    let pair = Pair::new();
    for head in [
        format!("GET /x HTTP/1.1\r\nHost: idp.test\r\nX-Long: {}\r\n\r\n", "x".repeat(40_000)),
        format!("GET /{} HTTP/1.1\r\nHost: idp.test\r\n\r\n", "x".repeat(40_000)),
        (0..5_000).fold("GET /x HTTP/1.1\r\nHost: idp.test\r\n".to_owned(), |head, n| {
            head + &format!("X-{n}: 1\r\n")
        }) + "\r\n",
    ] {
        let mut client = pair.sidecar.client();
        assert_eq!(client.send(head).response().status, 431);
    }
    pair.assert_nothing_passed();
    let long = format!("X-Long: {}\r\n", "x".repeat(20_000));
    assert_eq!(pair.passed_on(&long).header("x-long").map(str::len), Some(20_000));
}

#[test]
fn a_client_that_does_not_finish_its_head_is_cut_off() {
    let pair = Pair::with("server.limits.header_timeout = \"300ms\"");
    for head in ["", "GET /x HTTP/1.1\r\nHost: idp.", "\r\n"] {
        let mut client = pair.sidecar.client();
        client.send(head);
        let answer = client.rest();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    pair.assert_nothing_passed();
}

#[test]
fn a_client_that_breaks_its_body_is_the_one_to_blame() {
    let pair = Pair::new();
    for path in ["/x", "/token"] {
        let mut client = pair.sidecar.client();
        client.send(format!(
            "POST {path} HTTP/1.1\r\nHost: idp.test\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nZZ\r\n"
        ));
        client.response().assert_refused(400, "invalid_body");
        assert_eq!(client.rest(), "", "closed after it");
    }
    let mut client = pair.sidecar.client();
    client.send("POST /x HTTP/1.1\r\nHost: idp.test\r\nContent-Length: 10\r\n\r\nabc").finish();
    client.response().assert_refused(400, "invalid_body");
    let (_, metrics) = pair.sidecar.admin("/metrics");
    assert!(!metrics.contains("code=\"502\""), "{metrics}");
    assert_eq!(pair.ask("GET /x HTTP/1.1\r\nHost: idp.test\r\n\r\n").status, 200);
}

/// threat_36: the proxy's port gives nothing of the admin's away, and a web site can't ask the admin's.
#[test]
fn threat_36_health_and_metrics_are_elsewhere() {
    let pair = Pair::new();
    for path in ["/metrics", "/readyz", "/livez", "/status"] {
        let response = pair.ask(&format!("GET {path} HTTP/1.1\r\nHost: idp.test\r\n\r\n"));
        assert_eq!(response.text(), "ok", "the provider's own {path}");
    }
    assert_eq!(pair.sidecar.admin("/x").0, 404);
    assert_eq!(
        pair.sidecar.ask_admin("GET /metrics HTTP/1.1\r\nHost: evil.test\r\n\r\n").status,
        421
    );
    assert_eq!(
        pair.sidecar
            .ask_admin("POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            .status,
        405
    );
    assert_eq!(pair.sidecar.ask_admin("GET /livez HTTP/1.1\r\nHost: [::1]:1\r\n\r\n").status, 200);
}

#[test]
fn names_keep_their_capital_letters_where_that_is_asked_for() {
    for (settings, name) in [("", "x-camel"), ("server.preserve_header_case = true", "X-caMel")] {
        let pair = Pair::with(settings);
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-caMel: down\r\n\r\n";
        pair.upstream.on("/x", Answer::raw(answer));
        let response = pair.ask("GET /x HTTP/1.1\r\nHost: idp.test\r\nX-caMel: up\r\n\r\n");
        let request = pair.upstream.requests().pop().unwrap();
        for (head, value) in [(request.head, "up"), (response.head, "down")] {
            let field = (name.to_owned(), value.to_owned());
            assert!(head.fields.contains(&field), "{field:?} in {head:?}");
        }
    }
}
