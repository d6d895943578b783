//! What comes back to the provider is the provider's own token again, and nothing else of the request has moved.

use crate::http1::latin1;
use crate::tokens::{self, claims, id_token_of};
use crate::{Answer, Client, Key, Sidecar, Upstream};

/// A sidecar before an upstream, a token of the provider, and what a relying party got for it.
struct Login {
    upstream: Upstream,
    sidecar: Sidecar,
    original: String,
    resigned: String,
}

impl Login {
    fn new() -> Self {
        Self::with("")
    }

    fn with(settings: &str) -> Self {
        let upstream = Upstream::start();
        let sidecar = Sidecar::before(&upstream).with(settings).start();
        let (original, resigned) = log_in(&upstream, &sidecar);
        Self { upstream, sidecar, original, resigned }
    }

    fn client(&self) -> Client {
        self.sidecar.client()
    }

    /// The request that reached the provider last.
    fn last(&self) -> crate::Request {
        self.upstream.requests().pop().unwrap()
    }

    fn restored(&self, place: &str) -> u64 {
        self.sidecar
            .metric(&format!("kidstamp_restores_total{{place=\"{place}\",result=\"restored\"}}"))
    }
}

fn log_in(upstream: &Upstream, sidecar: &Sidecar) -> (String, String) {
    let original = tokens::id_token();
    upstream.issue(&original);
    let response = sidecar.client().post_form("/token", "grant_type=x");
    let resigned = id_token_of(&response.text());
    assert_ne!(resigned, original);
    (original, resigned)
}

#[test]
fn in_authorization() {
    let login = Login::new();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        login
            .client()
            .send("GET /userinfo HTTP/1.1\r\nHost: idp.test\r\n")
            .send(format!("Authorization: {scheme} {}\r\n\r\n", login.resigned))
            .response();
        let expected = format!("{scheme} {}", login.original);
        assert_eq!(login.last().header("authorization"), Some(expected.as_str()));
    }
    assert_eq!(login.restored("authorization"), 3);
}

#[test]
fn not_in_other_schemes_and_not_without_a_carrier() {
    let login = Login::new();
    let foreign = Key::stranger().sign(tokens::PLAIN, &claims());
    for value in [
        format!("DPoP {}", login.resigned),
        format!("Basic {}", login.resigned),
        login.resigned.clone(),
        format!("Bearer {foreign}"),
        "Bearer opaque".to_owned(),
        "Bearer".to_owned(),
    ] {
        login
            .client()
            .send(format!(
                "GET /userinfo HTTP/1.1\r\nHost: idp.test\r\nAuthorization: {value}\r\n\r\n"
            ))
            .response();
        assert_eq!(login.last().header("authorization"), Some(value.as_str()));
    }
    assert_eq!(login.restored("authorization"), 0);
}

#[test]
fn in_the_query() {
    let login = Login::new();
    let (resigned, original) = (&login.resigned, &login.original);
    let query = |token: &str| {
        format!(
            "post_logout_redirect_uri=https%3A%2f%2Frp.test/%7e&id_token_hint={token}&&state=a+b%20c&x=&=y&z?"
        )
    };
    for path in ["/logout", "/authorize", "/elsewhere"] {
        login.client().get(&format!("{path}?{}", query(resigned)));
        assert_eq!(login.last().target(), format!("{path}?{}", query(original)));
    }
    // Escaped as a careful client may do.
    let escaped = resigned.replace('.', "%2E").replace('-', "%2d");
    login.client().get(&format!("/logout?id%5Ftoken_hint={escaped}"));
    assert_eq!(login.last().target(), format!("/logout?id%5Ftoken_hint={original}"));
    assert_eq!(login.restored("query"), 4);
}

#[test]
fn in_forms_of_every_endpoint_that_takes_tokens_back() {
    let login = Login::new();
    login.upstream.on("/token", Answer::json("{}"));
    for (path, field) in [
        ("/userinfo", "access_token"),
        ("/introspect", "token"),
        ("/revoke", "token"),
        ("/logout", "id_token_hint"),
        ("/authorize", "id_token_hint"),
        ("/token", "subject_token"),
        ("/token", "actor_token"),
        ("/token", "assertion"),
    ] {
        let form = |token: &str| format!("a=%zz&client_id=x+y&{field}={token}&empty=&&b=\u{e9}");
        let mut client = login.client();
        assert_eq!(client.post_form(path, &form(&login.resigned)).status, 200);
        let request = login.last();
        assert_eq!(
            String::from_utf8(request.body.clone()).unwrap(),
            form(&login.original),
            "{path} {field}"
        );
        let length = request.body.len().to_string();
        assert_eq!(request.header("content-length"), Some(length.as_str()));
        assert_eq!(request.header("transfer-encoding"), None);
    }
    assert_eq!(login.restored("form"), 8);
}

