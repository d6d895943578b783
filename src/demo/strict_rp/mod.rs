//! A relying party that takes the standards at their word, and a little further: a key set in which one
//! key has no `kid` is refused whole, as EspoCRM and others refuse it.
//!
//! It is a client of its own, with no code of the proxy, and looks at nothing but what comes over HTTP.
//! A person can use it with a browser or curl: `/login`, `/me`, `/logout`. It has one session, for
//! whoever comes: it must never be reachable from anywhere but loopback.

mod checks;
mod error;

pub use error::RpError;

use super::http::{self, Form, Server, Site, redirect, text, with_query};
use super::secret::{random, s256};
use crate::clock;
use ::http::header::AUTHORIZATION;
use ::http::{Request, Response, StatusCode};
use checks::{Expected, KeySet};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// With whom the relying party is registered, and as whom.
pub struct Config {
    /// The provider's issuer.
    pub issuer: String,
    /// `client_id`
    pub client_id: String,
    /// `client_secret`
    pub client_secret: String,
}

/// Someone who has signed in.
#[derive(Clone)]
pub struct Session {
    /// The ID token as it came.
    pub id_token: String,
    /// The access token as it came.
    pub access_token: String,
    /// Who has signed in.
    pub sub: String,
}

/// How the last login went.
#[derive(Clone)]
pub struct Attempt {
    /// The ID token that the provider gave, if it came so far.
    pub id_token: Option<String>,
    /// Who has signed in, or why nobody has.
    pub outcome: Result<Session, RpError>,
}

/// A running relying party.
pub struct StrictRp {
    server: Server,
    party: Arc<Party>,
}

/// Where a relying party at `origin` wants codes sent.
pub fn redirect_uri(origin: &str) -> String {
    format!("{origin}/callback")
}

/// Where a relying party at `origin` wants the browser after a logout.
pub fn post_logout_redirect_uri(origin: &str) -> String {
    format!("{origin}/signed-out")
}

impl StrictRp {
    /// Starts it at `site`.
    pub fn start(site: Site, config: Config) -> Self {
        let origin = site.url().to_owned();
        let party = Arc::new(Party { config, origin, memory: Mutex::default() });
        let answering = Arc::clone(&party);
        let server = site.serve(move |request| {
            let party = Arc::clone(&answering);
            async move { party.answer(&request).await }
        });
        Self { server, party }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// How the last login went; `None` before the first.
    pub fn last_login(&self) -> Option<Attempt> {
        self.party.memory().last_login.clone()
    }

    /// Stops it.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

struct Party {
    config: Config,
    origin: String,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    started: HashMap<String, Started>,
    last_login: Option<Attempt>,
}

/// A login whose browser is away.
struct Started {
    nonce: String,
    verifier: String,
}

impl Party {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: &Request<String>) -> Response<String> {
        let query = Form::parse(request.uri().query().unwrap_or_default());
        let answered = match request.uri().path() {
            "/login" => self.login().await,
            "/callback" => return self.callback(&query).await,
            "/me" => self.userinfo().await,
            "/logout" => self.logout().await,
            "/signed-out" => {
                self.memory().last_login = None;
                Ok(text(StatusCode::OK, "Signed out."))
            }
            _ => Ok(text(StatusCode::NOT_FOUND, "Here are /login, /me and /logout.")),
        };
        answered.unwrap_or_else(|error| text(StatusCode::BAD_GATEWAY, error.to_string()))
    }

    /// OpenID Connect Core §3.1.2.1, with PKCE (RFC 7636).
    async fn login(&self) -> Result<Response<String>, RpError> {
        self.memory().last_login = None;
        let (Ok(state), Ok(nonce), Ok(verifier)) = (random(), random(), random()) else {
            return Err(RpError::Random);
        };
        let url = with_query(
            &self.endpoint("authorization_endpoint").await?,
            &[
                ("response_type", "code"),
                ("scope", "openid profile"),
                ("client_id", &self.config.client_id),
                ("redirect_uri", &redirect_uri(&self.origin)),
                ("state", &state),
                ("nonce", &nonce),
                ("code_challenge", &s256(&verifier)),
                ("code_challenge_method", "S256"),
            ],
        );
        self.memory().started.insert(state, Started { nonce, verifier });
        Ok(redirect(&url))
    }

    async fn callback(&self, query: &Form) -> Response<String> {
        let mut id_token = None;
        let outcome = self.finish(query, &mut id_token).await;
        let page = match &outcome {
            Ok(session) => text(StatusCode::OK, format!("Signed in as {}.", session.sub)),
            Err(error) => text(StatusCode::FORBIDDEN, format!("Login refused. {error}")),
        };
        self.memory().last_login = Some(Attempt { id_token, outcome });
        page
    }

    /// OpenID Connect Core §3.1.3; `id_token` is what came, accepted or not.
    async fn finish(
        &self,
        query: &Form,
        id_token: &mut Option<String>,
    ) -> Result<Session, RpError> {
        let started = query.get("state").and_then(|state| self.memory().started.remove(state));
        let Started { nonce, verifier } = started.ok_or(RpError::UnknownState)?;
        if let Some(error) = query.get("error") {
            let what = "The authorization endpoint";
            return Err(RpError::Provider { what, status: 302, text: error.to_owned() });
        }
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", query.get("code").unwrap_or_default()),
            ("redirect_uri", &redirect_uri(&self.origin)),
            ("code_verifier", &verifier),
            ("client_id", &self.config.client_id),
            ("client_secret", &self.config.client_secret),
        ];
        let what = "The token endpoint";
        let tokens = http::post_form(&self.endpoint("token_endpoint").await?, &parameters).await?;
        let tokens = object(what, &tokens)?;
        let token = id_token.insert(member(what, &tokens, "id_token")?);
        let keys = http::get(&self.endpoint("jwks_uri").await?).await?;
        let keys = KeySet::parse(success("The key set's URL", &keys)?)?;
        let expected = Expected {
            issuer: &self.config.issuer,
            client_id: &self.config.client_id,
            nonce: &nonce,
            now: clock::now(),
        };
        let sub = keys.verify(token, &expected)?.sub;
        let access_token = member(what, &tokens, "access_token")?;
        Ok(Session { id_token: token.clone(), access_token, sub })
    }

