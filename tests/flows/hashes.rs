//! Hashes in an ID token of what stands beside it.

use crate::front_channel::{location, taken_out};
use crate::stage::{Stage, field, forge, page};
use aws_lc_rs::digest::{SHA256, digest};
use http::StatusCode;
use kidstamp::demo::http::redirect;
use kidstamp::jose::{CompactJws, base64url};
use kidstamp::token::restore;
use serde_json::{Value, json};

const RESIGN: &str = "tokens.access_token = \"resign\"";
const FORM: &str = "application/x-www-form-urlencoded";

/// OpenID Connect Core §3.1.3.6, for RS256.
fn hash(text: &str) -> String {
    base64url::encode(&digest(&SHA256, text.as_bytes()).as_ref()[..16])
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(CompactJws::parse(token).unwrap().payload()).unwrap()
}

/// An access token, and an ID token of a hybrid response around it.
fn hybrid(stage: &Stage) -> (String, String) {
    let access_token = stage.token("at+jwt", json!({"aud": "api"}));
    let hashes = json!({
        "at_hash": hash(&access_token), "c_hash": hash("the code"), "s_hash": hash("a b"), "nonce": "n",
    });
    let id_token = stage.token("JWT", hashes);
    (access_token, id_token)
}

/// How a response brings the tokens: what it is, and where they stand in what came of it.
async fn through(
    stage: &Stage,
    carrier: &str,
    access_token: &str,
    id_token: &str,
) -> (String, String) {
    match carrier {
        "redirect" => {
            stage.answer(
                "/authorize",
                redirect(&format!(
                    "https://rp.test/cb#code=the%20code&state=a+b&state2=x&token_type=bearer\
                     &access_token={access_token}&id_token={id_token}"
                )),
            );
            let new = location(&stage.get("/authorize").await);
            (taken_out(&new, "access_token").0, taken_out(&new, "id_token").0)
        }
        "form_post" => {
            let input = |name: &str, value: &str| {
                format!("<input type=hidden name={name} value=\"{value}\">")
            };
            let inputs = [
                input("code", "the code"),
                input("id_token", id_token),
                input("access_token", access_token),
                input("state", "a b"),
            ];
            stage.answer("/authorize", page(&format!("<form>{}</form>", inputs.concat())));
            let new = stage.get("/authorize").await.into_body();
            let value = |name: &str| {
                let (_, rest) = new.split_once(&format!("name={name} value=\"")).unwrap();
                rest.split_once('"').unwrap().0.to_owned()
            };
            (value("access_token"), value("id_token"))
        }
        _ => {
            let body = json!({
                "token_type": "Bearer", "access_token": access_token, "id_token": id_token,
                "refresh_token": access_token, "code": "the code", "state": "a b",
            });
            stage.answer("/token", kidstamp::demo::http::json(StatusCode::OK, body));
            let new = stage.post("/token", FORM, "grant_type=x").await;
            let new: Value = serde_json::from_str(new.body()).unwrap();
            assert_eq!(new["refresh_token"], access_token, "a refresh token never changes");
            let member = |name: &str| new[name].as_str().unwrap().to_owned();
            (member("access_token"), member("id_token"))
        }
    }
}

const CARRIERS: [&str; 3] = ["redirect", "form_post", "token response"];

#[tokio::test]
async fn threat_37_at_hash_follows_the_access_token() {
    let stage = Stage::start(RESIGN).await;
    let (access_token, id_token) = hybrid(&stage);
    for carrier in CARRIERS {
        let (new_access, new_id) = through(&stage, carrier, &access_token, &id_token).await;
        assert!(stage.accepts(&new_access).await && stage.accepts(&new_id).await, "{carrier}");
        assert_ne!(new_access, access_token, "{carrier}");
        let claims = claims(&new_id);
        assert_eq!(claims["at_hash"], hash(&new_access), "{carrier}");
        assert_eq!(claims["c_hash"], hash("the code"), "{carrier}");
        assert_eq!(claims["s_hash"], hash("a b"), "{carrier}");
        assert_eq!(restore(&new_access).as_ref(), Some(&access_token), "{carrier}");
        assert_eq!(restore(&new_id).as_ref(), Some(&id_token), "{carrier}");
    }
}

