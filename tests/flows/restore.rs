//! Tokens on their way back, wherever a provider takes them.

use crate::stage::{Stage, field};
use http::StatusCode;
use kidstamp::demo::http::json as answer;
use serde_json::json;

/// A token of the provider, and how a relying party got it.
async fn resigned(stage: &Stage) -> (String, String) {
    let original = stage.token("JWT", json!({"nonce": "n"}));
    stage.answer("/token", answer(StatusCode::OK, json!({"id_token": original})));
    let form = "application/x-www-form-urlencoded";
    let response = stage.post("/token", form, "grant_type=x").await;
    let body: serde_json::Value = serde_json::from_str(response.body()).unwrap();
    (original, body["id_token"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_provider_sees_its_own_token() {
    let stage = Stage::start("").await;
    let (original, new) = resigned(&stage).await;
    assert_ne!(original, new);
    let multipart =
        "--B\r\nContent-Disposition: form-data; name=\"subject_token\"\r\n\r\nT\r\n--B--\r\n";
    for (path, media, body) in [
        ("/par", "application/x-www-form-urlencoded", "client_id=rp&id_token_hint=T&state=%41"),
        ("/token", "multipart/form-data; boundary=B", multipart),
        ("/token", "application/json", "{ \"grant_type\":\"x\", \"assertion\":\"T\" }"),
        ("/introspect", "application/json; charset=utf-8", "{\"token\":\"T\"}"),
    ] {
        stage.answer(path, answer(StatusCode::OK, "{}"));
        stage.post(path, media, &body.replace('T', &new)).await;
        let asked = stage.asked(path);
        assert_eq!(*asked.body(), body.replace('T', &original), "{path} {media}");
        let length = asked.body().len().to_string();
        assert_eq!(field(asked.headers(), "content-length"), Some(length.as_str()), "{path}");
    }
}

#[tokio::test]
async fn threat_15_what_is_not_in_the_grammar_stays() {
    let stage = Stage::start("").await;
    let (_, new) = resigned(&stage).await;
    for (path, media, body) in [
        ("/par", "application/json", format!("{{\"state\":\"{new}\"}}")),
        ("/token", "application/json", format!("{{\"token\":\"{new}\"")),
        ("/token", "multipart/form-data", format!("--B\r\n\r\n{new}\r\n--B--")),
        ("/elsewhere", "application/json", format!("{{\"token\":\"{new}\"}}")),
        (
            "/token",
            "application/x-www-form-urlencoded",
            format!("refresh_token={new}&code={new}&request={new}&client_assertion={new}"),
        ),
    ] {
        stage.answer(path, answer(StatusCode::OK, "{}"));
        stage.post(path, media, &body).await;
        assert_eq!(*stage.asked(path).body(), body, "{path} {media}");
    }
}
