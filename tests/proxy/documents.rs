//! A provider whose documents can't be had or can't be used: what is served is good, or it is an error.

use crate::tokens::{self, discovery_with, id_token_of};
use crate::{Answer, Key, Response, Sidecar, Upstream, eventually};
use std::net::TcpListener;
use std::thread;

/// Refresh as often as the configuration allows.
const EAGER: &str = "jwks.refresh_min = \"100ms\"\njwks.refresh_max = \"100ms\"";

/// Key sets that no relying party could use.
fn bad_sets() -> Vec<(&'static str, Answer)> {
    let good = format!("{{\"keys\":[{}]}}", Key::idp().jwk(""));
    let (part, length) = (&good[..100], good.len());
    let json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    vec![
        ("HTML", Answer::ok("text/html", "<html>Maintenance</html>")),
        ("cut off", Answer::json(part)),
        ("no JSON", Answer::json("")),
        ("a list", Answer::json("[]")),
        ("no keys", Answer::json("{}")),
        ("empty", Answer::json("{\"keys\":[]}")),
        ("an error", Answer::raw("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")),
        (
            "elsewhere",
            Answer::raw("HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"),
        ),
        (
            "truncated",
            Answer::raw(format!("{json}Content-Length: {length}\r\n\r\n{part}")).then_close(),
        ),
        (
            "truncated chunks",
            Answer::raw(format!("{json}Transfer-Encoding: chunked\r\n\r\nffff\r\n{good}"))
                .then_close(),
        ),
        (
            "deep",
            Answer::json(format!("{{\"keys\":[{}1{}]}}", "[".repeat(10_000), "]".repeat(10_000))),
        ),
        ("large", Answer::json(format!("{{\"keys\":[],\"pad\":\"{}\"}}", "x".repeat(10_000_000)))),
        (
            "compressed",
            Answer::raw(format!(
                "{json}Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\u{b}\x08\0"
            )),
        ),
        ("garbage", Answer::raw("\x16\x03\x01").then_close()),
    ]
}

/// Tries each of them beside the others, since most of the time is kidstamp's pause between two attempts.
fn for_each_bad_set(attempt: impl Fn(&str, Answer) + Sync) {
    let attempt = &attempt;
    thread::scope(|scope| {
        for (name, bad) in bad_sets() {
            scope.spawn(move || attempt(name, bad));
        }
    });
}

#[test]
fn a_key_set_that_is_bad_at_first_becomes_502_and_then_good() {
    for_each_bad_set(|name, bad| {
        let upstream = Upstream::start();
        upstream.on("/jwks.json", bad);
        let sidecar = Sidecar::before(&upstream).start_blind();
        let response = sidecar.client().get("/jwks.json");
        assert_eq!(response.status, 502, "{name}: {response:?}");
        response.assert_refused(502, "no_key_set");
        let (status, reason) = sidecar.admin("/readyz");
        assert_eq!(status, 503, "{name}");
        assert!(reason.contains("jwks") || reason.contains("key set"), "{name}: {reason}");
        upstream.publish(&[Key::idp().jwk("")]);
        eventually("the good set is served", || {
            let response = sidecar.client().get("/jwks.json");
            let kid = Key::idp().thumbprint();
            (response.status == 200 && response.text().contains(&kid)).then_some(())
        });
        assert!(upstream.requests().is_empty(), "{name}: the provider's own set was passed on");
    });
}

#[test]
fn other_requests_pass_at_once_while_there_is_no_key_set() {
    let upstream = Upstream::start();
    upstream.on("/jwks.json", Answer::ok("text/html", "<html>"));
    let sidecar = Sidecar::before(&upstream).start_blind();
    assert_eq!(sidecar.client().get("/jwks.json").status, 502);
    let before = upstream.fetches_of("/jwks.json").len();
    for _ in 0..20 {
        assert_eq!(sidecar.client().get("/login").text(), "ok");
        assert_eq!(sidecar.client().get("/userinfo").text(), "ok");
    }
    // Each of them would ask for one more attempt, and wait for it.
    let attempts = upstream.fetches_of("/jwks.json").len() - before;
    assert!(attempts < 20, "{attempts} attempts for 40 requests");
}

