//! The provider's key, what it publishes of it and what it signs with it.

use super::{Client, Forgery};
use crate::jose::{Alg, CompactJws, KeyError, SigningKey, UnusableKey, VerificationKey, base64url};
use crate::json::quote;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Seconds for which a token is valid.
pub(super) const LIFETIME: i64 = 3600;

/// The only account.
pub(super) const USER: &str = "demo";

/// What this provider reads in its own tokens.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    pub(super) sub: String,
    pub(super) aud: String,
    exp: i64,
}

/// Makes tokens, and knows its own again.
pub(super) struct Mint {
    issuer: String,
    key: Arc<SigningKey>,
    own: VerificationKey,
    /// Signs what [`Forgery::WrongKey`] asks for, and is never published.
    unpublished: Option<SigningKey>,
    with_kid: bool,
}

/// Why the provider can't start or can't sign.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The key can't be made or used.
    #[error("the provider's key: {0}")]
    Key(#[from] KeyError),
    /// The key does not verify what it signs.
    #[error("the provider's key: {0}")]
    Unusable(#[from] UnusableKey),
}

impl Mint {
    pub(super) fn new(config: &super::Config) -> Result<Self, MintError> {
        let forges = |client: &Client| client.forgery == Some(Forgery::WrongKey);
        let unpublished = match config.clients.iter().any(forges) {
            true => Some(SigningKey::generate(Alg::Rs256)?),
            false => None,
        };
        Ok(Self {
            issuer: config.external_url.clone(),
            own: VerificationKey::new(config.key.public().clone())?,
            key: Arc::clone(&config.key),
            unpublished,
            with_kid: config.with_kid,
        })
    }

    /// The key set, in the member order of Pocket ID.
    pub(super) fn key_set(&self) -> String {
        let mut members = vec![("kty", "RSA".to_owned()), ("use", "sig".to_owned())];
        members.push(("alg", self.key.alg().name().to_owned()));
        if self.with_kid {
            members.push(("kid", self.key.kid().to_owned()));
        }
        let numbers = self.key.public().required_members();
        for wanted in ["n", "e"] {
            members.extend(numbers.iter().filter(|(name, _)| *name == wanted).cloned());
        }
        let members: Vec<String> =
            members.iter().map(|(name, value)| format!("\"{name}\":{}", quote(value))).collect();
        format!("{{\"keys\":[{{{}}}]}}", members.join(","))
    }

    /// An ID token for `client`, with its forgery if it is to get one.
    pub(super) fn id_token(
        &self,
        client: &Client,
        nonce: Option<&str>,
        now: i64,
    ) -> Result<String, KeyError> {
        let mut claims = self.claims(&client.id, now);
        claims.insert("name".to_owned(), json!("Demo"));
        claims.insert("preferred_username".to_owned(), json!(USER));
        if let Some(nonce) = nonce {
            claims.insert("nonce".to_owned(), json!(nonce));
        }
        let mut key = &*self.key;
        let forged = match client.forgery {
            None => None,
            Some(Forgery::WrongIssuer) => Some(("iss", json!("https://elsewhere.example"))),
            Some(Forgery::WrongAudience) => Some(("aud", json!("another client"))),
            Some(Forgery::WrongNonce) => Some(("nonce", json!("another nonce"))),
            Some(Forgery::Expired) => Some(("exp", json!(now - LIFETIME))),
            Some(Forgery::WrongKey) => {
                key = self.unpublished.as_ref().ok_or(KeyError::Failed)?;
                None
            }
        };
        if let Some((name, value)) = forged {
            claims.insert(name.to_owned(), value);
        }
        self.sign(key, claims)
    }

    /// An access token: a JWT whose audience is the provider itself.
    pub(super) fn access_token(&self, client: &Client, now: i64) -> Result<String, KeyError> {
        let mut claims = self.claims(&self.issuer, now);
        claims.insert("client_id".to_owned(), json!(client.id));
        self.sign(&self.key, claims)
    }

    fn claims(&self, audience: &str, now: i64) -> Map<String, Value> {
        Map::from_iter([
            ("iss".to_owned(), json!(self.issuer)),
            ("sub".to_owned(), json!(USER)),
            ("aud".to_owned(), json!(audience)),
            ("iat".to_owned(), json!(now)),
            ("exp".to_owned(), json!(now + LIFETIME)),
        ])
    }

    fn sign(&self, key: &SigningKey, claims: Map<String, Value>) -> Result<String, KeyError> {
        let header = match self.with_kid {
            true => {
                format!(r#"{{"alg":"RS256","kid":{},"typ":"JWT"}}"#, quote(self.key.kid()))
            }
            false => r#"{"alg":"RS256","typ":"JWT"}"#.to_owned(),
        };
        let payload = Value::Object(claims).to_string();
        let input = format!("{}.{}", base64url::encode(header), base64url::encode(payload));
        let signature = key.sign(input.as_bytes())?;
        Ok(format!("{input}.{}", base64url::encode(signature)))
    }

    /// The claims of an ID token that this provider signed; expired ones too, since that is what a
    /// logout hint usually is (OpenID Connect RP-Initiated Logout 1.0 §2).
    pub(super) fn read_hint(&self, token: &str) -> Option<Claims> {
        let jws = CompactJws::parse(token).ok()?;
        if !self.own.verifies(&jws) {
            return None;
        }
        let claims: Claims = serde_json::from_slice(jws.payload()).ok()?;
        (claims.iss == self.issuer).then_some(claims)
    }

    /// The claims of an access token that this provider signed and that is valid now.
    pub(super) fn read_access_token(&self, token: &str, now: i64) -> Option<Claims> {
        self.read_hint(token).filter(|claims| claims.exp > now && claims.aud == self.issuer)
    }
}
