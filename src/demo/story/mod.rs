//! What has to happen, one checked fact after the other.
//!
//! Nothing is said to have worked because a request was answered: what came to the relying party is held
//! against what the provider wrote into its ledger.

#[cfg(test)]
mod tests;

use super::diff::{self, Change};
use super::http::{self, browse, post_form};
use super::stage::Stage;
use super::strict_rp::{Attempt, RpError, Session, StrictRp};
use crate::jose::{CompactJws, PublicKey, VerificationKey};
use crate::json::{Document, Limits, Value};
use ::http::StatusCode;
use std::collections::HashSet;

/// A step of the demo and how it went.
pub struct Step {
    /// What is done.
    pub title: &'static str,
    /// What has to come of it.
    pub expectation: &'static str,
    /// What there is to see, or what went otherwise.
    pub outcome: Outcome,
}

/// What there is to see of a step, or what went otherwise.
pub type Outcome = Result<Vec<Shown>, Mismatch>;

/// Something to see.
#[derive(Debug)]
pub enum Shown {
    /// A remark.
    Note(String),
    /// A line of a comparison.
    Change(Change),
}

/// What went otherwise.
#[derive(Debug)]
pub struct Mismatch {
    /// What had to be.
    pub expected: String,
    /// What was.
    pub found: String,
}

/// Steps that belong together.
pub(super) struct Chapter {
    pub(super) heading: &'static str,
    pub(super) plans: &'static [Plan],
}

/// A step that is still to be done.
pub(super) struct Plan {
    pub(super) title: &'static str,
    pub(super) expectation: &'static str,
    act: Act,
}

enum Act {
    SignInDirectly,
    ReadKeys,
    SignIn,
    ReadUserinfo,
    HintPastKidstamp,
    SignOut,
    SignInWithForgery,
}

pub(super) const CHAPTERS: &[Chapter] = &[
    Chapter {
        heading: "Straight to the provider",
        plans: &[Plan {
            title: "Login",
            expectation: "refused, because a key has no kid",
            act: Act::SignInDirectly,
        }],
    },
    Chapter {
        heading: "Through kidstamp",
        plans: &[
            Plan {
                title: "Key set",
                expectation: "every key has a kid of its own, nothing else of the provider's changed",
                act: Act::ReadKeys,
            },
            Plan {
                title: "Login",
                expectation: "accepted, with an ID token that names its key",
                act: Act::SignIn,
            },
            Plan {
                title: "Userinfo",
                expectation: "read, with the provider's own access token",
                act: Act::ReadUserinfo,
            },
            Plan {
                title: "Logout past kidstamp",
                expectation: "refused by the provider, since it did not sign the ID token as it is now",
                act: Act::HintPastKidstamp,
            },
            Plan {
                title: "Logout",
                expectation: "accepted, since the provider gets its own ID token back, to the byte",
                act: Act::SignOut,
            },
        ],
    },
    Chapter {
        heading: "Through kidstamp, with an ID token by a key that is not published",
        plans: &[Plan {
            title: "Login",
            expectation: "still refused, and the ID token does not carry kidstamp's signature",
            act: Act::SignInWithForgery,
        }],
    },
];

impl Plan {
    pub(super) async fn perform(&self, stage: &Stage) -> Step {
        let outcome = match self.act {
            Act::SignInDirectly => sign_in_directly(stage).await,
            Act::ReadKeys => read_keys(stage).await,
            Act::SignIn => sign_in(stage).await,
            Act::ReadUserinfo => read_userinfo(stage).await,
            Act::HintPastKidstamp => hint_past_kidstamp(stage).await,
            Act::SignOut => sign_out(stage).await,
            Act::SignInWithForgery => sign_in_with_forgery(stage).await,
        };
        Step { title: self.title, expectation: self.expectation, outcome }
    }
}

