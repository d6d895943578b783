//! A provider of the kind that kidstamp is for, as Pocket ID 0.8.0 answers: one RSA key without a
//! `kid`, tokens whose header is `{"alg":"RS256","typ":"JWT"}`, an access token that it verifies
//! itself, and a logout that verifies the hint. Who changes either without changing it back fails here.
//!
//! It logs its one user in without asking and can be told to hand out forgeries, so it must never be
//! reachable from anywhere but loopback, where [`Site`] puts it.

mod code_flow;
mod tokens;

pub use tokens::MintError;

use super::http::{Form, Server, Site, json, redirect, text, with_query};
use crate::clock;
use crate::jose::SigningKey;
use code_flow::Grants;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokens::Mint;

/// How a provider is set up.
pub struct Config {
    /// The origin that it believes to be reached at: its issuer, and what all of its URLs begin with.
    pub external_url: String,
    /// Its RS256 key.
    pub key: Arc<SigningKey>,
    /// Whether it names its key in the key set and in tokens, as one that was upgraded.
    pub with_kid: bool,
    /// Who may ask for tokens.
    pub clients: Vec<Client>,
}

/// A registered relying party.
#[derive(Clone)]
pub struct Client {
    /// `client_id`
    pub id: String,
    /// `client_secret`; who has none must use PKCE.
    pub secret: Option<String>,
    /// Where codes are sent.
    pub redirect_uri: String,
    /// Where the browser goes after a logout.
    pub post_logout_redirect_uri: String,
    /// What is wrong with the ID tokens that this client gets.
    pub forgery: Option<Forgery>,
}

/// A way in which an ID token must not be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// Signed with a key that is not published.
    WrongKey,
    /// `iss` of someone else.
    WrongIssuer,
    /// `aud` of someone else.
    WrongAudience,
    /// `nonce` of another login.
    WrongNonce,
    /// No longer valid.
    Expired,
}

/// What went out and came back, to the byte.
#[derive(Clone, Default)]
pub struct Ledger {
    /// Every ID token that was issued.
    pub id_tokens: Vec<String>,
    /// Every access token that was issued.
    pub access_tokens: Vec<String>,
    /// Every bearer token that came to userinfo.
    pub bearers: Vec<String>,
    /// Every `id_token_hint` that came to the logout.
    pub hints: Vec<String>,
}

/// A running provider.
pub struct LegacyIdp {
    server: Server,
    provider: Arc<Provider>,
}

impl LegacyIdp {
    /// Starts it at `site`.
    pub fn start(site: Site, config: Config) -> Result<Self, MintError> {
        let mint = Mint::new(&config)?;
        let Config { external_url: issuer, clients, .. } = config;
        let books = Mutex::default();
        let provider = Arc::new(Provider { mint, issuer, clients, books });
        let answering = Arc::clone(&provider);
        let server = site.serve(move |request| {
            let response = answering.answer(&request);
            async { response }
        });
        Ok(Self { server, provider })
    }

    /// Where it listens, which need not be what it believes.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// What it issued and received until now.
    pub fn ledger(&self) -> Ledger {
        self.provider.books().ledger.clone()
    }

    /// Stops it.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

struct Provider {
    mint: Mint,
    issuer: String,
    clients: Vec<Client>,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    grants: Grants,
    ledger: Ledger,
}

impl Provider {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Request<String>) -> Response<String> {
        let query = Form::parse(request.uri().query().unwrap_or_default());
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/.well-known/openid-configuration") => self.discovery(),
            (&Method::GET, "/.well-known/jwks.json") => json(StatusCode::OK, self.mint.key_set()),
            (&Method::GET, "/authorize") => self.authorize(&query),
            (&Method::POST, "/api/oidc/token") => self.token(request),
            (&Method::GET | &Method::POST, "/api/oidc/userinfo") => self.userinfo(request),
            (&Method::GET, "/api/oidc/end-session") => self.end_session(&query),
            (&Method::POST, "/api/oidc/end-session") => {
                self.end_session(&Form::parse(request.body()))
            }
            _ => text(StatusCode::NOT_FOUND, "not found"),
        }
    }

    fn discovery(&self) -> Response<String> {
        let at = |path: &str| format!("{}{path}", self.issuer);
        let document = json!({
            "issuer": self.issuer,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/api/oidc/token"),
            "userinfo_endpoint": at("/api/oidc/userinfo"),
            "end_session_endpoint": at("/api/oidc/end-session"),
            "jwks_uri": at("/.well-known/jwks.json"),
            "scopes_supported": ["openid", "profile"],
            "claims_supported": ["sub", "name", "preferred_username"],
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        });
        json(StatusCode::OK, document)
    }

    /// OpenID Connect Core §5.3, for access tokens that this provider signed itself and nobody touched.
    fn userinfo(&self, request: &Request<String>) -> Response<String> {
        let authorization = request.headers().get(AUTHORIZATION);
        let bearer = authorization
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        if let Some(bearer) = bearer {
            self.books().ledger.bearers.push(bearer.to_owned());
        }
        match bearer.and_then(|bearer| self.mint.read_access_token(bearer, clock::now())) {
            Some(claims) => {
                let user = json!({
                    "sub": claims.sub,
                    "name": "Demo",
                    "preferred_username": claims.sub,
                });
                json(StatusCode::OK, user)
            }
            None => {
                let body = json!({ "error": "You are not signed in" });
                let mut response = json(StatusCode::UNAUTHORIZED, body);
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                response
            }
        }
    }

    /// OpenID Connect RP-Initiated Logout 1.0 §2.
    fn end_session(&self, parameters: &Form) -> Response<String> {
        let Some(hint) = parameters.get("id_token_hint") else {
            return text(StatusCode::BAD_REQUEST, "id_token_hint is missing");
        };
        self.books().ledger.hints.push(hint.to_owned());
        let Some(claims) = self.mint.read_hint(hint) else {
            return text(
                StatusCode::BAD_REQUEST,
                "id_token_hint is not an ID token of this provider",
            );
        };
        let Some(target) = parameters.get("post_logout_redirect_uri") else {
            return text(StatusCode::OK, "signed out");
        };
        let client = self.clients.iter().find(|client| claims.aud == client.id);
        if client.is_none_or(|client| client.post_logout_redirect_uri != target) {
            return text(StatusCode::BAD_REQUEST, "post_logout_redirect_uri is not registered");
        }
        match parameters.get("state") {
            Some(state) => redirect(&with_query(target, &[("state", state)])),
            None => redirect(target),
        }
    }
}
