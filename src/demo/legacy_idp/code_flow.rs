//! Authorization and token endpoint: RFC 6749 §4.1, RFC 7636, OpenID Connect Core §3.1.

use super::tokens::{LIFETIME, MintError};
use super::{Client, Provider};
use crate::clock;
use crate::demo::http::{Form, json, redirect, text, with_query};
use crate::demo::secret::{random, s256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::json;
use std::collections::HashMap;

/// Seconds for which a code is valid.
const CODE_LIFETIME: i64 = 60;

/// What was granted and not yet fetched.
#[derive(Default)]
pub(super) struct Grants {
    codes: HashMap<String, Grant>,
    refresh_tokens: HashMap<String, Grant>,
}

struct Grant {
    client_id: String,
    nonce: Option<String>,
    challenge: Option<String>,
    expires: i64,
}

/// An error of RFC 6749 §5.2 and what explains it.
struct Refused(StatusCode, &'static str, &'static str);

const BAD: StatusCode = StatusCode::BAD_REQUEST;

impl Provider {
    /// The authorization endpoint: its one user is always signed in and always agrees.
    pub(super) fn authorize(&self, query: &Form) -> Response<String> {
        let client = query.get("client_id").and_then(|id| self.client(id));
        let target = query.get("redirect_uri").unwrap_or_default();
        // RFC 6749 §4.1.2.1: nobody is sent to a place that is not registered.
        let Some(client) = client.filter(|client| client.redirect_uri == target) else {
            return text(BAD, "client_id or redirect_uri is not registered");
        };
        let state = query.get("state").unwrap_or_default();
        let refuse =
            |error: &str| redirect(&with_query(target, &[("error", error), ("state", state)]));
        if query.get("response_type") != Some("code") {
            return refuse("unsupported_response_type");
        }
        if !query.get("scope").is_some_and(|scope| scope.split(' ').any(|word| word == "openid")) {
            return refuse("invalid_scope");
        }
        let challenge = query.get("code_challenge").map(str::to_owned);
        let needs_challenge = client.secret.is_none() || challenge.is_some();
        if needs_challenge
            && (challenge.is_none() || query.get("code_challenge_method") != Some("S256"))
        {
            return refuse("invalid_request");
        }
        let Ok(code) = random() else { return refuse("server_error") };
        let grant = Grant {
            client_id: client.id.clone(),
            nonce: query.get("nonce").map(str::to_owned),
            challenge,
            expires: clock::now() + CODE_LIFETIME,
        };
        self.books().grants.codes.insert(code.clone(), grant);
        redirect(&with_query(target, &[("code", &code), ("state", state)]))
    }

    /// The token endpoint.
    pub(super) fn token(&self, request: &Request<String>) -> Response<String> {
        let form = Form::parse(request.body());
        let granted = self.authenticate(request, &form).and_then(|client| {
            let nonce = match form.get("grant_type") {
                Some("authorization_code") => self.redeem_code(client, &form)?,
                Some("refresh_token") => self.redeem_refresh_token(client, &form)?,
                _ => return Err(Refused(BAD, "unsupported_grant_type", "no such grant type")),
            };
            Ok((client, nonce))
        });
        match granted {
            Ok((client, nonce)) => self.issue(client, nonce.as_deref()).unwrap_or_else(|error| {
                json(StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": error.to_string() }))
            }),
            Err(Refused(status, error, why)) => {
                json(status, json!({ "error": error, "error_description": why }))
            }
        }
    }

    fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// RFC 6749 §2.3.1: the secret in the header or in the body; clients without one name themselves.
    fn authenticate(&self, request: &Request<String>, form: &Form) -> Result<&Client, Refused> {
        let basic = request.headers().get(AUTHORIZATION).and_then(|value| {
            let encoded = value.to_str().ok()?.strip_prefix("Basic ")?;
            let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
            let (id, secret) = pair.split_once(':')?;
            let decode = |text| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
            Some((decode(id)?, Some(decode(secret)?)))
        });
        let in_body = || {
            let secret = form.get("client_secret").map(str::to_owned);
            Some((form.get("client_id")?.to_owned(), secret))
        };
        basic
            .or_else(in_body)
            .and_then(|(id, secret)| self.client(&id).filter(|client| client.secret == secret))
            .ok_or(Refused(StatusCode::UNAUTHORIZED, "invalid_client", "unknown client"))
    }

    fn redeem_code(&self, client: &Client, form: &Form) -> Result<Option<String>, Refused> {
        let refused = |why| Refused(BAD, "invalid_grant", why);
        // Taken out before anything is checked: a code has one try (RFC 6749 §4.1.2).
        let grant = form.get("code").and_then(|code| self.books().grants.codes.remove(code));
        let grant = grant.ok_or(refused("the code is unknown or was used"))?;
        if grant.client_id != client.id || form.get("redirect_uri") != Some(&client.redirect_uri) {
            return Err(refused("the code is for another client or redirect_uri"));
        }
        if grant.expires < clock::now() {
            return Err(refused("the code is too old"));
        }
        if grant.challenge != form.get("code_verifier").map(s256) {
            return Err(refused("the code_verifier does not fit"));
        }
        Ok(grant.nonce)
    }

    fn redeem_refresh_token(
        &self,
        client: &Client,
        form: &Form,
    ) -> Result<Option<String>, Refused> {
        let token = form.get("refresh_token").unwrap_or_default();
        match self.books().grants.refresh_tokens.remove(token) {
            // OpenID Connect Core §12.2: no nonce in what a refresh brings.
            Some(grant) if grant.client_id == client.id => Ok(None),
            _ => Err(Refused(BAD, "invalid_grant", "the refresh token is unknown or was used")),
        }
    }

    fn issue(&self, client: &Client, nonce: Option<&str>) -> Result<Response<String>, MintError> {
        let now = clock::now();
        let id_token = self.mint.id_token(client, nonce, now)?;
        let access_token = self.mint.access_token(client, now)?;
        let refresh_token = random()?;
        let body = json!({
            "access_token": access_token,
            "expires_in": LIFETIME,
            "id_token": id_token,
            "refresh_token": refresh_token,
            "token_type": "Bearer",
        });
        let mut books = self.books();
        let grant =
            Grant { client_id: client.id.clone(), nonce: None, challenge: None, expires: i64::MAX };
        books.grants.refresh_tokens.insert(refresh_token, grant);
        books.ledger.id_tokens.push(id_token);
        books.ledger.access_tokens.push(access_token);
        Ok(json(StatusCode::OK, body))
    }
}
