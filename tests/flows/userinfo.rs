//! Userinfo as plain JSON: what the rules are about is mended, and all else is the provider's, to the byte.

use crate::stage::{Stage, field};
use http::{HeaderValue, Request, Response, StatusCode};
use kidstamp::demo::http::{json, send};
use serde_json::json;

const OFF: &str =
    "[rules]\n\"userinfo/verified-string\" = \"off\"\n\"userinfo/updated-at-text\" = \"off\"\n";

fn answer(media: &'static str, body: &str) -> Response<String> {
    let mut response = Response::new(body.to_owned());
    response.headers_mut().insert("content-type", HeaderValue::from_static(media));
    response.headers_mut().insert("etag", HeaderValue::from_static("\"v1\""));
    response
}

async fn ask(stage: &Stage) -> Response<String> {
    let request = Request::get(format!("{}/userinfo", stage.kidstamp()));
    send(request.header("authorization", "Bearer opaque").body(String::new()).unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn claims_of_another_type_are_mended() {
    let stage = Stage::start("").await;
    let before = r#"{"sub":"7", "email_verified": "true","updated_at":"1790000000","n":1.50}"#;
    let after = r#"{"sub":"7", "email_verified": true,"updated_at":1790000000,"n":1.50}"#;
    for media in ["application/json", "application/json;charset=UTF-8"] {
        stage.answer("/userinfo", answer(media, before));
        let response = ask(&stage).await;
        assert_eq!(response.body(), after, "{media}");
        assert_eq!(field(response.headers(), "etag"), None, "it was that of another text");
        assert_eq!(
            field(response.headers(), "content-length"),
            Some(after.len().to_string().as_str())
        );
        assert_eq!(field(response.headers(), "content-type"), Some(media));
    }
    assert_eq!(field(stage.asked("/userinfo").headers(), "accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn what_is_in_order_or_no_userinfo_stays() {
    let stage = Stage::start("").await;
    for (media, body) in [
        ("application/json", r#"{ "sub":"7","email_verified":true }"#),
        ("application/json", r#"{"email_verified":"true","email_verified":"false"}"#),
        ("application/json", r#"{"email_verified":"true""#),
        ("application/json", "\"true\""),
        ("text/plain", r#"{"email_verified":"true"}"#),
    ] {
        stage.answer("/userinfo", answer(media, body));
        let response = ask(&stage).await;
        assert_eq!(response.body(), body);
        assert_eq!(field(response.headers(), "etag"), Some("\"v1\""), "{body}");
    }
    let mut refused = json(StatusCode::UNAUTHORIZED, json!({"email_verified": "true"}));
    refused.headers_mut().insert("etag", HeaderValue::from_static("\"v1\""));
    stage.answer("/userinfo", refused);
    assert_eq!(ask(&stage).await.body(), r#"{"email_verified":"true"}"#);
}

/// Then the response streams, and the request is the client's own.
#[tokio::test]
async fn where_the_rules_are_off_nobody_looks() {
    let stage = Stage::start(OFF).await;
    let body = r#"{"sub":"7","email_verified":"true"}"#;
    stage.answer("/userinfo", answer("application/json", body));
    assert_eq!(ask(&stage).await.body(), body);
    assert_eq!(field(stage.asked("/userinfo").headers(), "accept-encoding"), None);
}

/// A JWT that goes on as its claims is userinfo as JSON, too.
#[tokio::test]
async fn what_a_jwt_says_is_mended_when_it_goes_on_as_json() {
    let stage = Stage::start("[tokens]\nuserinfo = \"json\"\n").await;
    let token = stage.token("JWT", json!({"email_verified": "false"}));
    stage.answer("/userinfo", answer("application/jwt", &token));
    let response = ask(&stage).await;
    assert_eq!(field(response.headers(), "content-type"), Some("application/json"));
    assert!(response.body().contains(r#""email_verified":false"#), "{}", response.body());
    // One that passes is not read at all.
    let stage = Stage::start("").await;
    let token = stage.token("JWT", json!({"email_verified": "false"}));
    stage.answer("/userinfo", answer("application/jwt", &token));
    assert_eq!(ask(&stage).await.body(), &token);
}