#[test]
fn threat_45_the_last_good_set_stays_while_the_provider_has_a_bad_one() {
    for_each_bad_set(|name, bad| {
        let upstream = Upstream::start();
        let sidecar = Sidecar::before(&upstream).with(EAGER).start();
        let good = sidecar.jwks();
        upstream.on("/jwks.json", bad);
        let failures = || sidecar.metric("kidstamp_snapshot_refreshes_total{result=\"failure\"}");
        eventually(name, || (failures() > 0).then_some(()));
        assert_eq!(sidecar.jwks(), good, "{name}");
        let response = sidecar.client().post_form("/token", "grant_type=x");
        let token = id_token_of(&response.text());
        assert_eq!(tokens::verify(&token, &good), Ok(()), "{name}: it verifies, too");
        assert_eq!(sidecar.admin("/readyz").0, 200, "{name}");
    });
}

#[test]
fn threat_12_beyond_the_bound_nothing_stale_is_served_or_believed() {
    let upstream = Upstream::start();
    let sidecar =
        Sidecar::before(&upstream).with(EAGER).with("jwks.stale_if_error = \"0s\"").start();
    upstream.on("/jwks.json", Answer::ok("text/html", "<html>"));
    eventually("the set is too old", || {
        (sidecar.client().get("/jwks.json").status == 502).then_some(())
    });
    let response = sidecar.client().post_form("/token", "grant_type=x");
    assert!(tokens::token_response(&id_token_of(&response.text())) == response.text());
    assert_eq!(sidecar.passed("stale"), 1);
    upstream.publish(&[Key::idp().jwk("")]);
    eventually("the set is back", || {
        (sidecar.client().get("/jwks.json").status == 200).then_some(())
    });
}