async fn sign_in_directly(stage: &Stage) -> Outcome {
    let attempt = log_in(&stage.direct_rp).await?;
    let refusal = RpError::BadJwk { position: 1, count: 1, member: "kid" };
    equal("the relying party's answer", &refusal.to_string(), &answer(&attempt))?;
    let token = attempt.id_token.unwrap_or_default();
    equal("the ID token's header", r#"{"alg":"RS256","typ":"JWT"}"#, &header(&token))?;
    Ok(vec![says(&refusal)])
}

async fn read_keys(stage: &Stage) -> Outcome {
    let before = key_set(stage.idp.url()).await?;
    let after = key_set(&stage.external_url).await?;
    let (old, new) = (parse(&before)?, parse(&after)?);
    let (old, new) = (keys(&old), keys(&new));
    let kids: HashSet<_> = new.iter().filter_map(|key| key.get_str("kid")).collect();
    let nameless = new.len() - kids.iter().filter(|kid| !kid.is_empty()).count();
    equal("keys without a kid of their own", "0", &nameless.to_string())?;
    equal("the provider's keys", "1", &old.len().to_string())?;
    let thumbprint = stage.key.kid();
    let own = new.iter().find(|key| key.get("kid").is_some_and(|kid| kid.is_str(thumbprint)));
    let own = own.ok_or_else(|| Mismatch {
        expected: format!("a key with the kid {thumbprint}, the provider's thumbprint (RFC 7638)"),
        found: after.clone(),
    })?;
    for member in old.iter().flat_map(Value::members) {
        let found = own.get(&member.name()).map(|found| found.raw()).unwrap_or_default();
        equal(&format!("member {} of the provider's key", member.name()), member.raw(), found)?;
    }
    Ok(compared("- the provider's key set, + kidstamp's", &before, &after))
}

async fn sign_in(stage: &Stage) -> Outcome {
    let attempt = log_in(&stage.rp).await?;
    equal("the relying party's answer", SIGNED_IN, &answer(&attempt))?;
    let issued = last(stage.idp.ledger().id_tokens);
    let (before, after) = (header(&issued), header(&attempt.id_token.unwrap_or_default()));
    equal("the header as the provider wrote it", r#"{"alg":"RS256","typ":"JWT"}"#, &before)?;
    // That the key is in the set, and the signature by it, the relying party has checked.
    match after.contains(stage.key.kid()) {
        true => mismatch("a kid other than that of the provider's key", &after),
        false => Ok(compared("- the header as issued, + as received", &before, &after)),
    }
}

async fn read_userinfo(stage: &Stage) -> Outcome {
    let page = browse(&format!("{}/me", stage.rp.url())).await.map_err(failed)?;
    equal("the status of userinfo", "200 OK", &page.status().to_string())?;
    let ledger = stage.idp.ledger();
    same("the access token", &last(ledger.access_tokens), &last(ledger.bearers))?;
    Ok(vec![note(page.body().trim())])
}

async fn hint_past_kidstamp(stage: &Stage) -> Outcome {
    let session = session(&stage.rp)?;
    let logout = format!("{}/api/oidc/end-session", stage.idp.url());
    let page = post_form(&logout, &[("id_token_hint", &session.id_token)]).await.map_err(failed)?;
    equal("the provider's answer", "400 Bad Request", &page.status().to_string())?;
    Ok(vec![note(format!("The provider says: {}", page.body().trim()))])
}

async fn sign_out(stage: &Stage) -> Outcome {
    let session = session(&stage.rp)?;
    let page = browse(&format!("{}/logout", stage.rp.url())).await.map_err(failed)?;
    equal("the page after the logout", "Signed out.", page.body().trim())?;
    let ledger = stage.idp.ledger();
    let issued = last(ledger.id_tokens);
    same("the hint", &issued, &last(ledger.hints))?;
    let sent = session.id_token;
    let (sent, issued) = (sent.len(), issued.len());
    Ok(vec![note(format!("Sent: {sent} bytes. Received: {issued} bytes, those that were issued."))])
}

async fn sign_in_with_forgery(stage: &Stage) -> Outcome {
    let attempt = log_in(&stage.deceived_rp).await?;
    let Err(refusal @ (RpError::NoSuchKey(_) | RpError::Signature)) = &attempt.outcome else {
        return mismatch("JWT signature not verified", &answer(&attempt));
    };
    let token = attempt.id_token.clone().unwrap_or_default();
    same("the forged ID token", &last(stage.idp.ledger().id_tokens), &token)?;
    let set = key_set(&stage.external_url).await?;
    let set = parse(&set)?;
    let jws = CompactJws::parse(&token).map_err(|error| Mismatch {
        expected: "an ID token".to_owned(),
        found: error.to_string(),
    })?;
    let verifies = |key: &Value<'_>| {
        let public = PublicKey::from_jwk(*key).ok();
        let key = public.and_then(|public| VerificationKey::new(public).ok());
        key.is_some_and(|key| key.verifies(&jws))
    };
    match keys(&set).iter().any(verifies) {
        true => mismatch("no published key verifies the forged ID token", "one does"),
        false => Ok(vec![says(refusal)]),
    }
}

/// What the relying party says when it accepts.
const SIGNED_IN: &str = "Signed in as demo.";

async fn log_in(rp: &StrictRp) -> Result<Attempt, Mismatch> {
    let page = browse(&format!("{}/login", rp.url())).await.map_err(failed)?;
    rp.last_login().ok_or_else(|| Mismatch {
        expected: "a login that comes back to the relying party".to_owned(),
        found: format!("{} {}", page.status(), page.body().trim()),
    })
}

fn answer(attempt: &Attempt) -> String {
    match &attempt.outcome {
        Ok(session) => format!("Signed in as {}.", session.sub),
        Err(error) => error.to_string(),
    }
}

fn session(rp: &StrictRp) -> Result<Session, Mismatch> {
    let session = rp.last_login().and_then(|attempt| attempt.outcome.ok());
    session.ok_or_else(|| Mismatch {
        expected: SIGNED_IN.to_owned(),
        found: RpError::NotSignedIn.to_string(),
    })
}

async fn key_set(origin: &str) -> Result<String, Mismatch> {
    let answer = http::get(&format!("{origin}/.well-known/jwks.json")).await.map_err(failed)?;
    equal("the status of the key set", StatusCode::OK.as_str(), answer.status().as_str())?;
    Ok(answer.into_body())
}

fn parse(set: &str) -> Result<Document<'_>, Mismatch> {
    Document::parse(set, Limits::DOCUMENT).map_err(|error| Mismatch {
        expected: "a key set in JSON".to_owned(),
        found: error.to_string(),
    })
}

