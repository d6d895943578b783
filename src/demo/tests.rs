//! The provider and the relying party among themselves: what kidstamp's success is measured with has to
//! refuse, and for the right reason.

use super::http::{Form, Site, browse, get, post_form, send, with_query};
use super::legacy_idp::{Client, Config, Forgery, LegacyIdp};
use super::secret::s256;
use super::strict_rp::{self, RpError, StrictRp};
use crate::jose::{Alg, CompactJws, SigningKey, base64url};
use ::http::header::LOCATION;
use ::http::{Request, StatusCode};
use serde_json::Value;
use std::sync::{Arc, LazyLock};

static KEY: LazyLock<Arc<SigningKey>> =
    LazyLock::new(|| Arc::new(SigningKey::generate(Alg::Rs256).unwrap()));

/// A provider and a relying party that know each other.
async fn pair(with_kid: bool, forgery: Option<Forgery>) -> (LegacyIdp, StrictRp) {
    let (idp, rp) = (Site::bind().await.unwrap(), Site::bind().await.unwrap());
    let client = Client {
        id: "demo client".to_owned(),
        secret: Some("+s3cret&".to_owned()),
        redirect_uri: strict_rp::redirect_uri(rp.url()),
        post_logout_redirect_uri: strict_rp::post_logout_redirect_uri(rp.url()),
        forgery,
    };
    let registration = strict_rp::Config {
        issuer: idp.url().to_owned(),
        client_id: client.id.clone(),
        client_secret: client.secret.clone().unwrap(),
    };
    let public = Client {
        id: "public".to_owned(),
        secret: None,
        redirect_uri: "http://127.0.0.1:9/cb".to_owned(),
        forgery: None,
        ..client.clone()
    };
    let external_url = idp.url().to_owned();
    let clients = vec![client, public];
    let config = Config { external_url, key: Arc::clone(&KEY), with_kid, clients };
    (LegacyIdp::start(idp, config).unwrap(), StrictRp::start(rp, registration))
}

/// How a login ends.
async fn login(rp: &StrictRp) -> Result<strict_rp::Session, RpError> {
    browse(&format!("{}/login", rp.url())).await.unwrap();
    rp.last_login().unwrap().outcome
}

/// A code for the public client, with the challenge of `verifier`.
async fn code(idp: &LegacyIdp, verifier: &str) -> String {
    let url = with_query(
        &format!("{}/authorize", idp.url()),
        &[
            ("client_id", "public"),
            ("redirect_uri", "http://127.0.0.1:9/cb"),
            ("response_type", "code"),
            ("scope", "openid"),
            ("code_challenge", &s256(verifier)),
            ("code_challenge_method", "S256"),
        ],
    );
    let response = get(&url).await.unwrap();
    let location = response.headers()[LOCATION].to_str().unwrap();
    Form::parse(location.split_once('?').unwrap().1).get("code").unwrap().to_owned()
}

/// The answer of the token endpoint.
async fn token(idp: &LegacyIdp, parameters: &[(&str, &str)]) -> (StatusCode, Value) {
    let url = format!("{}/api/oidc/token", idp.url());
    let response = post_form(&url, parameters).await.unwrap();
    (response.status(), serde_json::from_str(response.body()).unwrap())
}

/// `token` with the same content and a signature by another key.
fn resigned(token: &str) -> String {
    let jws = CompactJws::parse(token).unwrap();
    let key = SigningKey::generate(Alg::Rs256).unwrap();
    let input = std::str::from_utf8(jws.signing_input()).unwrap();
    format!("{input}.{}", base64url::encode(key.sign(input.as_bytes()).unwrap()))
}

