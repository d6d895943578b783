//! That the story notices what is wrong: in place of kidstamp stands what does less, or too much.

use super::*;
use crate::demo::http::{Site, send};
use crate::demo::{Report, Stage, Start, Started, run};
use crate::jose::{Alg, SigningKey, base64url, thumbprint};
use ::http::{Request, Response, Uri};
use std::sync::{Arc, LazyLock};
use tokio::runtime::Handle;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Alg::Rs256).unwrap());

/// A stage on which something that only does `mend` to bodies stands in place of kidstamp.
async fn stage(mend: fn(String) -> String) -> Stage {
    let start: Arc<Start> = Arc::new(move |placement| {
        let (listen, upstream) = (placement.listen, placement.upstream.clone());
        let site = Handle::current().block_on(Site::at(listen)).map_err(|e| e.to_string())?;
        let relay = site.serve(move |mut request: Request<String>| {
            let path = request.uri().path_and_query().unwrap().clone();
            *request.uri_mut() = format!("{upstream}{path}").parse::<Uri>().unwrap();
            async move {
                let mut response: Response<String> = send(request).await.unwrap();
                response.headers_mut().remove("content-length");
                response.map(mend)
            }
        });
        let ready_url = format!("{}/.well-known/jwks.json", relay.url());
        Ok(Started { ready_url, stop: Box::new(move || drop(relay)) })
    });
    Stage::set_up(start).await.unwrap()
}

/// How the story goes there, and what is shown.
async fn told(mend: fn(String) -> String) -> (Report, String) {
    let stage = stage(mend).await;
    let mut out = anstream::StripStream::new(Vec::new());
    let report = run(&stage, &mut out).await.unwrap();
    stage.take_down().await;
    (report, String::from_utf8(out.into_inner()).unwrap())
}

fn with_kid(body: String) -> String {
    let document = Document::parse(&body, Limits::DOCUMENT);
    let keys =
        document.map(|set| keys(&set).first().and_then(|jwk| PublicKey::from_jwk(*jwk).ok()));
    let Ok(Some(public)) = keys else { return body };
    body.replace("}]}", &format!(r#","kid":"{}"}}]}}"#, thumbprint::of(&public)))
}

fn with_signature(body: String) -> String {
    let id_token = serde_json::from_str::<serde_json::Value>(&body)
        .ok()
        .and_then(|body| Some(body.get("id_token")?.as_str()?.to_owned()));
    let Some(id_token) = id_token else {
        return with_kid(body).replace("}]}", &format!("}},{}]}}", KEY.public_jwk()));
    };
    let payload = id_token.split('.').nth(1).unwrap();
    let header = format!(r#"{{"alg":"RS256","kid":"{}"}}"#, KEY.kid());
    let input = format!("{}.{payload}", base64url::encode(header));
    let signature = base64url::encode(KEY.sign(input.as_bytes()).unwrap());
    body.replace(&id_token, &format!("{input}.{signature}"))
}

fn failed(report: &Report) -> (usize, &'static str) {
    (report.steps.len(), report.failed().unwrap().title)
}

#[tokio::test]
async fn a_proxy_that_does_nothing_is_found_out() {
    let (report, text) = told(|body| body).await;
    assert_eq!(failed(&report), (2, "Key set"), "{text}");
    assert!(text.contains("ok      Login: refused, because a key has no kid\n"), "{text}");
    assert!(text.contains("expected: keys without a kid of their own: 0\n"), "{text}");
    assert!(text.contains("found:    1\n"), "{text}");
}

#[tokio::test]
async fn a_kid_that_is_no_thumbprint_is_found_out() {
    let (report, text) = told(|body| body.replace(r#""AQAB"}"#, r#""AQAB","kid":"1"}"#)).await;
    assert_eq!(failed(&report), (2, "Key set"), "{text}");
    assert!(text.contains("the provider's thumbprint (RFC 7638)"), "{text}");
}

#[tokio::test]
async fn a_kid_in_the_key_set_alone_is_found_out() {
    let (report, text) = told(with_kid).await;
    assert_eq!(failed(&report), (3, "Login"), "{text}");
    assert!(text.contains("+       \"kid\": \""), "{text}");
    assert!(
        text.contains("found:    JWT signature not verified: the token names no key."),
        "{text}"
    );
}

#[tokio::test]
async fn a_signature_that_is_not_taken_back_is_found_out() {
    let (report, text) = told(with_signature).await;
    assert_eq!(failed(&report), (6, "Logout"), "{text}");
    assert!(text.contains("id_token_hint is not an ID token of this provider"), "{text}");
}

#[tokio::test]
async fn who_signs_whatever_comes_is_found_out() {
    let stage = stage(with_signature).await;
    let step = sign_in_with_forgery(&stage).await.unwrap_err();
    assert_eq!(step.expected, "JWT signature not verified");
    assert_eq!(step.found, SIGNED_IN);
}
