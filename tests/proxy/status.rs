//! The status page and its data: what an operator wants to know, and nothing that anybody could misuse.

use crate::{Answer, Key, Response, Sidecar, Upstream, eventually, tokens};
use serde_json::Value;

fn json(sidecar: &Sidecar) -> Value {
    let (status, body) = sidecar.admin("/status.json");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn page(sidecar: &Sidecar) -> Response {
    sidecar.ask_admin("GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

fn login(sidecar: &Sidecar) -> String {
    tokens::id_token_of(&sidecar.client().post_form("/token", "grant_type=x").text())
}

#[test]
fn the_status_tells_of_issuers_findings_keys_and_tokens() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream).start();
    login(&sidecar);
    let status = json(&sidecar);
    assert_eq!(status["level"], "ok", "{status:#}");
    assert_eq!(status["serving"], true);
    assert_eq!(status["upstream"], format!("http://{}", upstream.address()));
    let issuer = &status["issuers"][0];
    assert_eq!(issuer["issuer"], "https://idp.test");
    assert_eq!(issuer["usable"], true);
    assert!(issuer["age_seconds"].as_i64().is_some_and(|age| (0..60).contains(&age)), "{issuer:#}");
    let finding = &issuer["findings"][0];
    assert_eq!(
        (finding["rule"].as_str(), finding["effect"].as_str()),
        (Some("jwks/kid-missing"), Some("repaired"))
    );
    assert_eq!(finding["summary"], "a key has no kid");
    assert!(finding["reference"].as_str().is_some_and(|text| text.contains("RFC 7517")));
    let bridge = Key::bridge().thumbprint();
    assert_eq!(issuer["bridge_keys"][0]["kid"], bridge.as_str());
    let published = issuer["published"].as_array().unwrap();
    let of = |by: &str| published.iter().find(|key| key["by"] == by).unwrap()["kid"].clone();
    assert_eq!(of("kidstamp"), bridge.as_str());
    assert_eq!(of("provider"), Key::idp().thumbprint().as_str());
    let resigned =
        status["tokens"].as_array().unwrap().iter().find(|row| row["action"] == "resign");
    assert_eq!(resigned.unwrap()["reason"], "kid_missing");

    let page = page(&sidecar);
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let html = page.text();
    for word in
        ["jwks/kid-missing", "https://idp.test", &bridge, "kid_missing", "The bridge is needed"]
    {
        assert!(html.contains(word), "{word} in {html}");
    }
    assert!(!html.contains("<script") && !html.contains("http-equiv"), "{html}");
}

#[test]
fn the_status_says_whether_the_bridge_is_needed() {
    let upstream = Upstream::start();
    let needed = |sidecar: &Sidecar, reason: &str| {
        sidecar.metric(&format!("kidstamp_bridge_needed{{reason=\"{reason}\"}}"))
    };
    let sidecar = Sidecar::before(&upstream).start();
    assert_eq!((needed(&sidecar, "repair"), needed(&sidecar, "live_tokens")), (1, 0));
    let token = login(&sidecar);
    assert_eq!((needed(&sidecar, "live_tokens"), needed(&sidecar, "restore")), (1, 0));
    sidecar.client().get(&format!("/end?id_token_hint={token}"));
    assert_eq!(needed(&sidecar, "restore"), 1);
    assert_eq!(json(&sidecar)["bridge"]["restore"], true);
    // A provider that was mended has nothing to repair.
    let kid = Key::idp().thumbprint();
    upstream.publish(&[Key::idp().jwk(&format!(",\"kid\":\"{kid}\""))]);
    let discovery =
        tokens::discovery().replacen('{', "{\"subject_types_supported\":[\"public\"],", 1);
    upstream.on("/.well-known/openid-configuration", Answer::json(discovery));
    let mended = Sidecar::before(&upstream).start();
    for reason in ["repair", "restore", "live_tokens"] {
        assert_eq!(needed(&mended, reason), 0, "{reason}");
    }
    let bridge = &json(&mended)["bridge"];
    assert_eq!(bridge["can_go"], false, "not watched for long enough: {bridge}");
}

#[test]
fn what_passes_is_counted_with_what_to_do() {
    let upstream = Upstream::start();
    upstream.issue(&Key::stranger().sign(tokens::PLAIN, &tokens::claims()));
    let sidecar = Sidecar::before(&upstream).start();
    login(&sidecar);
    let status = json(&sidecar);
    assert_eq!(status["level"], "attention");
    let rows = status["tokens"].as_array().unwrap();
    let passed = rows.iter().find(|row| row["reason"] == "signature").unwrap();
    assert_eq!(passed["count"], 1);
    assert!(passed["advice"].as_str().is_some_and(|advice| advice.contains("jwks_uri")));
    assert!(page(&sidecar).text().contains("share their keys"));
}

#[test]
fn a_compromised_key_and_a_provider_that_is_away_are_alarming() {
    let upstream = Upstream::start();
    let private = Key::idp().private_members();
    upstream.publish(&[Key::idp().jwk(&format!(",\"d\":\"{}\"", private[0]))]);
    let sidecar = Sidecar::before(&upstream).start();
    let status = json(&sidecar);
    assert_eq!(status["level"], "alarm", "{status:#}");
    assert_eq!(page(&sidecar).text().matches(&private[0]).count(), 0);
    let upstream = Upstream::start();
    upstream.on("/jwks.json", Answer::raw("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"));
    let sidecar = Sidecar::before(&upstream).start_blind();
    let status = eventually("the failure is told", || {
        let status = json(&sidecar);
        status["issuers"][0]["error"].is_string().then_some(status)
    });
    assert_eq!(
        (status["level"].as_str(), &status["issuers"][0]["usable"]),
        (Some("alarm"), &Value::Bool(false))
    );
}

/// threat_36: what a provider writes does nothing in an operator's browser, and no web site gets at the page.
#[test]
fn threat_36_the_page_is_harmless_and_only_for_those_who_ask_by_address() {
    const EVIL: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>\\\"'&";
    let upstream = Upstream::start();
    upstream.publish(&[
        Key::idp().jwk(&format!(",\"kid\":\"{EVIL}\"")),
        Key::next().jwk(&format!(",\"kid\":\"{EVIL}\"")),
    ]);
    let sidecar = Sidecar::before(&upstream).start();
    let html = page(&sidecar).text();
    assert!(html.contains("&lt;script&gt;alert(1)"), "it is shown: {html}");
    assert!(!html.contains("<script") && !html.contains("<img"), "and does nothing: {html}");
    for path in ["/status", "/status.json", "/metrics"] {
        let ask = |request: &str| sidecar.ask_admin(request).status;
        assert_eq!(ask(&format!("GET {path} HTTP/1.1\r\nHost: rebound.evil.test\r\n\r\n")), 421);
        assert_eq!(ask(&format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:9180\r\n\r\n")), 200);
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let request =
                format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(ask(&request), 405, "{method}");
        }
        // To clients of the proxy it is a path of the provider's.
        assert_eq!(sidecar.client().get(path).text(), "ok");
    }
    let mut head = crate::Client::connect(sidecar.admin_address());
    head.send("HEAD /status HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(head.response_head().unwrap().status, 200);
    let next = head.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").response();
    assert_eq!(next.text(), "ok\n", "nothing of a body stood in between");
}

#[test]
fn a_setting_that_opens_every_door_turns_the_status_red() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream).with("jwks.publish_compromised = true").start();
    let status = json(&sidecar);
    assert_eq!(status["level"], "alarm");
    assert!(
        status["warnings"][0].as_str().is_some_and(|text| text.contains("publish_compromised"))
    );
}
