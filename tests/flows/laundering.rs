//! Every laundering vector through every response that brings a token.

use crate::front_channel::location;
use crate::stage::{Stage, page};
use http::{HeaderValue, Response, StatusCode};
use kidstamp::demo::http::redirect;
use kidstamp::json::quote;
use kidstamp::token::restore;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::Value;
use std::sync::Arc;
use tokio::task::JoinSet;

const KEYS: &str = include_str!("../fixtures/jwt/launder-upstream-jwks.json");
const VECTORS: &str = include_str!("../fixtures/jwt/launder.jsonl");
const FORM: &str = "application/x-www-form-urlencoded";

/// A response of the provider that brings a token.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Carrier {
    TokenResponse,
    AccessToken,
    Redirect,
    FormPost,
    UserInfo,
}

const CARRIERS: [Carrier; 5] = [
    Carrier::TokenResponse,
    Carrier::AccessToken,
    Carrier::Redirect,
    Carrier::FormPost,
    Carrier::UserInfo,
];

impl Carrier {
    /// The response as text, around a token.
    fn around(self, token: &str) -> String {
        match self {
            Self::TokenResponse => format!(
                r#"{{ "access_token":"opaque","token_type":"Bearer", "id_token" : {}, "x":1.0 }}"#,
                quote(token)
            ),
            Self::AccessToken => {
                format!(r#"{{"token_type":"Bearer","access_token":{}}}"#, quote(token))
            }
            Self::Redirect => {
                let token = percent_encode(token.as_bytes(), NON_ALPHANUMERIC);
                format!("https://rp.test/cb?a=%41#state=s%20t&id_token={token}&b")
            }
            Self::FormPost => format!(
                "<html><form method=post action='https://rp.test/cb'>\n<input value=\"{token}\" \
                 type=hidden name='id_token'/><input type=hidden name=state value='&quot;'></form>"
            ),
            Self::UserInfo => format!("{token}\n"),
        }
    }

    /// What kidstamp makes of it, at a path that is told from others by `number`.
    async fn through(self, stage: &Stage, text: &str, number: usize) -> String {
        let at = |path: &str| format!("{path}?state=s&number={number}");
        match self {
            Self::TokenResponse | Self::AccessToken => {
                stage.answer(&at("/token"), kidstamp::demo::http::json(StatusCode::OK, text));
                stage.post(&at("/token"), FORM, "grant_type=x").await.into_body()
            }
            Self::Redirect => {
                stage.answer(&at("/authorize"), redirect(text));
                location(&stage.get(&at("/authorize")).await)
            }
            Self::FormPost => {
                stage.answer(&at("/authorize"), page(text));
                stage.get(&at("/authorize")).await.into_body()
            }
            Self::UserInfo => {
                let mut response = Response::new(text.to_owned());
                let jwt = HeaderValue::from_static("application/jwt");
                response.headers_mut().insert("content-type", jwt);
                stage.answer(&at("/userinfo"), response);
                stage.get(&at("/userinfo")).await.into_body()
            }
        }
    }

    /// As it stands in the response.
    fn written(self, token: &str) -> String {
        match self {
            Self::Redirect => percent_encode(token.as_bytes(), NON_ALPHANUMERIC).to_string(),
            _ => token.to_owned(),
        }
    }

    /// True if the vector is to be signed anew here.
    fn signs(self, id: &str, want: &str) -> bool {
        match (id, self) {
            // The rules for claims repair ID tokens alone.
            ("exp-string", Self::UserInfo | Self::AccessToken) => false,
            // Never an access token that is bound to a key; as a claim of another token it just stays.
            ("cnf-x5t" | "cnf-jkt" | "cnf-x5t-access", carrier) => carrier != Self::AccessToken,
            // Old access tokens name no audience, and at+jwt is their type (RFC 9068 §2.1).
            ("no-aud" | "typ-at", Self::AccessToken) => true,
            _ => want == "resign",
        }
    }
}

async fn stage(settings: &Value) -> Stage {
    let rules: Vec<String> = kidstamp::rules::claims::rules()
        .filter(|_| settings["claims"] == "off")
        .map(|rule| format!("rules.\"{}\" = \"off\"", rule.id))
        .collect();
    let settings_text =
        format!("tokens.access_token = \"auto\"\ntokens.userinfo = \"auto\"\n{}", rules.join("\n"));
    let audiences = match &settings["audiences"] {
        Value::Null => String::new(),
        audiences => format!("audiences = {audiences}"),
    };
    Stage::start_before(KEYS, &["RS256", "RS512"], &settings_text, &audiences).await
}

#[tokio::test]
async fn threat_01_laundering_through_every_carrier() {
    let vectors: Vec<Value> =
        VECTORS.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut seen = 0;
    for settings in ["null", "\"off\"", "[\"rp1\"]"] {
        let of = |vector: &&Value| match settings {
            "null" => {
                vector["settings"]["audiences"].is_null() && vector["settings"]["claims"].is_null()
            }
            "\"off\"" => vector["settings"]["claims"] == "off",
            _ => !vector["settings"]["audiences"].is_null(),
        };
        let vectors: Vec<&Value> = vectors.iter().filter(of).collect();
        let stage = Arc::new(stage(&vectors[0]["settings"]).await);
        // At once: a signature that is wrong waits for the provider's newest keys.
        let mut trials = JoinSet::new();
        for vector in vectors {
            for carrier in CARRIERS {
                let stage = Arc::clone(&stage);
                let number = seen;
                seen += 1;
                let vector = vector.clone();
                trials.spawn(async move { launder(&stage, carrier, &vector, number).await });
            }
        }
        while let Some(outcome) = trials.join_next().await {
            outcome.unwrap();
        }
    }
    assert_eq!(seen, 75 * CARRIERS.len());
}

async fn launder(stage: &Stage, carrier: Carrier, vector: &Value, number: usize) {
    let (id, token) = (vector["id"].as_str().unwrap(), vector["token"].as_str().unwrap());
    let before = carrier.around(token);
    let after = carrier.through(stage, &before, number).await;
    let place = format!("{id} in {carrier:?}");
    let signs = carrier.signs(id, vector["want"].as_str().unwrap());
    assert_eq!(after != before, signs, "{place}");
    if signs {
        let (start, end) = before.split_once(&carrier.written(token)).unwrap();
        let new = after.strip_prefix(start).and_then(|after| after.strip_suffix(end));
        assert!(new.is_some(), "{place}: more than the token changed");
        assert_eq!(restore(new.unwrap()).as_deref(), Some(token), "{place}");
        assert!(stage.accepts(new.unwrap()).await, "{place}");
    }
}
