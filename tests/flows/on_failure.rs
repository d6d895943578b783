//! `tokens.on_failure = "reject"`: a response with a token that kidstamp can't vouch for does not reach the relying party.

use crate::stage::{Stage, field, forge, page};
use http::{HeaderValue, Response, StatusCode};
use kidstamp::demo::http::{json as answer, redirect};
use serde_json::{Value, json};

const REJECT: &str =
    "tokens.on_failure = \"reject\"\ntokens.userinfo = \"auto\"\ntokens.access_token = \"auto\"";
const FORM: &str = "application/x-www-form-urlencoded";

fn jwt(token: &str) -> Response<String> {
    let mut response = Response::new(token.to_owned());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/jwt"));
    response
}

#[track_caller]
fn assert_refused(response: &Response<String>, token: &str) {
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(field(response.headers(), "location"), None);
    assert_eq!(field(response.headers(), "cache-control"), Some("no-store"));
    let body: Value = serde_json::from_str(response.body()).unwrap();
    assert_eq!(body["error"], "token_not_verified");
    assert!(!response.body().contains(token), "threat 35: no token in an error");
}

#[tokio::test]
async fn a_forged_token_is_refused_wherever_it_comes() {
    let stage = Stage::start(REJECT).await;
    let good = stage.token("JWT", json!({"nonce": "n"}));
    let access_token = stage.token("at+jwt", json!({"aud": "api"}));
    let bad = forge(&good);
    let input = |token: &str| {
        page(&format!("<form><input type=hidden name=id_token value={token}></form>"))
    };
    for (token, refused) in [(&good, false), (&bad, true)] {
        let both = |id_token: &str, access_token: &str| json!({"id_token": id_token, "access_token": access_token, "token_type": "Bearer"});
        let cases = [
            ("/token", answer(StatusCode::OK, both(token, "opaque"))),
            ("/token", answer(StatusCode::OK, both(&good, &forge(&access_token)))),
            ("/authorize", redirect(&format!("https://rp.test/cb#id_token={token}"))),
            ("/authorize", input(token)),
            ("/userinfo", jwt(token)),
        ];
        for (number, (path, response)) in cases.into_iter().enumerate() {
            stage.answer(path, response.clone());
            let got = if path == "/token" {
                stage.post(path, FORM, "grant_type=x").await
            } else {
                stage.get(path).await
            };
            if refused || number == 1 {
                assert_refused(&got, token);
            } else {
                assert_eq!(got.status(), response.status(), "{path}");
            }
        }
    }
}

/// What needs no vouching for, or must not be touched, is no failure.
#[tokio::test]
async fn what_may_pass_passes() {
    let stage = Stage::start(REJECT).await;
    let bound = stage.token("at+jwt", json!({"aud": "api", "cnf": {"jkt": "x"}}));
    for body in [
        json!({"access_token": "opaque", "token_type": "Bearer"}),
        json!({"access_token": bound, "token_type": "Bearer"}),
        json!({"access_token": bound, "token_type": "DPoP"}),
        json!({"access_token": "a.b", "token_type": "Bearer"}),
    ] {
        stage.answer("/token", answer(StatusCode::OK, &body));
        let response = stage.post("/token", FORM, "grant_type=x").await;
        assert_eq!(serde_json::from_str::<Value>(response.body()).unwrap(), body);
    }
    stage.answer("/token", answer(StatusCode::BAD_REQUEST, json!({"error": "invalid_grant"})));
    let response = stage.post("/token", FORM, "grant_type=x").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    stage.answer("/authorize", redirect("https://rp.test/cb?code=c"));
    assert_eq!(stage.get("/authorize").await.status(), StatusCode::FOUND);
    stage.answer("/userinfo", answer(StatusCode::OK, json!({"sub": "u"})));
    assert_eq!(stage.get("/userinfo").await.status(), StatusCode::OK);
}

/// Neither is a token that nobody wants vouched for.
#[tokio::test]
async fn a_mode_that_lets_pass_refuses_nothing() {
    for mode in ["pass", "annotate"] {
        let stage =
            Stage::start(&format!("tokens.on_failure = \"reject\"\ntokens.id_token = \"{mode}\""))
                .await;
        let body = json!({"id_token": forge(&stage.token("JWT", json!({})))});
        stage.answer("/token", answer(StatusCode::OK, &body));
        let response = stage.post("/token", FORM, "grant_type=x").await;
        assert_eq!(serde_json::from_str::<Value>(response.body()).unwrap(), body, "{mode}");
    }
}

/// What should bring a token and can't be looked into.
#[tokio::test]
async fn a_response_that_cannot_be_read_is_refused() {
    let stage = Stage::start(REJECT).await;
    let mut coded = answer(StatusCode::OK, "{}");
    coded.headers_mut().insert("content-encoding", HeaderValue::from_static("br"));
    let mut html = answer(StatusCode::OK, "<html>");
    html.headers_mut().insert("content-type", HeaderValue::from_static("text/html"));
    let cases = [answer(StatusCode::OK, "{\"id_token\":"), coded, html];
    for response in cases {
        stage.answer("/token", response);
        assert_refused(&stage.post("/token", FORM, "grant_type=x").await, "eyJ");
    }
}

/// One client may want what the others don't.
#[tokio::test]
async fn a_single_client_may_want_it() {
    let settings = "[[client]]\nid = \"careful\"\n[client.tokens]\non_failure = \"reject\"";
    let stage = Stage::start(settings).await;
    for (client, refused) in [("careful", true), ("other", false)] {
        let token = forge(&stage.token("JWT", json!({"aud": client})));
        stage.answer("/token", answer(StatusCode::OK, json!({"id_token": token})));
        let response = stage.post("/token", FORM, "grant_type=x").await;
        assert_eq!(response.status() == StatusCode::BAD_GATEWAY, refused, "{client}");
    }
}
