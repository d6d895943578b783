//! The nonce of an authorization request, for a provider that loses it: restored where it is known which login a code is
//! of, and never by anyone's cunning.

use crate::stage::{Stage, field, forge, page};
use http::StatusCode;
use kidstamp::demo::http::{json, redirect};
use kidstamp::jose::CompactJws;
use kidstamp::token::restore;
use serde_json::{Value, json};

const CLIENTS: &str = "[[client]]\nid = \"rp\"\nrestore_nonce = true\n\
    [[client]]\nid = \"rp2\"\nrestore_nonce = true\n";
const FORM: &str = "application/x-www-form-urlencoded";

async fn stage() -> Stage {
    Stage::start(CLIENTS).await
}

/// A login begins: the provider shows its login page.
async fn ask(stage: &Stage, client: &str, state: &str, nonce: &str) {
    stage.answer("/authorize", page("<form method=post action=/login></form>"));
    let target =
        format!("/authorize?response_type=code&client_id={client}&state={state}&nonce={nonce}");
    assert_eq!(stage.get(&target).await.status(), StatusCode::OK);
}

/// The provider sends the browser on, with a code.
async fn sign_in(stage: &Stage, state: &str, code: &str) {
    let to = format!("https://rp.test/cb?code={code}&state={state}");
    stage.answer("/login", redirect(&to));
    let response = stage.post("/login", FORM, "user=u&password=p").await;
    assert_eq!(field(response.headers(), "location"), Some(to.as_str()));
}

/// The claims of the ID token that a client gets for a code, where the provider made `token`.
async fn exchange(stage: &Stage, form: &str, token: &str) -> Value {
    let response = json!({"access_token": "opaque", "token_type": "Bearer", "id_token": token});
    stage.answer("/token", json(StatusCode::OK, response.to_string()));
    let form = format!("grant_type=authorization_code&{form}");
    let response = stage.post("/token", FORM, &form).await.into_body();
    let response: Value = serde_json::from_str(&response).unwrap();
    let new = response["id_token"].as_str().unwrap();
    if new != token {
        assert!(stage.accepts(new).await);
        assert_eq!(restore(new).as_deref(), Some(token));
    }
    claims(new)
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(CompactJws::parse(token).unwrap().payload()).unwrap()
}

async fn nonce_for(stage: &Stage, code: &str) -> Value {
    let token = stage.token("JWT", json!({}));
    exchange(stage, &format!("client_id=rp&code={code}"), &token).await["nonce"].clone()
}

#[tokio::test]
async fn a_nonce_that_the_provider_loses_is_restored() {
    let stage = stage().await;
    ask(&stage, "rp", "s1", "n%22%C3%A9").await;
    ask(&stage, "rp", "s2", "n2").await;
    sign_in(&stage, "s1", "code-one").await;
    sign_in(&stage, "s2", "code-two").await;
    assert_eq!(nonce_for(&stage, "code-two").await, "n2");
    assert_eq!(nonce_for(&stage, "code-one").await, "n\"é");
    // A client that had no answer asks again; whether the code is good a second time is for the provider to say.
    assert_eq!(nonce_for(&stage, "code-one").await, "n\"é");
    // `null` says nothing either.
    let token = stage.token("JWT", json!({"nonce": null}));
    assert_eq!(exchange(&stage, "client_id=rp&code=code-two", &token).await["nonce"], "n2");
}

