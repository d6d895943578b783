//! Documents and responses that are compressed though nobody asked for it: read where that is safe, and else left.

use crate::{Answer, Key, Sidecar, Upstream, eventually, tokens};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn encoded(coding: &str, body: &[u8]) -> Answer {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: {coding}\r\n\
         Content-Length: {}\r\nETag: \"compressed\"\r\nCache-Control: max-age=1\r\n\r\n",
        body.len()
    );
    Answer::raw(head).then(body)
}

fn set() -> String {
    format!("{{\"keys\":[{}]}}", Key::idp().jwk(""))
}

#[test]
fn a_compressed_set_and_a_compressed_discovery_document_are_served() {
    let upstream = Upstream::start();
    upstream.on("/jwks.json", encoded("gzip", &gzip(set().as_bytes())));
    let discovery = gzip(tokens::discovery().as_bytes());
    upstream.on("/.well-known/openid-configuration", encoded("gzip", &discovery));
    let sidecar = Sidecar::before(&upstream).start();
    let response = sidecar.client().get("/jwks.json");
    assert_eq!(response.header("content-encoding"), None);
    assert!(response.text().contains(&Key::idp().thumbprint()), "{response:?}");
}

/// threat_44: what described the compressed body goes with it.
#[test]
fn threat_44_a_compressed_token_response_is_treated_and_described_anew() {
    let upstream = Upstream::start();
    let body = tokens::token_response(&tokens::id_token());
    upstream.on("/token", encoded("gzip", &gzip(body.as_bytes())));
    let sidecar = Sidecar::before(&upstream).start();
    let response = sidecar.client().post_form("/token", "grant_type=x");
    for field in ["content-encoding", "etag"] {
        assert_eq!(response.header(field), None, "{field}");
    }
    assert_eq!(response.header("content-length"), Some(response.body.len().to_string().as_str()));
    assert_eq!(sidecar.resigned("kid_missing"), 1);
    let json: serde_json::Value = serde_json::from_slice(&response.body).expect("plain JSON");
    assert_ne!(json["id_token"], tokens::id_token());
}

#[test]
fn threat_29_bombs_pass_unread_and_never_replace_a_good_set() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream)
        .with("jwks.refresh_min = \"100ms\"\njwks.refresh_max = \"100ms\"")
        .start();
    let good = sidecar.jwks();
    let bomb = gzip(&vec![b' '; 10 << 20]);
    let twice = gzip(&gzip(set().as_bytes()));
    let whole = gzip(set().as_bytes());
    let cut = &whole[..whole.len() / 2];
    for (coding, body) in
        [("gzip", &bomb[..]), ("gzip", &twice), ("gzip, gzip", &twice), ("gzip", cut), ("br", cut)]
    {
        // At the token endpoint they pass to whoever asked, to the byte.
        upstream.on("/token", encoded(coding, body));
        let response = sidecar.client().post_form("/token", "grant_type=x");
        let is_plain = response.header("content-encoding").is_none();
        // Of two codings, of which one is named, the named one is undone.
        let expected = if is_plain { gzip(set().as_bytes()) } else { body.to_vec() };
        assert!(response.body == expected, "{coding}: {} bytes", response.body.len());
        assert_eq!(is_plain, coding == "gzip" && body == twice, "{coding}");
        // As key sets they are refused, and the last good one goes on.
        let failures = "kidstamp_snapshot_refreshes_total{result=\"failure\"}";
        let before = sidecar.metric(failures);
        upstream.on("/jwks.json", encoded(coding, body));
        eventually("it is fetched and refused", || {
            (sidecar.metric(failures) > before).then_some(())
        });
        assert_eq!(sidecar.jwks(), good);
        upstream.on("/jwks.json", encoded("identity", set().as_bytes()));
        let successes = "kidstamp_snapshot_refreshes_total{result=\"success\"}";
        let before = sidecar.metric(successes);
        eventually("a good one is taken again", || {
            (sidecar.metric(successes) > before).then_some(())
        });
    }
}

#[test]
fn the_ratio_can_be_set() {
    let upstream = Upstream::start();
    // A good set in a great many blanks.
    let padded = format!("{}{}", " ".repeat(100_000), set());
    upstream.on("/jwks.json", encoded("gzip", &gzip(padded.as_bytes())));
    let sidecar =
        Sidecar::before(&upstream).with("server.limits.decompression_ratio = 1000").start();
    assert_eq!(sidecar.client().get("/jwks.json").status, 200);
    let sidecar =
        Sidecar::before(&upstream).with("server.limits.decompression_ratio = 10").start_blind();
    eventually("it is refused for that", || {
        sidecar.admin("/readyz").1.contains("more than 10 times").then_some(())
    });
}
