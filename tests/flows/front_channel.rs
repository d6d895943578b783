//! Tokens that come through the browser.

use crate::stage::{Stage, field, forge, page};
use http::{Response, StatusCode};
use kidstamp::demo::http::redirect;
use kidstamp::token::restore;
use serde_json::json;

/// Query and fragment of a `Location`, with the value of `name` cut out.
pub(crate) fn taken_out(location: &str, name: &str) -> (String, String) {
    let (before, rest) = location.split_once(&format!("{name}=")).unwrap();
    let (value, after) = rest.split_once('&').unwrap_or((rest, ""));
    (value.to_owned(), format!("{before}|{after}"))
}

pub(crate) fn location(response: &Response<String>) -> String {
    field(response.headers(), "location").unwrap().to_owned()
}

#[tokio::test]
async fn a_redirect_brings_a_token_that_names_its_key() {
    let stage = Stage::start("").await;
    let original = stage.token("JWT", json!({"nonce": "n"}));
    for (path, before) in [
        ("/authorize", format!("https://rp.test/cb?x=%2f#code=c&id_token={original}&state=a%20b")),
        // Where login pages lead.
        ("/login/done", format!("https://rp.test/cb#id_token={original}&state=")),
        ("/authorize", format!("com.example:/cb?id_token={original}")),
    ] {
        stage.answer(path, redirect(&before));
        let response = stage.get(&format!("{path}?client_id=rp&state=a%20b")).await;
        assert_eq!(response.status(), StatusCode::FOUND);
        let (new, around) = taken_out(&location(&response), "id_token");
        assert_eq!(around, taken_out(&before, "id_token").1);
        assert!(stage.accepts(&new).await);
        assert_eq!(restore(&new).as_ref(), Some(&original));
    }
}

#[tokio::test]
async fn a_page_that_posts_itself_brings_one_too() {
    let stage = Stage::start("").await;
    let original = stage.token("JWT", json!({"nonce": "n"}));
    let html = format!(
        "<!DOCTYPE html><title>é</title><form method='post' action='https://rp.test/cb'>\r\n\
         <input type=\"hidden\" name=\"state\" value=\"a&amp;b\"/><INPUT VALUE='{original}' \
         NAME=id_token TYPE=hidden></form>"
    );
    for path in ["/authorize", "/login/form"] {
        stage.answer(path, page(&html));
        let response = stage.post(path, "application/x-www-form-urlencoded", "user=u").await;
        let (before, rest) = html.split_once(&original).unwrap();
        let new = response.body().strip_prefix(before).unwrap().strip_suffix(rest).unwrap();
        assert!(stage.accepts(new).await);
        assert_eq!(restore(new).as_ref(), Some(&original));
        let length = response.body().len().to_string();
        assert_eq!(field(response.headers(), "content-length"), Some(length.as_str()));
        assert_eq!(field(response.headers(), "etag"), None);
        assert_eq!(field(stage.asked(path).headers(), "accept-encoding"), Some("identity"));
    }
    // Without a form that brings a token it passes with all of its fields.
    stage.answer("/authorize", page("<form><input type=hidden name=csrf value=x></form>"));
    let response = stage.get("/authorize").await;
    assert_eq!(field(response.headers(), "etag"), Some("\"page\""));
    assert_eq!(response.body(), "<form><input type=hidden name=csrf value=x></form>");
}

#[tokio::test]
async fn threat_01_a_token_of_the_client_is_not_signed() {
    let stage = Stage::start("").await;
    let token = stage.token("JWT", json!({}));
    let before = format!("https://rp.test/cb?id_token={token}&code=c");
    stage.answer("/authorize", redirect(&before));
    let encoded = token.replace('.', "%252E");
    let target =
        format!("/authorize?redirect_uri=https%3A%2F%2Frp.test%2Fcb%3Fid_token%3D{encoded}");
    assert_eq!(location(&stage.get(&target).await), before);
    // The same without it in the request: it was the client's doing that made the difference.
    assert_ne!(location(&stage.get("/authorize").await), before);
}

#[tokio::test]
async fn threat_33_what_is_no_token_of_the_provider_leaves_the_location_as_it_was() {
    let stage = Stage::start("").await;
    let token = stage.token("JWT", json!({}));
    let forged = forge(&token);
    for before in [
        format!("https://rp.test/cb#id_token={forged}"),
        format!("https://rp.test/cb#id_token={token}&id_token={token}"),
        format!("https://rp.test/id_token={token}"),
        "https://idp.test.evil/cb#id_token=%0d%0aSet-Cookie:x".to_owned(),
        "https://rp.test/cb?code=c&state=s".to_owned(),
        "/relative".to_owned(),
    ] {
        stage.answer("/authorize", redirect(&before));
        let response = stage.get("/authorize").await;
        assert_eq!(location(&response), before);
        assert_eq!(field(response.headers(), "set-cookie"), None);
    }
}