    /// OpenID Connect Core §5.3.
    async fn userinfo(&self) -> Result<Response<String>, RpError> {
        let session = self.session()?;
        let request = Request::get(self.endpoint("userinfo_endpoint").await?)
            .header(AUTHORIZATION, format!("Bearer {}", session.access_token))
            .body(String::new())
            .map_err(|error| RpError::Http(error.to_string()))?;
        let answer = http::send(request).await?;
        let user = object("Userinfo", &answer)?;
        match member("Userinfo", &user, "sub")? {
            found if found == session.sub => Ok(http::json(StatusCode::OK, user)),
            found => Err(RpError::Subject { expected: session.sub, found }),
        }
    }

    /// OpenID Connect RP-Initiated Logout 1.0 §2: the hint is the ID token as it came.
    async fn logout(&self) -> Result<Response<String>, RpError> {
        let session = self.session()?;
        let target = post_logout_redirect_uri(&self.origin);
        let parameters =
            [("id_token_hint", &*session.id_token), ("post_logout_redirect_uri", &target)];
        let endpoint = self.endpoint("end_session_endpoint").await?;
        Ok(redirect(&with_query(&endpoint, &parameters)))
    }

    fn session(&self) -> Result<Session, RpError> {
        let last = self.memory().last_login.clone();
        last.and_then(|attempt| attempt.outcome.ok()).ok_or(RpError::NotSignedIn)
    }

    /// A URL out of the discovery document, which has to be this issuer's own.
    async fn endpoint(&self, name: &'static str) -> Result<String, RpError> {
        const WHAT: &str = "The discovery document";
        let issuer = &self.config.issuer;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let document = object(WHAT, &http::get(&url).await?)?;
        let found = member(WHAT, &document, "issuer")?;
        if found != *issuer {
            return Err(RpError::DiscoveryIssuer { expected: issuer.clone(), found });
        }
        member(WHAT, &document, name)
    }
}

fn success<'r>(what: &'static str, response: &'r Response<String>) -> Result<&'r str, RpError> {
    if response.status() == StatusCode::OK {
        return Ok(response.body());
    }
    let text = response.body().trim().to_owned();
    Err(RpError::Provider { what, status: response.status().as_u16(), text })
}

fn object(what: &'static str, response: &Response<String>) -> Result<Value, RpError> {
    serde_json::from_str(success(what, response)?)
        .map_err(|error| RpError::Document { what, why: error.to_string() })
}

fn member(what: &'static str, object: &Value, name: &str) -> Result<String, RpError> {
    let text = object.get(name).and_then(Value::as_str).map(str::to_owned);
    text.ok_or_else(|| RpError::Document { what, why: format!("there is no {name}") })
}
