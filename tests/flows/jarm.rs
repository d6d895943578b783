//! Authorization responses that are JWTs (JARM), and tokens inside of them.

use crate::front_channel::{location, taken_out};
use crate::stage::{Stage, forge, page};
use aws_lc_rs::digest::{SHA256, digest};
use kidstamp::demo::http::redirect;
use kidstamp::jose::{CompactJws, base64url};
use kidstamp::token::restore;
use serde_json::{Value, json};

fn claims(token: &str) -> Value {
    serde_json::from_slice(CompactJws::parse(token).unwrap().payload()).unwrap()
}

/// What kidstamp makes of the response, in each mode of JARM §2.3.
async fn through(stage: &Stage, jarm: &str) -> [String; 3] {
    stage.answer("/query", redirect(&format!("https://rp.test/cb?response={jarm}&x=y")));
    stage.answer("/fragment", redirect(&format!("https://rp.test/cb?a=b#response={jarm}")));
    let form =
        |value: &str| format!("<form><input type=hidden name=response value=\"{value}\"></form>");
    stage.answer("/authorize", page(&form(jarm)));
    let query = taken_out(&location(&stage.get("/query").await), "response").0;
    let fragment = taken_out(&location(&stage.get("/fragment").await), "response").0;
    let html = stage.get("/authorize").await.into_body();
    let posted = html.split('"').nth(1).unwrap().to_owned();
    assert_eq!(html, form(&posted), "nothing else of the page moves");
    [query, fragment, posted]
}

#[tokio::test]
async fn a_response_names_its_key_in_every_mode() {
    let stage = Stage::start("tokens.jarm = \"auto\"").await;
    let jarm = stage.token("JWT", json!({"code": "c", "state": "s"}));
    for new in through(&stage, &jarm).await {
        assert!(stage.accepts(&new).await);
        assert_eq!(restore(&new).as_ref(), Some(&jarm));
        assert_eq!(claims(&new)["code"], "c");
    }
    let error = stage.token("JWT", json!({"error": "access_denied", "state": "s"}));
    assert_eq!(restore(&through(&stage, &error).await[0]), Some(error));
    for no_response in [json!({"state": "s"}), json!({"code": "c", "iss": "https://other.test"})] {
        let token = stage.token("JWT", no_response);
        assert_eq!(through(&stage, &token).await, [token.clone(), token.clone(), token]);
    }
}

#[tokio::test]
async fn tokens_inside_follow_and_can_be_turned_back() {
    let settings =
        "tokens.jarm = \"auto\"\ntokens.access_token = \"auto\"\ntokens.max_token_bytes = 32768";
    let stage = Stage::start(settings).await;
    let access_token = stage.token("at+jwt", json!({"aud": "api"}));
    let half = |text: &str| base64url::encode(&digest(&SHA256, text.as_bytes()).as_ref()[..16]);
    let hashes = json!({"at_hash": half(&access_token), "c_hash": half("c")});
    let id_token = stage.token("JWT", hashes);
    let jarm = stage.token(
        "JWT",
        json!({"code": "c", "access_token": access_token, "id_token": id_token, "token_type": "Bearer"}),
    );
    for new in through(&stage, &jarm).await {
        assert!(stage.accepts(&new).await);
        assert_eq!(restore(&new).as_ref(), Some(&jarm), "the whole, with the tokens inside");
        let response = claims(&new);
        assert_eq!(response["code"], "c");
        let inside = |name: &str| response[name].as_str().unwrap().to_owned();
        for (name, original) in [("access_token", &access_token), ("id_token", &id_token)] {
            assert!(stage.accepts(&inside(name)).await, "{name}");
            assert_eq!(restore(&inside(name)).as_ref(), Some(original), "{name}");
        }
        let id_claims = claims(&inside("id_token"));
        assert_eq!(id_claims["at_hash"], half(&inside("access_token")));
        assert_eq!(id_claims["c_hash"], half("c"));
    }
}

/// Where the response itself has to stay, so do the tokens inside.
#[tokio::test]
async fn threat_01_tokens_inside_of_a_response_that_stays_are_not_signed() {
    let id_token = |stage: &Stage| stage.token("JWT", json!({}));
    for settings in ["", "tokens.jarm = \"pass\"", "tokens.jarm = \"annotate\""] {
        let stage = Stage::start(settings).await;
        let jarm = stage.token("JWT", json!({"code": "c", "id_token": id_token(&stage)}));
        assert_eq!(through(&stage, &jarm).await, [jarm.clone(), jarm.clone(), jarm], "{settings}");
    }
    let stage = Stage::start("tokens.jarm = \"auto\"").await;
    let jarm = stage.token("JWT", json!({"code": "c", "id_token": id_token(&stage)}));
    let forged = forge(&jarm);
    assert_eq!(through(&stage, &forged).await, [forged.clone(), forged.clone(), forged]);
    // A forged token in a response that is right: the response is signed anew, and the token stays what it is.
    let inner = id_token(&stage);
    let forged = forge(&inner);
    let jarm = stage.token("JWT", json!({"code": "c", "id_token": forged}));
    for new in through(&stage, &jarm).await {
        assert!(stage.accepts(&new).await);
        assert_eq!(claims(&new)["id_token"], forged);
    }
}