/// Scheme, authority and path of a redirect are the provider's alone, however much they look like something of ours.
#[tokio::test]
async fn threat_34_where_a_redirect_leads_never_changes() {
    let stage = Stage::start("").await;
    let token = stage.token("JWT", json!({}));
    let upstream = stage.provider();
    for place in [
        "https://idp.test/cb",
        "https://idp.test.evil/cb",
        "https://idp.test@evil.test/cb",
        "https://evil.test/https://idp.test/cb",
        "https://idp.test:443/cb",
        "https://IDP.TEST/cb",
        "http://idp.test/cb",
        "//idp.test/cb",
        "//evil.test/cb",
        "/\\evil.test/cb",
        "https:evil.test",
        "https:///evil.test",
        "javascript:alert(1)//",
        "data:text/html,x",
        "myapp://cb",
        "/relative/../cb",
        "cb",
        "",
        upstream,
        &format!("{upstream}.evil.test/cb"),
        &format!("{}/cb", stage.kidstamp()),
    ] {
        for mark in ['?', '#'] {
            let before = format!("{place}{mark}id_token={token}");
            stage.answer("/authorize", redirect(&before));
            let after = location(&stage.get("/authorize").await);
            let new = after.strip_prefix(&format!("{place}{mark}id_token=")).unwrap();
            assert_eq!(restore(new).as_ref(), Some(&token), "{place}");
        }
    }
}

#[tokio::test]
async fn hybrid_and_jarm_as_configured() {
    let stage = Stage::start("tokens.access_token = \"resign\"\ntokens.jarm = \"auto\"").await;
    let id_token = stage.token("JWT", json!({}));
    let access_token = stage.token("at+jwt", json!({"aud": "api", "client_id": "rp"}));
    let hybrid = |id_token: &str, token_type: &str| {
        format!(
            "https://rp.test/cb#access_token={access_token}&token_type={token_type}&id_token={id_token}"
        )
    };
    stage.answer("/authorize", redirect(&hybrid(&id_token, "Bearer")));
    let new = location(&stage.get("/authorize").await);
    for (name, original) in [("access_token", &access_token), ("id_token", &id_token)] {
        let (token, _) = taken_out(&new, name);
        assert!(stage.accepts(&token).await, "{name}");
        assert_eq!(restore(&token).as_ref(), Some(original), "{name}");
    }
    // Bound to a key: left alone.
    stage.answer("/authorize", redirect(&hybrid(&id_token, "DPoP")));
    let new = location(&stage.get("/authorize").await);
    assert_eq!(taken_out(&new, "access_token").0, access_token);
    let jarm = stage.token("JWT", json!({"code": "c", "state": "s"}));
    stage.answer("/authorize", redirect(&format!("https://rp.test/cb?response={jarm}")));
    let (new, _) = taken_out(&location(&stage.get("/authorize").await), "response");
    assert!(stage.accepts(&new).await);
    assert_eq!(restore(&new), Some(jarm));
}

#[tokio::test]
async fn annotate_says_which_key_and_changes_nothing() {
    let stage = Stage::start("tokens.id_token = \"annotate\"").await;
    let token = stage.token("JWT", json!({}));
    let before = format!("https://rp.test/cb#id_token={token}");
    let mut answer = redirect(&before);
    answer.headers_mut().insert("kidstamp-jarm", "forged".parse().unwrap());
    stage.answer("/authorize", answer);
    let response = stage.get("/authorize").await;
    assert_eq!(location(&response), before);
    let set: serde_json::Value = serde_json::from_str(stage.get("/jwks").await.body()).unwrap();
    let kid = set["keys"][0]["kid"].as_str().unwrap();
    let told = field(response.headers(), "kidstamp-id-token").unwrap();
    assert_eq!(told, format!("verified; kid=\"{kid}\"; alg=\"RS256\""));
    assert_eq!(field(response.headers(), "kidstamp-jarm"), None);
    let body = format!("{{\n  \"token_type\":\"Bearer\",\n  \"id_token\":\"{token}\"\n}}");
    stage.answer("/token", kidstamp::demo::http::json(StatusCode::OK, &body));
    let response = stage.post("/token", "application/x-www-form-urlencoded", "a=b").await;
    assert_eq!(field(response.headers(), "kidstamp-id-token"), Some(told));
    let told: serde_json::Value = serde_json::from_str(response.body()).unwrap();
    assert_eq!(told["id_token_kid"], kid);
    assert_eq!(told["id_token"], token);
}
