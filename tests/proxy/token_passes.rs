//! What can't be judged, or must not be vouched for, passes the token endpoint byte for byte and is counted.

use crate::http1::End;
use crate::tokens::{self, PLAIN, claims, claims_with, now};
use crate::{Answer, Key, Sidecar, Upstream};

/// The response to a login passes to the byte, and is counted under that reason once.
#[track_caller]
fn assert_passes(answer: Answer, body: impl AsRef<[u8]>, reason: &str) {
    let upstream = Upstream::start();
    upstream.on("/token", answer);
    let sidecar = Sidecar::before(&upstream).start();
    let response = sidecar.client().post_form("/token", "grant_type=x");
    assert_eq!(response.body, body.as_ref(), "{reason}");
    assert_eq!(sidecar.passed(reason), 1, "{reason}: {}", sidecar.admin("/metrics").1);
}

#[track_caller]
fn assert_body_passes(body: &str, reason: &str) {
    assert_passes(Answer::json(body), body, reason);
}

#[track_caller]
fn assert_token_passes(token: &str, reason: &str) {
    assert_body_passes(&tokens::token_response(token), reason);
}

#[test]
fn not_json() {
    assert_body_passes("access_token=x&id_token=y", "not_json");
    assert_body_passes("", "not_json");
    assert_body_passes("{\"id_token\":\"x\"} trailing", "not_json");
    assert_body_passes(&"[".repeat(10_000), "not_json");
    assert_body_passes("[1]", "not_an_object");
}

#[test]
fn not_utf_8() {
    let body = b"{\"id_token\":\"\xff\"}";
    assert_passes(Answer::json(body), body, "not_json");
}

#[test]
fn an_error_page() {
    let page = "<html>Sorry</html>";
    assert_passes(Answer::ok("text/html", page), page, "content_type");
}

#[test]
fn no_id_token() {
    assert_body_passes("{\"access_token\":\"x\",\"token_type\":\"bearer\"}", "no_id_token");
    assert_body_passes("{\"id_token\":7}", "no_id_token");
    assert_body_passes("{\"id_token\":null}", "no_id_token");
    assert_body_passes("{\"nested\":{\"id_token\":\"x\"}}", "no_id_token");
}

#[test]
fn threat_23_duplicate_members() {
    let token = tokens::id_token();
    assert_body_passes(
        &format!("{{\"id_token\":\"{token}\",\"id_token\":\"x\"}}"),
        "duplicate_member",
    );
    assert_body_passes(
        &format!("{{\"id_token\":\"{token}\",\"\\u0069d_token\":\"x\"}}"),
        "duplicate_member",
    );
}

#[test]
fn a_signature_by_another_key() {
    assert_token_passes(&Key::stranger().sign(PLAIN, &claims()), "signature");
}

#[test]
fn a_signature_of_another_token() {
    let (good, other) = (tokens::id_token(), Key::idp().sign(PLAIN, "{}"));
    let (input, _) = good.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    assert_token_passes(&format!("{input}.{signature}"), "signature");
}

#[test]
fn threat_03_another_issuer() {
    for issuer in ["https://evil.test", "https://idp.test/", "HTTPS://idp.test", ""] {
        let token = Key::idp().sign(PLAIN, &claims_with(issuer, now() + 60));
        assert_token_passes(&token, "issuer");
    }
}