#[test]
fn several_tokens_in_one_form() {
    let login = Login::new();
    let (other, other_resigned) = log_in(&login.upstream, &login.sidecar);
    login.upstream.on("/token", Answer::json("{}"));
    let form = |a: &str, b: &str| format!("subject_token={a}&actor_token={b}&subject_token={b}");
    login.client().post_form("/token", &form(&login.resigned, &other_resigned));
    assert_eq!(latin1(&login.last().body), form(&login.original, &other));
}

#[test]
fn in_a_chunked_form() {
    let login = Login::new();
    let form = format!("id_token_hint={}", login.resigned);
    let (one, two) = form.split_at(100);
    login
        .client()
        .send("POST /logout HTTP/1.1\r\nHost: idp.test\r\nTransfer-Encoding: chunked\r\n")
        .send("Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n\r\n")
        .send(format!("{:x}\r\n{one}\r\n", one.len()))
        .send(format!("{:x}\r\n{two}\r\n0\r\n\r\n", two.len()))
        .response();
    let request = login.last();
    assert_eq!(latin1(&request.body), format!("id_token_hint={}", login.original));
    assert!(!request.head.is_chunked(), "its length is known now: {request:?}");
}

#[test]
fn a_form_over_the_limit_passes_unchanged() {
    let login = Login::with("server.limits.rewritten_body_bytes = 4096");
    let form = format!("id_token_hint={}&pad={}", login.resigned, "x".repeat(5_000));
    login.client().post_form("/logout", &form);
    assert_eq!(latin1(&login.last().body), form);
    let chunked = format!("{:x}\r\n{form}\r\n0\r\n\r\n", form.len());
    login
        .client()
        .send("POST /logout HTTP/1.1\r\nHost: idp.test\r\nTransfer-Encoding: chunked\r\n")
        .send("Content-Type: application/x-www-form-urlencoded\r\n\r\n")
        .send(chunked)
        .response();
    assert_eq!(latin1(&login.last().body), form);
}

#[test]
fn other_bodies_are_not_looked_at() {
    let login = Login::new();
    let body = format!("id_token_hint={}", login.resigned);
    for (path, content_type) in [
        ("/logout", "application/json"),
        ("/logout", "multipart/form-data; boundary=x"),
        ("/login", "application/x-www-form-urlencoded"),
    ] {
        login
            .client()
            .send(format!(
                "POST {path} HTTP/1.1\r\nHost: idp.test\r\nContent-Type: {content_type}\r\n"
            ))
            .send(format!("Content-Length: {}\r\n\r\n{body}", body.len()))
            .response();
        assert_eq!(latin1(&login.last().body), body, "{path} {content_type}");
    }
}

#[test]
fn after_a_restart_with_another_key() {
    let login = Login::new();
    let other = Sidecar::before(&login.upstream).with_key(Key::other_bridge()).start();
    other.client().get(&format!("/logout?id_token_hint={}", login.resigned));
    assert_eq!(login.last().target(), format!("/logout?id_token_hint={}", login.original));
}

/// Restoring grants nothing: a changed claim comes out under a signature that the provider itself refuses.
#[test]
fn threat_14_a_changed_claim_stays_changed() {
    let login = Login::new();
    let parts: Vec<&str> = login.resigned.split('.').collect();
    let payload = tokens::payload_of(&login.resigned).replace("\"rp\"", "\"eve\"");
    let forged = [parts[0], &tokens::encode(payload), parts[2]].join(".");
    login.client().get(&format!("/logout?id_token_hint={forged}"));
    let target = login.last().target().to_owned();
    let (_, arrived) = target.split_once("id_token_hint=").unwrap();
    assert_eq!(
        tokens::payload_of(arrived),
        tokens::payload_of(&login.original).replace("\"rp\"", "\"eve\"")
    );
    assert_eq!(arrived.rsplit_once('.').unwrap().1, login.original.rsplit_once('.').unwrap().1);
}

/// threat_01: nothing that a client sends gets a signature, however well it verifies.
#[test]
fn threat_01_no_request_gets_anything_signed() {
    let upstream = Upstream::start();
    let token = tokens::id_token();
    let echo = tokens::token_response(&token);
    // A provider that gives back what it gets, at every endpoint but the token endpoint.
    for path in ["/userinfo", "/introspect", "/revoke", "/logout", "/authorize", "/elsewhere"] {
        upstream.on(path, Answer::json(&echo));
    }
    let plain = "{\"access_token\":\"x\",\"token_type\":\"Bearer\"}";
    upstream.on("/token", Answer::json(plain));
    let sidecar = Sidecar::before(&upstream).start();
    for path in ["/userinfo", "/introspect", "/revoke", "/logout", "/authorize", "/elsewhere"] {
        let response = sidecar.client().post_form(path, &format!("id_token={token}&token={token}"));
        assert_eq!(response.text(), echo, "{path}");
    }
    let response =
        sidecar.client().post_form("/token", &format!("id_token={token}&assertion={token}"));
    assert_eq!(response.text(), plain);
    assert_eq!(
        latin1(&upstream.requests().pop().unwrap().body),
        format!("id_token={token}&assertion={token}")
    );
    let (_, metrics) = sidecar.admin("/metrics");
    assert!(!metrics.contains("action=\"resign\""), "{metrics}");
}