/// Where the ID token can't follow, the access token stays.
#[tokio::test]
async fn threat_37_an_access_token_stays_where_its_hash_has_to() {
    for settings in ["tokens.id_token = \"pass\"", "tokens.id_token = \"annotate\""] {
        let stage = Stage::start(&format!("{RESIGN}\n{settings}")).await;
        let (access_token, id_token) = hybrid(&stage);
        for carrier in CARRIERS {
            let after = through(&stage, carrier, &access_token, &id_token).await;
            assert_eq!(after, (access_token.clone(), id_token.clone()), "{settings} {carrier}");
        }
    }
    let stage = Stage::start(RESIGN).await;
    let (access_token, id_token) = hybrid(&stage);
    let forged = forge(&id_token);
    for carrier in CARRIERS {
        let after = through(&stage, carrier, &access_token, &forged).await;
        assert_eq!(after, (access_token.clone(), forged.clone()), "{carrier}");
    }
    let bound = stage.token("at+jwt", json!({"cnf": {"jkt": "x"}}));
    let id_token = stage.token("JWT", json!({"at_hash": hash(&bound)}));
    let (new_bound, new_id) = through(&stage, "redirect", &bound, &id_token).await;
    assert_eq!(new_bound, bound);
    assert_eq!(claims(&new_id)["at_hash"], hash(&bound));
}

/// A hash that is wrong stays wrong, unless the rule for it is switched on.
#[tokio::test]
async fn a_wrong_hash_is_the_providers_until_somebody_asks() {
    let rules =
        "[rules]\n\"claims/hash-wrong\" = \"repair\"\n\"claims/at-hash-missing\" = \"repair\"";
    for (rules, repaired) in [("", false), (rules, true)] {
        let stage = Stage::start(&format!("{RESIGN}\n{rules}")).await;
        let access_token = stage.token("at+jwt", json!({"aud": "api"}));
        let wrong = json!({"at_hash": "x", "c_hash": "y", "s_hash": "z"});
        let id_token = stage.token("JWT", wrong);
        for carrier in CARRIERS {
            let (new_access, new_id) = through(&stage, carrier, &access_token, &id_token).await;
            let claims = claims(&new_id);
            let expected = if repaired {
                [hash(&new_access), hash("the code"), hash("a b")]
            } else {
                ["x", "y", "z"].map(str::to_owned)
            };
            assert_ne!(new_access, access_token, "{carrier}");
            assert_eq!(["at_hash", "c_hash", "s_hash"].map(|name| claims[name].clone()), expected);
            assert_eq!(restore(&new_id).as_ref(), Some(&id_token), "{carrier}");
        }
        let without = stage.token("JWT", json!({}));
        let (new_access, new_id) = through(&stage, "redirect", "opaque", &without).await;
        assert_eq!(new_access, "opaque");
        let expected = if repaired { json!(hash("opaque")) } else { Value::Null };
        assert_eq!(claims(&new_id)["at_hash"], expected);
        assert_eq!(restore(&new_id), Some(without));
    }
}

/// By default access tokens pass, and nothing is hashed anew.
#[tokio::test]
async fn by_default_hashes_stay() {
    let stage = Stage::start("").await;
    let (access_token, id_token) = hybrid(&stage);
    for carrier in CARRIERS {
        let (same, new_id) = through(&stage, carrier, &access_token, &id_token).await;
        assert_eq!(same, access_token);
        assert_eq!(claims(&new_id)["at_hash"], hash(&access_token));
    }
    let response = stage.post("/token", FORM, "grant_type=x").await;
    assert_eq!(field(response.headers(), "cache-control"), Some("no-store"));
}