#[test]
fn threat_39_a_token_out_of_its_time() {
    assert_token_passes(
        &Key::idp().sign(PLAIN, &claims_with(tokens::ISSUER, now() - 61)),
        "expired",
    );
    let later =
        format!(r#"{{"iss":"https://idp.test","aud":"a","exp":{0},"nbf":{0}}}"#, now() + 120);
    assert_token_passes(&Key::idp().sign(PLAIN, &later), "not_yet");
}

#[test]
fn no_signature_at_all() {
    let payload = tokens::encode(claims());
    for alg in ["none", "None", "nOnE"] {
        let header = tokens::encode(format!("{{\"alg\":\"{alg}\"}}"));
        let upstream = Upstream::start();
        let token = format!("{header}.{payload}.");
        upstream.issue(&token);
        let sidecar = Sidecar::before(&upstream).start();
        let response = sidecar.client().post_form("/token", "grant_type=x");
        assert_eq!(response.text(), tokens::token_response(&token));
        assert_eq!(sidecar.passed("alg") + sidecar.passed("not_a_jws"), 1, "{alg}");
    }
}

#[test]
fn the_public_key_for_a_secret() {
    assert_token_passes(&Key::idp().hmac_with_public_half(&claims()), "alg");
}

#[test]
fn what_is_no_id_token() {
    assert_token_passes("not.a.jws", "not_a_jws");
    assert_token_passes("a.b.c.d.e", "encrypted");
    assert_token_passes(&Key::idp().sign(r#"{"alg":"RS256","typ":"at+jwt"}"#, &claims()), "type");
    assert_token_passes(
        &Key::idp().sign(r#"{"alg":"RS256","crit":["x"],"x":1}"#, &claims()),
        "extension",
    );
    assert_token_passes(&Key::idp().sign(PLAIN, "{\"iss\":\"https://idp.test\"}"), "claims");
    let carried = claims().replacen('{', "{\"_kidstamp\":\"a.b\",", 1);
    assert_token_passes(&Key::idp().sign(PLAIN, &carried), "carrier_claim");
}

#[test]
fn a_coding_that_nobody_asked_for() {
    let body = b"\x1f\x8b\x08\x00 whatever this is";
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    assert_passes(Answer::raw(head).then(body), body, "encoded");
}

#[test]
fn a_length_that_does_not_come() {
    let upstream = Upstream::start();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n";
    let part = &tokens::token_response(&tokens::id_token())[..200];
    upstream.on("/token", Answer::raw(head).then(part).then_close());
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    let response = client.post_form("/token", "grant_type=x");
    assert_eq!(
        (response.text().as_str(), response.end),
        (part, End::Broken),
        "as far as it came, and broken"
    );
    assert_eq!(response.header("content-length"), Some("5000"));
    assert_eq!(client.rest(), "", "and closed");
    assert_eq!(sidecar.passed("truncated"), 1);
}

#[test]
fn chunks_that_are_cut_off() {
    let upstream = Upstream::start();
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    upstream.on("/token", Answer::raw(head).then("5\r\n{\"a\":\r\nff\r\n1").then_close());
    let sidecar = Sidecar::before(&upstream).start();
    let response = sidecar.client().post_form("/token", "grant_type=x");
    assert_eq!((response.text().as_str(), response.end), ("{\"a\":1", End::Broken));
    assert_eq!(sidecar.passed("truncated"), 1);
}

/// A body that is longer than kidstamp buffers goes through as it is.
#[test]
fn threat_30_a_response_over_the_limit() {
    for announced in [true, false] {
        let upstream = Upstream::start();
        let token = tokens::id_token();
        let body = format!("{{\"id_token\":\"{token}\",\"pad\":\"{}\"}}", "x".repeat(10_000));
        let answer = if announced {
            Answer::json(&body)
        } else {
            Answer::raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
                .then(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()))
        };
        upstream.on("/token", answer);
        let sidecar =
            Sidecar::before(&upstream).with("server.limits.rewritten_body_bytes = 4096").start();
        let response = sidecar.client().post_form("/token", "grant_type=x");
        assert_eq!((response.text(), response.end), (body, End::Complete));
        assert_eq!(sidecar.passed("too_large"), 1);
    }
}

#[test]
fn error_responses() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream).start();
    for status in [400, 401, 500, 503] {
        let body = format!("{{\"error\":\"e\",\"id_token\":\"{}\"}}", tokens::id_token());
        let head = format!(
            "HTTP/1.1 {status} Odd Reason\r\nContent-Type: application/json\r\nETag: \"e\"\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        upstream.on("/token", Answer::raw(head).then(&body));
        let response = sidecar.client().post_form("/token", "grant_type=x");
        assert_eq!((response.status, response.text()), (status, body));
        assert_eq!(response.header("etag"), Some("\"e\""));
    }
    assert!(
        !sidecar.admin("/metrics").1.contains("kidstamp_tokens_total{"),
        "nothing to decide on"
    );
}

#[test]
fn tokens_that_the_mode_lets_pass() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream).with("tokens.id_token = \"pass\"").start();
    let original = tokens::id_token();
    upstream.issue(&original);
    let response = sidecar.client().post_form("/token", "grant_type=x");
    assert_eq!(response.text(), tokens::token_response(&original));
    assert_eq!(sidecar.passed("mode"), 1);
}
