//! Rust's relying parties, each as its own documentation verifies an ID token, over many questions in one process.
//! The argument says which: rust-openidconnect or rust-jsonwebtoken9.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use openidconnect::core::{CoreClient, CoreProviderMetadata};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, HttpRequest, HttpResponse,
    IssuerUrl, Nonce, OAuth2TokenResponse, TokenResponse,
};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::time::Duration;
use ureq::Agent;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[derive(Deserialize)]
struct Question {
    issuer: String,
    jwks_uri: Option<String>,
    audience: String,
    token: String,
    algorithm: Algorithm,
}

#[derive(Serialize)]
struct Answer {
    accepted: bool,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    jwks_uri: String,
    id_token_signing_alg_values_supported: Vec<Algorithm>,
}

fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(10)));
    config.build().into()
}

fn fetch(url: &str) -> Outcome<String> {
    Ok(agent().get(url).call()?.body_mut().read_to_string()?)
}

/// It asks the token endpoint itself.
fn openidconnect(question: &Question) -> Outcome<()> {
    let http = |request: HttpRequest| -> Result<HttpResponse, ureq::Error> {
        let (parts, mut body) = agent().run(request)?.into_parts();
        Ok(HttpResponse::from_parts(parts, body.read_to_vec()?))
    };
    let issuer = IssuerUrl::new(question.issuer.clone())?;
    let metadata = CoreProviderMetadata::discover(&issuer, &http)?;
    let client = CoreClient::from_provider_metadata(
        metadata,
        ClientId::new(question.audience.clone()),
        Some(ClientSecret::new("secret".to_owned())),
    );
    let tokens = client.exchange_code(AuthorizationCode::new("abc".to_owned()))?.request(&http)?;
    let id_token = tokens.id_token().ok_or("no id_token in the token response")?;
    let verifier = client.id_token_verifier();
    let claims = id_token.claims(&verifier, |_: Option<&Nonce>| Ok(()))?;
    if let Some(expected) = claims.access_token_hash() {
        let (alg, key) = (id_token.signing_alg()?, id_token.signing_key(&verifier)?);
        let actual = AccessTokenHash::from_token(tokens.access_token(), alg, key)?;
        if actual != *expected {
            return Err("at_hash".into());
        }
    }
    Ok(())
}

fn jsonwebtoken(question: &Question) -> Outcome<()> {
    let (jwks_uri, algorithms) = match &question.jwks_uri {
        Some(uri) => (uri.clone(), vec![question.algorithm]),
        None => {
            let url = format!("{}/.well-known/openid-configuration", question.issuer);
            let metadata: Metadata = serde_json::from_str(&fetch(&url)?)?;
            (metadata.jwks_uri, metadata.id_token_signing_alg_values_supported)
        }
    };
    let keys: JwkSet = serde_json::from_str(&fetch(&jwks_uri)?)?;
    let header = jsonwebtoken::decode_header(&question.token)?;
    let kid = header.kid.ok_or("no kid in the token's header")?;
    let key = DecodingKey::from_jwk(keys.find(&kid).ok_or("no key of that kid")?)?;
    let mut validation = Validation::new(header.alg);
    validation.algorithms = algorithms.into_iter().filter(|alg| *alg == header.alg).collect();
    if validation.algorithms.is_empty() {
        return Err("another algorithm".into());
    }
    validation.set_issuer(&[&question.issuer]);
    validation.set_audience(&[&question.audience]);
    jsonwebtoken::decode::<serde_json::Value>(&question.token, &key, &validation)?;
    Ok(())
}

fn told(refusal: &dyn Error) -> String {
    let mut text = refusal.to_string();
    let mut cause = refusal.source();
    while let Some(error) = cause {
        text = format!("{text} <- {error}");
        cause = error.source();
    }
    text.chars().take(300).collect()
}

fn main() -> Outcome<()> {
    let verify = match std::env::args().nth(1).as_deref() {
        Some("rust-openidconnect") => openidconnect,
        Some("rust-jsonwebtoken9") => jsonwebtoken,
        _ => return Err("which? rust-openidconnect or rust-jsonwebtoken9".into()),
    };
    let questions: Vec<Question> = serde_json::from_reader(std::io::stdin())?;
    let answers: Vec<Answer> = questions
        .iter()
        .map(|question| match verify(question) {
            Ok(()) => Answer { accepted: true, error: None },
            Err(refusal) => Answer { accepted: false, error: Some(told(refusal.as_ref())) },
        })
        .collect();
    println!("{}", serde_json::to_string(&answers)?);
    Ok(())
}
