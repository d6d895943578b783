//! The key set: repaired, the same for everyone, and never the provider's own.

use crate::{Answer, Key, Response, Sidecar, Upstream};
use serde_json::Value;
use std::collections::HashSet;

/// A provider whose set has an `ETag` and headers of its own.
fn legacy() -> Upstream {
    let upstream = Upstream::start();
    let set = format!("{{ \"keys\" : [ {} ] }}\n", Key::idp().jwk(""));
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"theirs\"\r\nCache-Control: max-age=120\r\n\
         Set-Cookie: lb=1\r\nContent-Length: {}\r\n\r\n",
        set.len()
    );
    upstream.on("/jwks.json", Answer::raw(head).then(set));
    upstream
}

fn ask(sidecar: &Sidecar, request: &str) -> Response {
    sidecar.client().send(request).response()
}

fn kids(set: &str) -> Vec<String> {
    let set: Value = serde_json::from_str(set).unwrap();
    let keys = set["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().expect("a string kid").to_owned()).collect()
}

#[test]
fn the_set_is_repaired_and_holds_the_bridge_key() {
    let upstream = legacy();
    let sidecar = Sidecar::before(&upstream).start();
    let response = sidecar.client().get("/jwks.json");
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("public, max-age=120"));
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    assert_eq!(response.header("set-cookie"), None);
    assert!(response.header("etag").is_some_and(|etag| etag != "\"theirs\""));
    assert_eq!(kids(&response.text()), [Key::idp().thumbprint(), Key::bridge().thumbprint()]);
    assert!(response.text().starts_with("{ \"keys\" : [ {"), "the blanks stay as they were");
    assert_eq!(upstream.requests().len(), 0, "served from memory");
}

#[test]
fn every_kid_is_a_string_and_stands_once_and_good_ones_stay() {
    let upstream = Upstream::start();
    let encryption = Key::next()
        .jwk(",\"kid\":\"good\"")
        .replace("\"sig\"", "\"enc\"")
        .replace("RS256", "RSA-OAEP");
    upstream.publish(&[
        Key::idp().jwk(",\"kid\":\"good\""),
        encryption,
        Key::stranger().jwk(",\"kid\":7"),
        r#"{"kty":"oct","k":"c2VjcmV0","kid":"secret"}"#.to_owned(),
    ]);
    let sidecar = Sidecar::before(&upstream).start();
    let set = sidecar.jwks();
    let kids = kids(&set);
    assert_eq!(kids[0], "good");
    assert_eq!(kids.len(), 4, "three of the provider's, and the bridge key: {kids:?}");
    assert_eq!(kids.iter().collect::<HashSet<_>>().len(), kids.len(), "{kids:?}");
    assert!(!set.contains("c2VjcmV0"), "a secret is not published");
}

#[test]
fn threat_06_private_members_are_never_published() {
    let upstream = Upstream::start();
    upstream.publish(&[
        Key::idp().jwk(",\"d\":\"cHJpdmF0ZQ\",\"p\":\"cA\",\"kid\":\"leaked\""),
        Key::next().jwk(""),
    ]);
    let sidecar = Sidecar::before(&upstream).start();
    let set: Value = serde_json::from_str(&sidecar.jwks()).unwrap();
    for key in set["keys"].as_array().unwrap() {
        let members: Vec<&String> = key.as_object().unwrap().keys().collect();
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(!members.iter().any(|member| *member == private), "{members:?}");
        }
        assert_ne!(key["kid"], "leaked");
    }
}

#[test]
fn threat_43_an_entity_tag_that_fits_gets_304() {
    let upstream = legacy();
    let sidecar = Sidecar::before(&upstream).start();
    let own = sidecar.client().get("/jwks.json").header("etag").unwrap().to_owned();
    let with = |tags: &str| {
        let request =
            format!("GET /jwks.json HTTP/1.1\r\nHost: idp.test\r\nIf-None-Match: {tags}\r\n\r\n");
        ask(&sidecar, &request)
    };
    for fits in [own.clone(), format!("W/{own}"), format!("\"x\", {own}"), "*".to_owned()] {
        let response = with(&fits);
        assert_eq!(response.status, 304, "{fits}");
        assert_eq!(response.header("etag"), Some(own.as_str()));
        assert_eq!(response.header("cache-control"), Some("public, max-age=120"));
        assert_eq!(response.header("content-type"), None);
    }
    for other in ["\"theirs\"", "W/\"theirs\"", "\"\"", "x"] {
        assert_eq!(with(other).status, 200, "{other}");
    }
}

