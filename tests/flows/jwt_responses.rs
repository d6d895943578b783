//! Responses that are one JWT.

use crate::stage::{Stage, field, forge};
use http::{HeaderValue, Response};
use kidstamp::clock;
use kidstamp::token::restore;
use serde_json::{Value, json};

fn jwt(media: &'static str, token: &str) -> Response<String> {
    let mut response = Response::new(token.to_owned());
    response.headers_mut().insert("content-type", HeaderValue::from_static(media));
    response
}

fn introspection(stage: &Stage) -> String {
    let claims = json!({
        "exp": clock::now() + 60,
        "token_introspection": {"active": true, "exp": 1.50},
    });
    stage.token("token-introspection+jwt", claims)
}

#[tokio::test]
async fn userinfo_and_introspection_are_signed_anew_where_asked() {
    let stage = Stage::start("tokens.userinfo = \"auto\"\ntokens.introspection = \"auto\"").await;
    let userinfo = stage.token("JWT", json!({"name": "U"}));
    stage.answer("/userinfo", jwt("application/jwt", &userinfo));
    let response = stage.get("/userinfo").await;
    assert!(stage.accepts(response.body()).await);
    assert_eq!(restore(response.body()), Some(userinfo));
    let length = response.body().len().to_string();
    assert_eq!(field(response.headers(), "content-length"), Some(length.as_str()));
    let told = introspection(&stage);
    stage.answer("/introspect", jwt("application/token-introspection+jwt", &told));
    let form = "application/x-www-form-urlencoded";
    let response = stage.post("/introspect", form, "token=x").await;
    assert!(stage.accepts(response.body()).await);
    assert_eq!(restore(response.body()), Some(told));
}

#[tokio::test]
async fn by_default_they_pass() {
    let stage = Stage::start("").await;
    let userinfo = stage.token("JWT", json!({}));
    stage.answer("/userinfo", jwt("application/jwt", &userinfo));
    assert_eq!(*stage.get("/userinfo").await.body(), userinfo);
    let told = introspection(&stage);
    stage.answer("/introspect", jwt("application/token-introspection+jwt", &told));
    assert_eq!(*stage.get("/introspect").await.body(), told);
}

/// Threat 49: what does not fit the endpoint is no token of it.
#[tokio::test]
async fn threat_49_only_what_fits_the_endpoint_is_signed() {
    let stage =
        Stage::start("tokens.userinfo = \"resign\"\ntokens.introspection = \"resign\"").await;
    let without = |name: &str| stage.token("JWT", json!({name: Value::Null}));
    let cases = [
        ("/userinfo", "application/jwt", without("iss")),
        ("/userinfo", "application/jwt", without("aud")),
        ("/userinfo", "application/jwt", without("sub")),
        ("/userinfo", "application/jwt", stage.token("JWT", json!({"iss": "https://other.test"}))),
        ("/userinfo", "application/jwt", stage.token("at+jwt", json!({}))),
        ("/userinfo", "application/jwt", introspection(&stage)),
        ("/userinfo", "text/plain", stage.token("JWT", json!({}))),
        ("/introspect", "application/jwt", stage.token("JWT", json!({}))),
        ("/introspect", "application/jwt", stage.token("token-introspection+jwt", json!({}))),
        ("/elsewhere", "application/jwt", stage.token("JWT", json!({}))),
    ];
    for (path, media, token) in cases {
        stage.answer(path, jwt(media, &token));
        assert_eq!(*stage.get(path).await.body(), token, "{path} {media}");
    }
}

/// The claims of a userinfo response go on without the signature, to the letter, once it was verified.
#[tokio::test]
async fn userinfo_becomes_json_where_asked() {
    let stage = Stage::start("tokens.userinfo = \"json\"").await;
    let userinfo = stage.token("JWT", json!({"name": "U\u{e9}", "n": 1.50}));
    let payload = userinfo.split('.').nth(1).unwrap();
    let payload = kidstamp::jose::base64url::decode(payload).unwrap();
    let mut signed = jwt("application/jwt", &userinfo);
    signed.headers_mut().insert("etag", HeaderValue::from_static("\"old\""));
    stage.answer("/userinfo", signed);
    let response = stage.get("/userinfo").await;
    assert_eq!(response.body().as_bytes(), payload);
    assert_eq!(field(response.headers(), "content-type"), Some("application/json"));
    assert_eq!(field(response.headers(), "etag"), None);
    let length = payload.len().to_string();
    assert_eq!(field(response.headers(), "content-length"), Some(length.as_str()));
    let forged = forge(&userinfo);
    for token in [forged, stage.token("JWT", json!({"iss": "https://other.test"}))] {
        stage.answer("/userinfo", jwt("application/jwt", &token));
        let response = stage.get("/userinfo").await;
        assert_eq!(*response.body(), token, "what does not verify stays");
        assert_eq!(field(response.headers(), "content-type"), Some("application/jwt"));
    }
}