#[tokio::test]
async fn the_legacy_provider_answers_as_pocket_id_does() {
    let (idp, rp) = pair(false, None).await;
    let keys = get(&format!("{}/.well-known/jwks.json", idp.url())).await.unwrap();
    let start = r#"{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","n":""#;
    assert!(keys.body().starts_with(start), "{}", keys.body());
    assert!(keys.body().ends_with(r#"","e":"AQAB"}]}"#), "{}", keys.body());
    let refused = RpError::BadJwk { position: 1, count: 1, member: "kid" };
    assert_eq!(login(&rp).await.err(), Some(refused));
    let ledger = idp.ledger();
    let jws = CompactJws::parse(&ledger.id_tokens[0]).unwrap();
    assert_eq!(jws.header_json(), r#"{"alg":"RS256","typ":"JWT"}"#);
    let page = browse(&format!("{}/login", rp.url())).await.unwrap();
    assert_eq!(page.status(), StatusCode::FORBIDDEN);
    assert_eq!(page.body(), "Login refused. Bad JWK value: key 1 of 1 has no kid.\n");
    rp.stop().await;
    idp.stop().await;
}

#[tokio::test]
async fn with_a_kid_everything_is_accepted() {
    let (idp, rp) = pair(true, None).await;
    let session = login(&rp).await.unwrap();
    assert_eq!(session.sub, "demo");
    let me = get(&format!("{}/me", rp.url())).await.unwrap();
    assert_eq!(me.status(), StatusCode::OK, "{}", me.body());
    assert!(me.body().contains(r#""sub":"demo""#));
    let bye = browse(&format!("{}/logout", rp.url())).await.unwrap();
    assert_eq!((bye.status(), &**bye.body()), (StatusCode::OK, "Signed out.\n"));
    let me = get(&format!("{}/me", rp.url())).await.unwrap();
    assert_eq!(me.body().trim(), RpError::NotSignedIn.to_string());
    let ledger = idp.ledger();
    assert_eq!(ledger.bearers, [session.access_token]);
    assert_eq!(ledger.hints, [session.id_token]);
}

#[tokio::test]
async fn each_forgery_is_refused_for_what_it_is() {
    let cases = [
        (Forgery::WrongKey, "JWT signature not verified."),
        (Forgery::WrongIssuer, "The ID token's `iss` is \"https://elsewhere.example\", not "),
        (Forgery::WrongAudience, "The ID token's `aud` is \"another client\", not "),
        (Forgery::WrongNonce, "The ID token's `nonce` is \"another nonce\", not "),
        (Forgery::Expired, "The ID token has expired."),
    ];
    for (forgery, text) in cases {
        let (_idp, rp) = pair(true, Some(forgery)).await;
        let error = login(&rp).await.err().unwrap().to_string();
        assert!(error.starts_with(text), "{forgery:?}: {error}");
        assert!(rp.last_login().unwrap().id_token.is_some());
    }
}

#[tokio::test]
async fn the_provider_takes_back_only_what_it_signed() {
    let (idp, rp) = pair(true, None).await;
    let session = login(&rp).await.unwrap();
    let userinfo = format!("{}/api/oidc/userinfo", idp.url());
    let logout = format!("{}/api/oidc/end-session", idp.url());
    // An ID token is no access token, even if it is the provider's own.
    for (bearer, status) in [
        (session.access_token.clone(), 200),
        (resigned(&session.access_token), 401),
        (session.id_token.clone(), 401),
        ("x.y.z".to_owned(), 401),
        (String::new(), 401),
    ] {
        let request = Request::get(&userinfo).header("authorization", format!("Bearer {bearer}"));
        let answer = send(request.body(String::new()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), status, "{bearer}");
    }
    for (hint, status) in [
        (session.id_token.clone(), 200),
        (resigned(&session.id_token), 400),
        ("{}".to_owned(), 400),
    ] {
        let by_query = get(&with_query(&logout, &[("id_token_hint", &hint)])).await.unwrap();
        let by_form = post_form(&logout, &[("id_token_hint", &hint)]).await.unwrap();
        assert_eq!([by_query.status(), by_form.status()], [status; 2], "{hint}");
    }
    let hint = &*session.id_token;
    let parameters = [("id_token_hint", hint), ("post_logout_redirect_uri", "http://127.0.0.1:9/")];
    assert_eq!(post_form(&logout, &parameters).await.unwrap().status(), 400);
    assert_eq!(get(&logout).await.unwrap().status(), 400);
    // Nothing came with the empty one.
    assert_eq!(idp.ledger().bearers.len(), 4);
}

#[tokio::test]
async fn codes_and_refresh_tokens_work_once() {
    let (idp, _rp) = pair(false, None).await;
    let verifier = "a-verifier-that-is-long-enough-for-the-standard";
    let code = code(&idp, verifier).await;
    let parameters = [
        ("grant_type", "authorization_code"),
        ("client_id", "public"),
        ("redirect_uri", "http://127.0.0.1:9/cb"),
        ("code", &code),
        ("code_verifier", verifier),
    ];
    let (status, tokens) = token(&idp, &parameters).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    let (status, again) = token(&idp, &parameters).await;
    assert_eq!((status, &again["error"]), (StatusCode::BAD_REQUEST, &"invalid_grant".into()));
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let parameters = [
        ("grant_type", "refresh_token"),
        ("client_id", "public"),
        ("refresh_token", refresh_token),
    ];
    let (status, fresh) = token(&idp, &parameters).await;
    assert_eq!(status, StatusCode::OK, "{fresh}");
    assert_eq!(idp.ledger().id_tokens.last().unwrap(), fresh["id_token"].as_str().unwrap());
    assert_eq!(token(&idp, &parameters).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn who_can_not_prove_itself_gets_nothing() {
    let (idp, _rp) = pair(false, None).await;
    let code = code(&idp, "one verifier").await;
    let redirect_uri = ("redirect_uri", "http://127.0.0.1:9/cb");
    let grant = ("grant_type", "authorization_code");
    let public = ("client_id", "public");
    let wrong = [grant, public, redirect_uri, ("code", &*code), ("code_verifier", "another")];
    assert_eq!(token(&idp, &wrong).await.1["error"], "invalid_grant");
    for (parameters, error) in [
        (vec![], "invalid_client"),
        (vec![grant, ("client_id", "demo client")], "invalid_client"),
        (vec![("client_id", "demo client"), ("client_secret", "guess")], "invalid_client"),
        (vec![public, ("client_secret", "")], "invalid_client"),
        (vec![public], "unsupported_grant_type"),
        (vec![grant, public], "invalid_grant"),
        (vec![grant, public, ("code", ""), ("code", "")], "invalid_grant"),
    ] {
        assert_eq!(token(&idp, &parameters).await.1["error"], error, "{parameters:?}");
    }
    let authorize = format!("{}/authorize", idp.url());
    for (parameters, status) in [
        (vec![], 400),
        (vec![public], 400),
        (vec![public, ("redirect_uri", "http://127.0.0.1:9/elsewhere")], 400),
        (vec![public, redirect_uri], 302),
        (vec![public, redirect_uri, ("response_type", "code"), ("scope", "openid")], 302),
    ] {
        let answer = get(&with_query(&authorize, &parameters)).await.unwrap();
        assert_eq!(answer.status(), status, "{parameters:?}");
        let location = answer.headers().get(LOCATION).map(|value| value.to_str().unwrap());
        assert!(location.is_none_or(|url| url.contains("?error=")), "{location:?}");
    }
}

#[tokio::test]
async fn a_secret_in_the_header_is_as_good() {
    let (idp, _rp) = pair(false, None).await;
    // `demo client:+s3cret&`, both parts form-encoded first (RFC 6749 §2.3.1).
    for (basic, error) in [
        ("ZGVtbyUyMGNsaWVudDolMkJzM2NyZXQlMjY=", "unsupported_grant_type"),
        ("ZGVtbyUyMGNsaWVudDpndWVzcw==", "invalid_client"),
        ("!", "invalid_client"),
    ] {
        let request = Request::post(format!("{}/api/oidc/token", idp.url()))
            .header("authorization", format!("Basic {basic}"));
        let answer = send(request.body(String::new()).unwrap()).await.unwrap();
        let answer: Value = serde_json::from_str(answer.body()).unwrap();
        assert_eq!(answer["error"], error, "{basic}");
    }
}

#[tokio::test]
async fn the_relying_party_knows_whom_it_talks_to() {
    let (idp, rp) = pair(true, None).await;
    let strange = get(&format!("{}/callback?code=x&state=y", rp.url())).await.unwrap();
    assert_eq!(strange.body(), "Login refused. The login was not started here.\n");
    let elsewhere = idp.url().replace("127.0.0.1", "localhost");
    let registration = strict_rp::Config {
        issuer: elsewhere.clone(),
        client_id: String::new(),
        client_secret: String::new(),
    };
    let stranger = StrictRp::start(Site::bind().await.unwrap(), registration);
    let page = browse(&format!("{}/login", stranger.url())).await.unwrap();
    let expected = format!("is of issuer {}, not of {elsewhere}.", idp.url());
    assert!(page.body().contains(&expected), "{}", page.body());
    let url = idp.url().to_owned();
    idp.stop().await;
    let page = browse(&format!("{}/login", rp.url())).await.unwrap();
    assert_eq!(page.status(), StatusCode::BAD_GATEWAY);
    assert!(page.body().contains(&format!("no answer from {url}/.well-known")), "{}", page.body());
}
