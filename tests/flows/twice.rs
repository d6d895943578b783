//! Whole flows, once against the provider itself and once through kidstamp: what the provider gets is the same to the
//! byte, though the relying party held other tokens.

use crate::front_channel::{location, taken_out};
use crate::stage::{Stage, field, page};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use kidstamp::demo::http::{json as answer, redirect, send};
use serde_json::{Value, json};

const FORM: &str = "application/x-www-form-urlencoded";
const SETTINGS: &str = "tokens.access_token = \"auto\"\ntokens.userinfo = \"auto\"\ntokens.introspection = \"auto\"\n\
    tokens.jarm = \"auto\"";

/// A request as the provider noted it: method, target, `Authorization` and body.
type Noted = (Method, String, Option<String>, String);

/// A relying party that talks to the provider at `base`.
struct RelyingParty<'s> {
    base: &'s str,
}

/// What the relying party holds after a login.
#[derive(Clone, Debug, PartialEq)]
struct Held {
    id_token: String,
    access_token: String,
}

impl RelyingParty<'_> {
    async fn get(&self, target: &str) -> Response<String> {
        send(Request::get(format!("{}{target}", self.base)).body(String::new()).unwrap())
            .await
            .unwrap()
    }

    async fn post(&self, target: &str, media: &str, body: &str) -> Response<String> {
        let request = Request::post(format!("{}{target}", self.base))
            .header("content-type", media)
            .header("authorization", "Basic cnA6cw==");
        send(request.body(body.to_owned()).unwrap()).await.unwrap()
    }

    async fn with_bearer(&self, target: &str, token: &str) -> Response<String> {
        let request = Request::get(format!("{}{target}", self.base));
        let request = request.header("authorization", format!("Bearer {token}"));
        send(request.body(String::new()).unwrap()).await.unwrap()
    }

    /// What a token endpoint gives for `body`.
    async fn tokens(&self, media: &str, body: &str) -> Held {
        let response = self.post("/token", media, body).await;
        assert_eq!(response.status(), StatusCode::OK);
        let body: Value = serde_json::from_str(response.body()).unwrap();
        let member = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Held { id_token: member("id_token"), access_token: member("access_token") }
    }

    async fn login(&self) -> Held {
        self.get("/authorize?response_type=code&client_id=rp&state=a%20b").await;
        self.tokens(FORM, "grant_type=authorization_code&code=c%2F1&client_id=rp").await
    }
}

/// The flows by name.
const FLOWS: [&str; 16] = [
    "code",
    "refresh",
    "client credentials",
    "hybrid",
    "form_post",
    "JARM",
    "logout by GET",
    "logout by POST",
    "userinfo",
    "introspection",
    "revocation",
    "token exchange",
    "pushed authorization request",
    "device",
    "CIBA",
    "multipart",
];

/// One flow of a relying party; what it held in the end.
async fn flow(name: &str, rp: &RelyingParty<'_>) -> Held {
    let exchange = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type";
    match name {
        "code" => rp.login().await,
        "refresh" => {
            let held = rp.login().await;
            rp.tokens(FORM, "grant_type=refresh_token&refresh_token=r1&scope=openid").await;
            rp.with_bearer("/userinfo", &held.access_token).await;
            held
        }
        "client credentials" => {
            let held = rp.tokens(FORM, "grant_type=client_credentials&scope=api").await;
            rp.post("/introspect", FORM, &format!("token={}", held.access_token)).await;
            held
        }
        "hybrid" => {
            let location =
                location(&rp.get("/authorize?response_type=code%20id_token%20token").await);
            let held = Held {
                id_token: taken_out(&location, "id_token").0,
                access_token: taken_out(&location, "access_token").0,
            };
            rp.with_bearer("/userinfo?x=%41", &held.access_token).await;
            let hint = &held.id_token;
            rp.get(&format!("/authorize?prompt=none&id_token_hint={hint}&state=%7e")).await;
            held
        }
        "form_post" => {
            let html = rp.get("/login/form").await;
            assert_eq!(html.status(), StatusCode::OK);
            let html = rp.post("/login/form", FORM, "user=u&password=p").await.into_body();
            let value = |name: &str| {
                let (_, rest) = html.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
                rest.split_once('"').unwrap().0.to_owned()
            };
            let held = Held { id_token: value("id_token"), access_token: value("access_token") };
            rp.post("/logout", FORM, &format!("id_token_hint={}&state=+", held.id_token)).await;
            held
        }
        "JARM" => {
            let location = location(&rp.get("/jarm").await);
            let held = rp.login().await;
            Held { id_token: taken_out(&location, "response").0, ..held }
        }
        "logout by GET" => {
            let held = rp.login().await;
            let to = "post_logout_redirect_uri=https%3A%2F%2Frp.test%2Fbye";
            rp.get(&format!("/logout?id_token_hint={}&{to}", held.id_token)).await;
            held
        }
        "logout by POST" => {
            let held = rp.login().await;
            rp.post("/logout", FORM, &format!("client_id=rp&id_token_hint={}", held.id_token))
                .await;
            held
        }
        "userinfo" => {
            let held = rp.login().await;
            rp.with_bearer("/userinfo", &held.access_token).await;
            rp.post("/userinfo", FORM, &format!("access_token={}", held.access_token)).await;
            let told = rp.with_bearer("/userinfo/jwt", &held.access_token).await;
            assert_eq!(field(told.headers(), "content-type"), Some("application/jwt"));
            held
        }
        "introspection" => {
            let held = rp.login().await;
            for token in [&held.access_token, &held.id_token] {
                let body = format!("token={token}&token_type_hint=access_token");
                rp.post("/introspect", FORM, &body).await;
                let body = format!("{{\"token\":\"{token}\"}}");
                rp.post("/introspect", "application/json", &body).await;
            }
            held
        }
        "revocation" => {
            let held = rp.login().await;
            for token in [&held.access_token, "r1"] {
                rp.post("/revoke", FORM, &format!("token={token}")).await;
            }
            held
        }
        "token exchange" => {
            let held = rp.login().await;
            let (subject, actor) = (&held.id_token, &held.access_token);
            let body =
                format!("{exchange}%3Atoken-exchange&subject_token={subject}&actor_token={actor}");
            rp.tokens(FORM, &body).await;
            rp.tokens(FORM, &format!("{exchange}%3Ajwt-bearer&assertion={subject}")).await;
            held
        }
        "pushed authorization request" => {
            let held = rp.login().await;
            let hint = &held.id_token;
            rp.post("/par", FORM, &format!("response_type=code&id_token_hint={hint}&a=%2B")).await;
            rp.get("/authorize?client_id=rp&request_uri=urn%3Ax").await;
            held
        }
        "device" => {
            rp.post("/device", FORM, "client_id=rp&scope=openid").await;
            let body = format!("{exchange}%3Adevice_code&device_code=d1");
            let held = rp.tokens(FORM, &body).await;
            rp.with_bearer("/userinfo", &held.access_token).await;
            held
        }
        "CIBA" => {
            let held = rp.login().await;
            rp.post("/ciba", FORM, &format!("scope=openid&id_token_hint={}", held.id_token)).await;
            rp.tokens(FORM, "grant_type=urn%3Aopenid%3Aparams%3Agrant-type%3Aciba&auth_req_id=q1")
                .await
        }
        _ => {
            let held = rp.login().await;
            let part = |name: &str, value: &str| {
                format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
            };
            let body = [
                part("grant_type", "x"),
                part("subject_token", &held.id_token),
                "--B--\r\n".to_owned(),
            ];
            rp.tokens("multipart/form-data; boundary=B", &body.concat()).await;
            held
        }
    }
}

