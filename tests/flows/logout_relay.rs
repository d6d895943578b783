//! Back-channel logout through kidstamp.

use crate::stage::{Stage, field, forge};
use http::{Request, Response, StatusCode};
use kidstamp::demo::http::{Form, Server, Site};
use kidstamp::token::restore;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const FORM: &str = "application/x-www-form-urlencoded";

type Got = Arc<Mutex<Vec<Request<String>>>>;

/// A relying party's logout URI, what came there, and kidstamp's settings for it.
async fn relying_party(status: StatusCode) -> (Server, Got, String) {
    let got = Got::default();
    let site = Site::bind().await.unwrap();
    let settings = format!(
        "tokens.logout_token = \"auto\"\n[[logout_relay]]\npath = \"/relay/rp\"\nclient_id = \"rp\"\n\
         target = \"{}/logout?from=idp\"\n",
        site.url()
    );
    let server = site.serve({
        let got = Arc::clone(&got);
        move |request| {
            got.lock().unwrap().push(request);
            async move {
                let mut response = Response::new("{\"rp\":1}".to_owned());
                *response.status_mut() = status;
                response.headers_mut().insert("content-type", "application/json".parse().unwrap());
                response.headers_mut().insert("set-cookie", "a=b".parse().unwrap());
                response
            }
        }
    });
    (server, got, settings)
}

fn claims() -> Value {
    json!({
        "jti": "j", "sid": "s",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    })
}

#[tokio::test]
async fn a_logout_token_reaches_its_relying_party_under_a_key_that_it_finds() {
    for status in [StatusCode::OK, StatusCode::BAD_REQUEST] {
        let (_server, got, settings) = relying_party(status).await;
        let stage = Stage::start(&settings).await;
        for typ in ["logout+jwt", "JWT"] {
            let original = stage.token(typ, claims());
            let body = format!("logout_token={original}&x=y");
            let response = stage.post("/relay/rp", FORM, &body).await;
            assert_eq!((response.status(), response.body().as_str()), (status, "{\"rp\":1}"));
            assert_eq!(field(response.headers(), "cache-control"), Some("no-store"));
            assert_eq!(field(response.headers(), "set-cookie"), None);
            let request = got.lock().unwrap().pop().unwrap();
            assert_eq!(request.uri(), "/logout?from=idp");
            let form = Form::parse(request.body());
            let token = form.get("logout_token").unwrap();
            assert_eq!(*request.body(), format!("logout_token={token}"));
            assert!(stage.accepts(token).await);
            assert_eq!(restore(token), Some(original));
        }
    }
}

/// OpenID Connect Back-Channel Logout §2.6, one check at a time.
#[tokio::test]
async fn threat_48_only_logout_tokens_of_the_provider_for_this_client_are_relayed() {
    let (_server, got, settings) = relying_party(StatusCode::OK).await;
    let stage = Stage::start(&settings).await;
    let with = |name: &str, value: Value| {
        let mut all = claims();
        all[name] = value;
        stage.token("logout+jwt", all)
    };
    let good = stage.token("logout+jwt", claims());
    let forged = forge(&good);
    let mut no_session = claims();
    no_session["sid"] = Value::Null;
    no_session["sub"] = Value::Null;
    for token in [
        forged,
        with("aud", json!("other")),
        with("iss", json!("https://other.test")),
        with("exp", json!(1)),
        with("iat", Value::Null),
        with("jti", Value::Null),
        with("nonce", json!("n")),
        with("events", json!({})),
        with("events", json!({"http://schemas.openid.net/event/backchannel-logout": true})),
        stage.token("logout+jwt", no_session),
        stage.token("at+jwt", claims()),
        stage.token("JWT", json!({"nonce": "an ID token"})),
        String::new(),
    ] {
        let response = stage.post("/relay/rp", FORM, &format!("logout_token={token}")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{}", response.body());
        assert!(!response.body().contains("eyJ"), "threat 35: no token in an error");
    }
    let twice = format!("logout_token={good}&logout_token={good}");
    assert_eq!(stage.post("/relay/rp", FORM, &twice).await.status(), StatusCode::BAD_REQUEST);
    let query = format!("/relay/rp?logout_token={good}&target=http://evil.test");
    assert_eq!(stage.get(&query).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(got.lock().unwrap().len(), 0);
    // No other path is one of a relay.
    assert_eq!(stage.post("/relay/rp/x", FORM, &twice).await.status(), StatusCode::NOT_FOUND);
}

/// What verifies but can't be signed anew goes on as it is, unless the operator wants it refused.
#[tokio::test]
async fn without_a_fitting_key_the_operator_decides() {
    for (on_failure, expected) in [("pass", StatusCode::OK), ("reject", StatusCode::BAD_REQUEST)] {
        let (_server, got, settings) = relying_party(StatusCode::OK).await;
        // A token of PS256 would need a bridge key for it, and the provider does not say that it has such.
        let settings = format!("tokens.on_failure = \"{on_failure}\"\n{settings}");
        let stage = Stage::start(&settings).await;
        let token = stage.token_ps256("logout+jwt", claims());
        let response = stage.post("/relay/rp", FORM, &format!("logout_token={token}")).await;
        assert_eq!(response.status(), expected, "{on_failure}");
        assert_eq!(got.lock().unwrap().len(), usize::from(expected == StatusCode::OK));
    }
}