#[test]
fn threat_43_head_tells_the_length_of_the_repaired_set() {
    let upstream = legacy();
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    let get = client.get("/jwks.json");
    client.send("HEAD /jwks.json HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    let head = client.response_head().unwrap();
    for field in ["content-length", "etag", "content-type", "cache-control"] {
        assert_eq!(head.header(field), get.header(field), "{field}");
    }
    assert_eq!(client.get("/x").text(), "ok", "no body stood in between");
}

#[test]
fn threat_43_no_other_spelling_of_the_path_shows_the_providers_own_set() {
    let upstream = legacy();
    let sidecar = Sidecar::before(&upstream).start();
    let repaired = sidecar.jwks();
    for alias in [
        "/%6awks.json",
        "/%6Awks%2Ejson",
        "//jwks.json",
        "/./jwks.json",
        "/a/../jwks.json",
        "/a/%2e%2e/jwks.json",
        "/a/..;/jwks.json",
        "/jwks.json/",
        "/jwks.json/.",
        "/jwks.json;x",
        "/JWKS.JSON",
        "/\\jwks.json",
        "/%5cjwks.json",
        "/jwks.json?x=1",
        "/jwks.json?",
        "/jwks.json#x",
        "/%2fjwks.json",
    ] {
        let response = sidecar.client().get(alias);
        assert_eq!((response.status, response.text()), (200, repaired.clone()), "{alias}");
    }
    let absolute =
        ask(&sidecar, "GET http://idp.test/jwks.json HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    assert_eq!(absolute.text(), repaired);
    assert_eq!(upstream.requests().len(), 0, "none of them reached the provider");
}

#[test]
fn other_methods_are_refused_here() {
    let upstream = legacy();
    let sidecar = Sidecar::before(&upstream).start();
    for method in ["POST", "PUT", "DELETE", "PATCH", "QUERY", "get"] {
        let request =
            format!("{method} /jwks.json HTTP/1.1\r\nHost: idp.test\r\nContent-Length: 0\r\n\r\n");
        let response = ask(&sidecar, &request);
        response.assert_refused(405, "method_not_allowed");
        assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS"));
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn browsers_may_ask_from_anywhere() {
    let upstream = legacy();
    let sidecar = Sidecar::before(&upstream).start();
    let response = ask(
        &sidecar,
        "OPTIONS /jwks.json HTTP/1.1\r\nHost: idp.test\r\nOrigin: https://rp.test\r\n\
         Access-Control-Request-Method: GET\r\n\r\n",
    );
    assert_eq!(response.status, 204);
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
}

/// threat_18: what is served depends on nothing that a client sends.
#[test]
fn threat_18_the_set_is_the_same_for_every_request() {
    let upstream = legacy();
    let sidecar = Sidecar::before(&upstream).start();
    let repaired = sidecar.client().get("/jwks.json");
    for fields in [
        "Host: evil.test\r\n",
        "Host: idp.test\r\nAccept: text/html\r\n",
        "Host: idp.test\r\nAccept-Encoding: gzip, br\r\n",
        "Host: idp.test\r\nAuthorization: Bearer x\r\n",
        "Host: idp.test\r\nCookie: a=b\r\n",
        "Host: idp.test\r\nX-Forwarded-Host: evil.test\r\n",
        "Host: idp.test\r\nRange: bytes=0-9\r\n",
        "Host: idp.test\r\nRange: bytes=0-9\r\nIf-Range: \"x\"\r\n",
        "Host: idp.test\r\nIf-Modified-Since: Mon, 23 Nov 2099 00:00:00 GMT\r\n",
        "Host: idp.test\r\nIf-Match: \"x\"\r\n",
    ] {
        let response = ask(&sidecar, &format!("GET /jwks.json HTTP/1.1\r\n{fields}\r\n"));
        assert_eq!((response.status, &response.body), (200, &repaired.body), "{fields}");
        assert_eq!(response.header("etag"), repaired.header("etag"));
        assert_eq!(response.header("vary"), None);
    }
}

/// CVE-2025-4366: what a request has for a body must not become the next request.
#[test]
fn threat_09_the_body_of_a_request_is_no_request() {
    let upstream = legacy();
    let sidecar = Sidecar::before(&upstream).start();
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: idp.test\r\n\r\n";
    let mut client = sidecar.client();
    client.send(format!(
        "GET /jwks.json HTTP/1.1\r\nHost: idp.test\r\nContent-Length: {}\r\n\r\n{smuggled}\
         GET /second HTTP/1.1\r\nHost: idp.test\r\nConnection: close\r\n\r\n",
        smuggled.len()
    ));
    assert_eq!(client.response().status, 200);
    assert_eq!(client.response().text(), "ok");
    assert_eq!(client.rest(), "", "exactly two responses");
    assert_eq!(upstream.request().path(), "/second");
}