fn keys<'d>(set: &'d Document<'_>) -> Vec<Value<'d>> {
    set.root().get("keys").map(|keys| keys.elements().collect()).unwrap_or_default()
}

/// A token's protected header; empty for what is no token, which no comparison expects.
fn header(token: &str) -> String {
    CompactJws::parse(token).map(|jws| jws.header_json().to_owned()).unwrap_or_default()
}

fn last(tokens: Vec<String>) -> String {
    tokens.into_iter().last().unwrap_or_default()
}

fn equal(what: &str, expected: &str, found: &str) -> Result<(), Mismatch> {
    match found == expected {
        true => Ok(()),
        false => mismatch(&format!("{what}: {expected}"), found),
    }
}

/// As [`equal`], for tokens: they are not shown.
fn same(what: &str, issued: &str, found: &str) -> Result<(), Mismatch> {
    match found == issued && !issued.is_empty() {
        true => Ok(()),
        false => mismatch(
            &format!("{what} as it was issued, {} bytes", issued.len()),
            &format!("another one, {} bytes", found.len()),
        ),
    }
}

fn mismatch<T>(expected: &str, found: &str) -> Result<T, Mismatch> {
    Err(Mismatch { expected: expected.to_owned(), found: found.to_owned() })
}

fn failed(error: http::HttpError) -> Mismatch {
    Mismatch { expected: "an answer".to_owned(), found: error.to_string() }
}

fn note(text: impl Into<String>) -> Shown {
    Shown::Note(text.into())
}

fn says(error: &RpError) -> Shown {
    note(format!("The relying party says: {error}"))
}

fn compared(legend: &str, before: &str, after: &str) -> Vec<Shown> {
    let changes = diff::of_json(before, after).into_iter().map(Shown::Change);
    [note(legend)].into_iter().chain(changes).collect()
}
