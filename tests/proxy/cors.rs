//! Applications in a browser: CORS for the origins that the configuration lists, and for no other.

use crate::{Answer, Response, Sidecar, Upstream, tokens};

const APP: &str = "https://app.example.com";

fn issuers() -> String {
    format!(
        "[[issuer]]\nissuer = \"{}\"\nkeys = \"KEYS\"\ncors_origins = [\"https://APP.example.com:443/\", \"http://localhost:5173\"]\n",
        tokens::ISSUER
    )
}

fn ask(sidecar: &Sidecar, method: &str, path: &str, fields: &str) -> Response {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: idp.test\r\n{fields}\r\n");
    sidecar.client().send(request).response()
}

fn field<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.header(name)
}

fn stage(fields: &str) -> (Upstream, Sidecar) {
    let upstream = Upstream::start();
    let answer = |body: &str| {
        let length = body.len();
        Answer::raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
        ))
    };
    upstream.on("/userinfo", answer(r#"{"sub":"7"}"#));
    upstream.on("/token", answer(r#"{"access_token":"a","token_type":"Bearer"}"#));
    upstream.on("/other", answer("{}"));
    let sidecar = Sidecar::before(&upstream).with_issuers(&issuers()).start();
    (upstream, sidecar)
}

#[test]
fn a_listed_application_may_read_what_it_asked_for() {
    let (upstream, sidecar) = stage("Vary: Accept\r\nAccess-Control-Allow-Credentials: true\r\n");
    for origin in [APP, "http://localhost:5173"] {
        for path in ["/userinfo", "/token", "/.well-known/openid-configuration"] {
            let response = ask(&sidecar, "GET", path, &format!("Origin: {origin}\r\n"));
            let allowed = field(&response, "access-control-allow-origin").unwrap();
            assert!([origin, "*"].contains(&allowed), "{path}");
            assert_eq!(field(&response, "access-control-allow-credentials"), None, "{path}");
        }
        let response = ask(&sidecar, "GET", "/userinfo", &format!("Origin: {origin}\r\n"));
        assert!(
            response
                .head
                .fields
                .iter()
                .any(|(name, value)| { name.eq_ignore_ascii_case("vary") && value == "Origin" })
        );
        assert_eq!(response.text(), r#"{"sub":"7"}"#);
    }
    let before = upstream.requests().len();
    let fields = format!(
        "Origin: {APP}\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n"
    );
    let preflight = ask(&sidecar, "OPTIONS", "/token", &fields);
    assert_eq!(preflight.head.line, "HTTP/1.1 204 No Content");
    for (name, value) in [
        ("access-control-allow-origin", Some(APP)),
        ("access-control-allow-methods", Some("GET, POST")),
        ("access-control-allow-headers", Some("Authorization, Content-Type, DPoP")),
        ("access-control-allow-credentials", None),
    ] {
        assert_eq!(field(&preflight, name), value);
    }
    assert_eq!(upstream.requests().len(), before, "the provider is not asked");
}

#[test]
fn nobody_else_may() {
    let (_upstream, sidecar) = stage("");
    for origin in [
        "https://evil.test",
        "https://app.example.com.evil.test",
        "http://app.example.com",
        "https://app.example.com:443",
        "https://app.example.com:8443",
        "https://sub.app.example.com",
        "HTTPS://app.example.com",
        "null",
        "*",
        "",
        "https://app.example.com, https://app.example.com",
    ] {
        let response = ask(&sidecar, "GET", "/userinfo", &format!("Origin: {origin}\r\n"));
        assert_eq!(field(&response, "access-control-allow-origin"), None, "{origin}");
        let asking = format!("Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\n");
        let response = ask(&sidecar, "OPTIONS", "/token", &asking);
        assert_eq!(field(&response, "access-control-allow-origin"), None, "{origin}");
    }
    let twice = format!("Origin: {APP}\r\nOrigin: {APP}\r\n");
    for (path, fields) in [
        ("/userinfo", twice.as_str()),
        ("/userinfo", ""),
        ("/other", "Origin: https://app.example.com\r\n"),
    ] {
        let response = ask(&sidecar, "GET", path, fields);
        assert_eq!(field(&response, "access-control-allow-origin"), None, "{path}");
    }
}

#[test]
fn the_word_of_the_provider_stands() {
    let (_upstream, sidecar) = stage(
        "Access-Control-Allow-Origin: https://other.example.com\r\nAccess-Control-Allow-Credentials: true\r\n",
    );
    let response = ask(&sidecar, "GET", "/userinfo", &format!("Origin: {APP}\r\n"));
    assert_eq!(field(&response, "access-control-allow-origin"), Some("https://other.example.com"));
    assert_eq!(field(&response, "access-control-allow-credentials"), Some("true"));
}