#[tokio::test]
async fn the_code_may_come_in_a_fragment_or_a_page_or_at_once() {
    let stage = stage().await;
    for (number, (path, answer)) in [
        ("/authorize", redirect("https://rp.test/cb?code=the-code-0&state=s0")),
        ("/authorize", redirect("https://rp.test/cb#state=s1&code=the-code-1")),
        ("/login", redirect("https://rp.test/cb#state=s2&code=the-code-2")),
        (
            "/login",
            page("<form action='https://rp.test/cb'><input type=hidden name=code value=the-code-3><input type=hidden name=state value=s3></form>"),
        ),
        (
            "/authorize",
            page("<form action='https://rp.test/cb'><input type=hidden name=code value=the-code-4><input type=hidden name=state value=s4></form>"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let (state, nonce) = (format!("s{number}"), format!("n{number}"));
        if path == "/login" {
            ask(&stage, "rp", &state, &nonce).await;
            stage.answer(path, answer);
            stage.post(path, FORM, "user=u").await;
        } else {
            stage.answer(path, answer);
            stage.get(&format!("{path}?client_id=rp&nonce={nonce}&state={state}")).await;
        }
        assert_eq!(nonce_for(&stage, &format!("the-code-{number}")).await, nonce);
    }
}

/// Without a login that is known, or where the provider has its own word, the token stays what it is.
#[tokio::test]
async fn a_nonce_is_restored_for_its_login_alone() {
    let stage = stage().await;
    ask(&stage, "rp", "s", "n").await;
    sign_in(&stage, "s", "the-code").await;
    let plain = stage.token("JWT", json!({}));
    for form in [
        "client_id=rp",
        "client_id=rp&code=unknown-code",
        "client_id=rp&code=the-code&code=another-code",
        "client_id=rp&refresh_token=the-code",
        "client_id=rp2&code=the-code",
    ] {
        assert_eq!(exchange(&stage, form, &plain).await["nonce"], Value::Null, "{form}");
    }
    let form = "client_id=rp&code=the-code";
    for (more, expected) in [
        (json!({"nonce": "of-the-provider"}), json!("of-the-provider")),
        (json!({"nonce": ""}), json!("")),
        (json!({"aud": "rp2"}), Value::Null),
        (json!({"aud": "unknown"}), Value::Null),
        (json!({"azp": "rp2"}), Value::Null),
        (json!({"aud": ["rp", "rp2"], "azp": "rp"}), json!("n")),
    ] {
        let token = stage.token("JWT", more.clone());
        assert_eq!(exchange(&stage, form, &token).await["nonce"], expected, "{more}");
    }
    // Who asks with an assertion names itself nowhere in the form.
    assert_eq!(exchange(&stage, "code=the-code", &plain).await["nonce"], "n");
    let forged = forge(&plain);
    assert_eq!(exchange(&stage, form, &forged).await["nonce"], Value::Null, "does not verify");
    let expired = stage.token("JWT", json!({"exp": 1}));
    assert_eq!(exchange(&stage, form, &expired).await["nonce"], Value::Null, "has expired");
}

#[tokio::test]
async fn nothing_is_remembered_of_clients_without_the_option() {
    let stage =
        Stage::start("[[client]]\nid = \"rp\"\n[[client]]\nid = \"rp2\"\nrestore_nonce = true\n")
            .await;
    ask(&stage, "rp", "s", "n").await;
    sign_in(&stage, "s", "the-code").await;
    assert_eq!(nonce_for(&stage, "the-code").await, Value::Null);
    // Nor where a request object may say otherwise.
    ask(&stage, "rp2", "t", "n&request=a.b.c").await;
    sign_in(&stage, "t", "code-of-two").await;
    let token = stage.token("JWT", json!({"aud": "rp2"}));
    assert_eq!(
        exchange(&stage, "client_id=rp2&code=code-of-two", &token).await["nonce"],
        Value::Null
    );
}

/// A code that was stolen from another one's login, and is put into the thief's: what it brings has the nonce of the login
/// that it is of, which the relying party refuses in the thief's.
#[tokio::test]
async fn an_injected_code_brings_the_nonce_of_its_own_login() {
    let stage = stage().await;
    ask(&stage, "rp", "of-the-victim", "n-victim").await;
    ask(&stage, "rp", "of-the-thief", "n-thief").await;
    sign_in(&stage, "of-the-victim", "stolen-code").await;
    sign_in(&stage, "of-the-thief", "code-of-the-thief").await;
    assert_eq!(nonce_for(&stage, "stolen-code").await, "n-victim");
    // At another client it brings none at all.
    ask(&stage, "rp2", "of-another-client", "n-other").await;
    let token = stage.token("JWT", json!({"aud": "rp2"}));
    assert_eq!(
        exchange(&stage, "client_id=rp2&code=stolen-code", &token).await["nonce"],
        Value::Null
    );
}

/// The same where the thief has the provider send the stolen code on under his own state, by an open redirect.
#[tokio::test]
async fn a_stolen_code_under_another_state_brings_nothing() {
    let stage = stage().await;
    ask(&stage, "rp", "of-the-victim", "n-victim").await;
    ask(&stage, "rp", "of-the-thief", "n-thief").await;
    sign_in(&stage, "of-the-victim", "stolen-code").await;
    sign_in(&stage, "of-the-thief", "stolen-code").await;
    assert_eq!(nonce_for(&stage, "stolen-code").await, Value::Null);
    // One that nobody saw before, from a request that brought it.
    let to = "https://rp.test/cb?code=unseen-code&state=of-the-thief";
    stage.answer("/leave", redirect(to));
    stage
        .get("/leave?to=https%3A%2F%2Frp.test%2Fcb%3Fcode%3Dunseen-code%26state%3Dof-the-thief")
        .await;
    assert_eq!(nonce_for(&stage, "unseen-code").await, Value::Null);
    let form = page(
        "<form><input type=hidden name=code value=unseen-code><input type=hidden name=state value=of-the-thief></form>",
    );
    stage.answer("/login", form);
    stage.post("/login?code=unseen-code", FORM, "").await;
    assert_eq!(nonce_for(&stage, "unseen-code").await, Value::Null);
    // One of a login that was never remembered can't become the thief's either.
    sign_in(&stage, "unknown-state", "code-of-nobody").await;
    sign_in(&stage, "of-the-thief", "code-of-nobody").await;
    assert_eq!(nonce_for(&stage, "code-of-nobody").await, Value::Null);
}

/// A login that somebody begins under another one's state, before or after, with a nonce of his own: neither is restored.
#[tokio::test]
async fn a_state_that_two_logins_share_brings_nothing() {
    let stage = stage().await;
    for (number, nonces) in [["n-victim", "n-thief"], ["n-thief", "n-victim"]].iter().enumerate() {
        let (state, code) = (format!("shared{number}"), format!("code-of-shared-{number}"));
        for nonce in nonces {
            ask(&stage, "rp", &state, nonce).await;
        }
        sign_in(&stage, &state, &code).await;
        assert_eq!(nonce_for(&stage, &code).await, Value::Null);
    }
    // The victim's browser, sent to the provider with a request of the thief's making: its code has the thief's nonce, as
    // an honest provider would write it, and not that of a login of the victim's own.
    ask(&stage, "rp", "of-the-victim", "n-victim").await;
    ask(&stage, "rp", "of-the-thief", "n-thief").await;
    sign_in(&stage, "of-the-thief", "code-of-csrf").await;
    assert_eq!(nonce_for(&stage, "code-of-csrf").await, "n-thief");
}

#[tokio::test]
async fn what_is_too_much_makes_room() {
    let stage = Stage::start(&format!("[server.limits]\nlogins = 2\n{CLIENTS}")).await;
    for number in 0..3 {
        ask(&stage, "rp", &format!("s{number}"), &format!("n{number}")).await;
    }
    sign_in(&stage, "s0", "the-oldest-code").await;
    sign_in(&stage, "s2", "the-newest-code").await;
    assert_eq!(nonce_for(&stage, "the-oldest-code").await, Value::Null);
    assert_eq!(nonce_for(&stage, "the-newest-code").await, "n2");
}