/// The provider answers each run with the same tokens.
fn prepare(stage: &Stage) {
    let access_token = stage.token("at+jwt", json!({"aud": "api", "client_id": "rp"}));
    let id_token = stage.token("JWT", json!({"nonce": "n"}));
    let body = json!({
        "token_type": "Bearer", "expires_in": 300, "refresh_token": "r1",
        "access_token": access_token, "id_token": id_token,
    });
    stage.answer("/token", answer(StatusCode::OK, body));
    let hybrid = format!(
        "https://rp.test/cb#code=c&access_token={access_token}&token_type=bearer&id_token={id_token}"
    );
    stage.answer("/authorize?response_type=code%20id_token%20token", redirect(&hybrid));
    stage.answer("/authorize", redirect("https://rp.test/cb?code=c%2F1&state=a%20b"));
    let input = |name: &str, value: &str| {
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\"/>")
    };
    let html = format!(
        "<form method=\"post\">{}{}</form>",
        input("id_token", &id_token),
        input("access_token", &access_token)
    );
    stage.answer("/login/form", page(&html));
    let jarm = stage.token("JWT", json!({"code": "c%2F1", "state": "a b"}));
    stage.answer("/jarm", redirect(&format!("https://rp.test/cb?response={jarm}")));
    let mut told = Response::new(stage.token("JWT", json!({"name": "U"})));
    told.headers_mut().insert("content-type", HeaderValue::from_static("application/jwt"));
    stage.answer("/userinfo/jwt", told);
    for path in ["/userinfo", "/introspect", "/revoke", "/par", "/device", "/ciba"] {
        stage.answer(path, answer(StatusCode::OK, json!({"active": true, "sub": "u"})));
    }
    stage.answer("/logout", redirect("https://rp.test/bye"));
}

/// What the provider noted while the flow ran, and what the relying party held in the end.
async fn run(stage: &Stage, base: &str, name: &str) -> (Vec<Noted>, Held) {
    stage.take_asked();
    let held = flow(name, &RelyingParty { base }).await;
    let asked = stage.take_asked().into_iter().map(|request| {
        let authorization = field(request.headers(), "authorization").map(str::to_owned);
        let target = request.uri().to_string();
        (request.method().clone(), target, authorization, request.into_body())
    });
    (asked.collect(), held)
}

#[tokio::test]
async fn the_provider_sees_each_flow_as_if_kidstamp_was_not_there() {
    let stage = Stage::start(SETTINGS).await;
    prepare(&stage);
    for name in FLOWS {
        let (direct, held_direct) = run(&stage, stage.provider(), name).await;
        let (through, held) = run(&stage, stage.kidstamp(), name).await;
        assert!(!direct.is_empty(), "{name}");
        assert_eq!(through, direct, "{name}");
        assert_ne!(held.access_token, held_direct.access_token, "{name}: it was signed anew");
        assert_ne!(held.id_token, held_direct.id_token, "{name}: it was signed anew");
        assert!(stage.accepts(&held.access_token).await, "{name}");
        assert!(stage.accepts(&held.id_token).await, "{name}");
    }
    // The control: what the relying party holds does differ on its way, where nothing restores it.
    let (direct, _) = run(&stage, stage.provider(), "code").await;
    let held = flow("code", &RelyingParty { base: stage.kidstamp() }).await;
    stage.take_asked();
    let direct_rp = RelyingParty { base: stage.provider() };
    direct_rp.with_bearer("/userinfo", &held.access_token).await;
    let seen = stage.take_asked().pop().unwrap();
    let bearer = format!("Bearer {}", held.access_token);
    assert_eq!(field(seen.headers(), "authorization"), Some(bearer.as_str()));
    assert!(direct.iter().all(|noted| noted.2 != Some(bearer.clone())));
}