/// A port that nobody listens on, and that nobody else gets.
fn reserved() -> tokio::net::TcpSocket {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

fn listen(socket: tokio::net::TcpSocket) -> TcpListener {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let listener = socket.listen(128).unwrap().into_std().unwrap();
    listener.set_nonblocking(false).unwrap();
    listener
}

#[test]
fn a_provider_that_is_down_at_start_may_come_later() {
    let socket = reserved();
    let address = socket.local_addr().unwrap();
    let sidecar = Sidecar::before_address(address).start_blind();
    sidecar.client().get("/x").assert_refused(502, "upstream_unreachable");
    let (status, reason) = sidecar.admin("/readyz");
    assert_eq!(status, 503);
    assert!(reason.contains(&address.to_string()) && reason.contains("refused"), "{reason}");
    assert_eq!(sidecar.admin("/livez").0, 200);
    let _upstream = Upstream::at(listen(socket));
    sidecar.await_ready();
    assert_eq!(sidecar.client().get("/x").text(), "ok");
    assert!(sidecar.jwks().contains(&Key::idp().thumbprint()));
}

/// Of two issuers, one that can't be read must not make the other one wait.
#[test]
fn an_issuer_without_documents_holds_up_no_other() {
    let upstream = Upstream::start();
    let broken = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    upstream.on("/b/.well-known/openid-configuration", Answer::raw(broken));
    let sidecar = Sidecar::before(&upstream)
        .with_issuers(
            "[[issuer]]\nissuer = \"https://idp.test\"\nkeys = \"KEYS\"\n\
             [[issuer]]\nissuer = \"https://idp.test/b\"\nephemeral_key = true\n",
        )
        .start_blind();
    eventually("the first issuer is ready", || {
        (sidecar.client().get("/jwks.json").status == 200).then_some(())
    });
    let before = upstream.fetches_of("/b/.well-known/openid-configuration").len();
    for _ in 0..5 {
        assert_eq!(sidecar.client().get("/userinfo").status, 200);
        sidecar.jwks();
        let response = sidecar.client().post_form("/token", "grant_type=x");
        assert_eq!(tokens::verify(&id_token_of(&response.text()), &sidecar.jwks()), Ok(()));
    }
    // Each request would ask for one more attempt, and wait for it.
    let attempts = upstream.fetches_of("/b/.well-known/openid-configuration").len() - before;
    assert!(attempts < 5, "{attempts} attempts for 15 requests of the issuer that is well");
}

fn unready(discovery: &str) -> (Upstream, Sidecar, String) {
    let upstream = Upstream::start();
    upstream.on("/.well-known/openid-configuration", Answer::json(discovery));
    let sidecar = Sidecar::before(&upstream).start_blind();
    let reason = eventually("there was an attempt", || {
        let (status, reason) = sidecar.admin("/readyz");
        assert_eq!(status, 503, "{reason}");
        (!reason.contains("not been asked")).then_some(reason)
    });
    (upstream, sidecar, reason)
}

#[test]
fn the_discovery_document_of_another_issuer_is_refused() {
    for other in ["https://idp.test/", "https://evil.test", "http://idp.test"] {
        let (upstream, _sidecar, reason) =
            unready(&discovery_with(other, "https://idp.test/jwks.json"));
        assert!(
            reason.contains(other) && reason.contains("configured is https://idp.test;"),
            "{reason}"
        );
        assert_eq!(upstream.fetches_of("/jwks.json").len(), 0, "its keys are not asked for");
    }
}

/// threat_20: a key set anywhere else is not fetched, and not even looked for.
#[test]
fn threat_20_keys_of_another_origin_are_not_fetched() {
    let third = TcpListener::bind("127.0.0.1:0").unwrap();
    third.set_nonblocking(true).unwrap();
    let port = third.local_addr().unwrap().port();
    for jwks_uri in [
        format!("http://127.0.0.1:{port}/jwks.json"),
        format!("http://localhost:{port}/jwks.json"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "https://idp.test.evil/jwks.json".to_owned(),
        "https://idp.test@evil.test/jwks.json".to_owned(),
        "ftp://idp.test/etc/passwd".to_owned(),
    ] {
        let (_upstream, _sidecar, reason) = unready(&discovery_with("https://idp.test", &jwks_uri));
        assert!(reason.contains(&jwks_uri) && reason.contains("https://idp.test"), "{reason}");
    }
    let connection = third.accept().map(|(_, peer)| peer);
    assert_eq!(connection.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

/// A header of the provider's token or document must not lead anywhere either.
#[test]
fn threat_20_a_token_leads_nowhere() {
    let third = TcpListener::bind("127.0.0.1:0").unwrap();
    third.set_nonblocking(true).unwrap();
    let url = format!("http://{}/keys", third.local_addr().unwrap());
    let upstream = Upstream::start();
    let header =
        format!("{{\"alg\":\"RS256\",\"jku\":\"{url}\",\"x5u\":\"{url}\",\"kid\":\"{url}\"}}");
    let token = Key::stranger().sign(&header, &tokens::claims());
    upstream.issue(&token);
    let sidecar = Sidecar::before(&upstream).start();
    let response = sidecar.client().post_form("/token", "grant_type=x");
    assert_eq!(response.text(), tokens::token_response(&token));
    assert_eq!(third.accept().map(|_| ()).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn without_a_discovery_document_the_configuration_says_it() {
    let upstream = Upstream::start();
    let none = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    upstream.on("/.well-known/openid-configuration", Answer::raw(none));
    let sidecar = Sidecar::before(&upstream)
        .with_issuers(
            "[[issuer]]\nissuer = \"https://idp.test\"\nkeys = \"KEYS\"\n\
             jwks_uri = \"https://idp.test/jwks.json\"\ntoken_endpoint = \"https://idp.test/token\"\n",
        )
        .start();
    let response: Response = sidecar.client().post_form("/token", "grant_type=x");
    assert_eq!(tokens::verify(&id_token_of(&response.text()), &sidecar.jwks()), Ok(()));
}
