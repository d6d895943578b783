//! What is never touched, though every mode says `resign`.

use crate::front_channel::location;
use crate::stage::{Stage, field};
use http::{HeaderValue, Request, Response, StatusCode};
use kidstamp::demo::http::{redirect, send};
use kidstamp::jose::base64url;
use serde_json::{Value, json};

const EVERYTHING: &str = "tokens.id_token = \"resign\"\ntokens.access_token = \"resign\"\n\
    tokens.userinfo = \"resign\"\ntokens.introspection = \"resign\"\ntokens.jarm = \"resign\"";
const FORM: &str = "application/x-www-form-urlencoded";

async fn token_response(stage: &Stage, body: &Value) -> Value {
    stage.answer("/token", kidstamp::demo::http::json(StatusCode::OK, body));
    let response = stage.post("/token", FORM, "grant_type=x").await;
    serde_json::from_str(response.body()).unwrap()
}

/// A token that would be signed anew in another place, and the one with a carrier that it becomes there.
async fn both_forms(stage: &Stage) -> (String, String) {
    let token = stage.token("JWT", json!({"nonce": "n", "code": "c", "sub": "u"}));
    let after = token_response(stage, &json!({"id_token": token})).await;
    let new = after["id_token"].as_str().unwrap().to_owned();
    assert_ne!(new, token, "or else these tests would prove nothing");
    (token, new)
}

#[tokio::test]
async fn refresh_tokens_and_codes() {
    let stage = Stage::start(EVERYTHING).await;
    let (token, new) = both_forms(&stage).await;
    let body = json!({
        "access_token": "opaque", "token_type": "Bearer", "refresh_token": token, "code": token,
        "device_code": token, "user_code": token, "auth_req_id": token, "device_secret": token,
        "state": token, "nested": {"id_token": token, "access_token": token},
    });
    assert_eq!(token_response(&stage, &body).await, body);
    let before = format!("https://rp.test/cb?code={token}&state={token}#session_state={token}");
    stage.answer("/authorize", redirect(&before));
    assert_eq!(location(&stage.get("/authorize").await), before);
    for body in [
        format!("grant_type=refresh_token&refresh_token={new}"),
        format!("grant_type=authorization_code&code={new}&code_verifier={new}&redirect_uri={new}"),
        format!("grant_type=device_code&device_code={new}&auth_req_id={new}"),
    ] {
        stage.post("/token", FORM, &body).await;
        assert_eq!(*stage.asked("/token").body(), body);
    }
}

#[tokio::test]
async fn client_assertions_and_request_objects() {
    let stage = Stage::start(EVERYTHING).await;
    let (token, new) = both_forms(&stage).await;
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    for token in [token, new] {
        let body = format!("client_assertion_type={kind}&client_assertion={token}&request={token}");
        for path in ["/token", "/par", "/introspect", "/revoke"] {
            stage.post(path, FORM, &body).await;
            assert_eq!(*stage.asked(path).body(), body, "{path}");
        }
        let target = format!("/authorize?client_id=rp&request={token}&state={token}");
        stage.get(&target).await;
        assert_eq!(stage.asked("/authorize").uri().to_string(), target);
    }
}

#[tokio::test]
async fn threat_38_proofs_and_tokens_that_are_bound_to_a_key() {
    let stage = Stage::start(EVERYTHING).await;
    let (_, new) = both_forms(&stage).await;
    // A proof, and the scheme of the tokens that it goes with.
    let request = Request::get(format!("{}/userinfo", stage.kidstamp()))
        .header("authorization", format!("DPoP {new}"))
        .header("dpop", &new);
    send(request.body(String::new()).unwrap()).await.unwrap();
    let asked = stage.asked("/userinfo");
    assert_eq!(field(asked.headers(), "authorization"), Some(format!("DPoP {new}").as_str()));
    assert_eq!(field(asked.headers(), "dpop"), Some(new.as_str()));
    for (token_type, cnf) in [
        ("Bearer", json!({"jkt": "x"})),
        ("Bearer", json!({"x5t#S256": "x"})),
        ("Bearer", json!({})),
        ("DPoP", json!({"jkt": "x"})),
        ("DPoP", Value::Null),
        ("N_A", Value::Null),
    ] {
        let mut claims = json!({"aud": "api"});
        if !cnf.is_null() {
            claims["cnf"] = cnf;
        }
        let access_token = stage.token("at+jwt", claims);
        let body = json!({"access_token": access_token, "token_type": token_type});
        assert_eq!(token_response(&stage, &body).await, body);
        let before =
            format!("https://rp.test/cb#token_type={token_type}&access_token={access_token}");
        stage.answer("/authorize", redirect(&before));
        assert_eq!(location(&stage.get("/authorize").await), before);
    }
    // The control: the same without a bond.
    let free = stage.token("at+jwt", json!({"aud": "api"}));
    let body = json!({"access_token": free, "token_type": "Bearer"});
    assert_ne!(token_response(&stage, &body).await, body);
}

#[tokio::test]
async fn threat_41_encrypted_tokens() {
    let stage = Stage::start(EVERYTHING).await;
    let header = base64url::encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM","kid":"x"}"#);
    let jwe = format!("{header}.a2V5.aXY.Y2lwaGVy.dGFn");
    let body = json!({"id_token": jwe, "access_token": jwe, "token_type": "Bearer"});
    assert_eq!(token_response(&stage, &body).await, body);
    let before = format!("https://rp.test/cb#id_token={jwe}&access_token={jwe}");
    stage.answer("/authorize", redirect(&before));
    assert_eq!(location(&stage.get("/authorize").await), before);
}

#[tokio::test]
async fn threat_02_tokens_without_a_signature() {
    let stage = Stage::start(EVERYTHING).await;
    let (token, _) = both_forms(&stage).await;
    let (input, signature) = token.rsplit_once('.').unwrap();
    let payload = input.split_once('.').unwrap().1;
    for alg in ["none", "None", "NONE", "nOnE", "", "HS256"] {
        let header = base64url::encode(format!("{{\"alg\":\"{alg}\",\"typ\":\"JWT\"}}"));
        for signature in ["", signature] {
            let token = format!("{header}.{payload}.{signature}");
            let body = json!({"id_token": token, "access_token": token, "token_type": "Bearer"});
            assert_eq!(token_response(&stage, &body).await, body, "{alg}");
        }
    }
}

#[tokio::test]
async fn threat_22_tokens_whose_header_changes_how_they_are_read() {
    let stage = Stage::start(EVERYTHING).await;
    for more in [
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""crit":["b64"],"b64":false"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""zip":"DEF""#,
        r#""cty":"JWT""#,
    ] {
        let token = stage.token_with(&format!(r#"{{"alg":"RS256",{more}}}"#), json!({}));
        let body = json!({"id_token": token, "access_token": token, "token_type": "Bearer"});
        assert_eq!(token_response(&stage, &body).await, body, "{more}");
    }
    let token = stage.token_with(r#"{"alg":"RS256","x":"crit"}"#, json!({}));
    let body = json!({"id_token": token});
    assert_ne!(token_response(&stage, &body).await, body, "the control");
}

/// Pocket-ID's sessions are JWTs of the key that signs its ID tokens.
#[tokio::test]
async fn session_cookies() {
    let stage = Stage::start(EVERYTHING).await;
    let (token, new) = both_forms(&stage).await;
    for path in ["/token", "/authorize", "/userinfo", "/login"] {
        let mut response: Response<String> = redirect("https://rp.test/cb?code=c");
        if path == "/token" {
            response = kidstamp::demo::http::json(StatusCode::OK, json!({"id_token": token}));
        }
        let cookie = format!("session={token}; Path=/; HttpOnly");
        response.headers_mut().append("set-cookie", HeaderValue::from_str(&cookie).unwrap());
        response.headers_mut().append("set-cookie", HeaderValue::from_static("id_token=x"));
        response.headers_mut().append("x-id-token", HeaderValue::from_str(&token).unwrap());
        stage.answer(path, response);
        let sent = format!("session={new}; id_token={new}");
        let request = Request::post(format!("{}{path}", stage.kidstamp()))
            .header("content-type", FORM)
            .header("cookie", &sent)
            .body("a=b".to_owned());
        let response = send(request.unwrap()).await.unwrap();
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, [cookie.as_str(), "id_token=x"], "{path}");
        assert_eq!(field(response.headers(), "x-id-token"), Some(token.as_str()), "{path}");
        assert_eq!(field(stage.asked(path).headers(), "cookie"), Some(sent.as_str()), "{path}");
    }
}

/// Keys and pointers to keys in a header are never believed, and go where the token is signed anew.
#[tokio::test]
async fn threat_21_keys_in_a_header() {
    let stage = Stage::start("").await;
    let other = Stage::start("").await;
    let jwk = |stage: &Stage| stage.jwk();
    let pointers = |jwk: &str| {
        format!(
            r#""jwk":{jwk},"jku":"http://127.0.0.1:9/jwks","x5u":"http://127.0.0.1:9/x","x5c":["AA=="],"x5t":"AA","x5t#S256":"AA""#
        )
    };
    let forged =
        other.token_with(&format!(r#"{{"alg":"RS256",{}}}"#, pointers(&jwk(&other))), json!({}));
    let body = json!({"id_token": forged});
    assert_eq!(token_response(&stage, &body).await, body, "signed by the key in its own header");
    let good =
        stage.token_with(&format!(r#"{{"alg":"RS256",{}}}"#, pointers(&jwk(&other))), json!({}));
    let after = token_response(&stage, &json!({"id_token": good})).await;
    let new = after["id_token"].as_str().unwrap();
    assert!(stage.accepts(new).await);
    let header = base64url::decode(new.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    let names: Vec<&String> = header.as_object().unwrap().keys().collect();
    assert_eq!(names, ["alg", "kid"]);
}
