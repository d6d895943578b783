//! The nonces of logins under way, for the clients that have `restore_nonce`: the one thing about users that kidstamp
//! remembers from one request to another.
//!
//! All workers share it, since the browser and the client come over different connections. Nothing looks here where no
//! client has the option. What is lost, by a restart or with another replica, is lost: the token passes without.

use super::asked::Asked;
use super::worker::Worker;
use crate::clock;
use crate::config::Limits;
use crate::token::{
    AuthorizationCode, AuthorizationRequest, Login, MemoryBounds, Nonces, Remembered, UpstreamToken,
};
use crate::upstream::{Endpoint, Route, Treatments};
use http::Uri;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing::warn;

/// The logins under way.
#[derive(Debug, Default)]
pub(super) struct NonceMemory(Mutex<Nonces>);

/// An authorization request of a client whose nonces are remembered.
pub(super) struct Asking {
    login: Login,
    state: Option<String>,
}

impl NonceMemory {
    fn lock(&self) -> MutexGuard<'_, Nonces> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asking {
    /// What a request to `target` asks for; `None` if that is nothing to be remembered.
    pub(super) fn of(route: Option<&Route>, target: &Uri) -> Option<Self> {
        let route = route.filter(|route| route.endpoint == Endpoint::Authorization)?;
        let treatments = &route.snapshot.as_ref()?.treatments;
        let AuthorizationRequest { client, state, nonce } =
            AuthorizationRequest::from_query(target.query()?)?;
        let issuer = route.issuer;
        let is_remembered = treatments.restores_nonce(&client);
        is_remembered.then_some(Self { login: Login { issuer, client, nonce }, state })
    }
}

/// Remembers what became of a request that may lead to a code: the code that came, or that one is to come.
pub(super) fn follow(worker: &Worker, asking: Option<&Asking>, code: Option<AuthorizationCode>) {
    let (bounds, now) = (bounds(&worker.config.server.limits), clock::now());
    match (asking, code) {
        (Some(asking), Some(found)) if asking.state == found.state => {
            worker.nonces.lock().answer(asking.login.clone(), &found.code, bounds, now);
        }
        (_, Some(AuthorizationCode { code, state: Some(state) })) => {
            worker.nonces.lock().follow(&state, &code, bounds, now);
        }
        (Some(Asking { login, state: Some(state) }), None) => {
            worker.nonces.lock().remember(state, login.clone(), bounds, now);
        }
        _ => {}
    }
}

/// The same ID token, with the nonce that its login had, if it is for a client that wants it restored.
pub(super) fn restore<'t>(
    worker: &Worker,
    issuer: usize,
    treatments: &Treatments,
    asked: &Asked,
    token: UpstreamToken<'t>,
) -> UpstreamToken<'t> {
    if !treatments.restore_nonces() {
        return token;
    }
    let named = token.client(|client| treatments.restores_nonce(client));
    // Who asks is checked by the provider; a request that names somebody else is none of this client's.
    let Some(client) = named.filter(|client| asked.may_be(client)) else { return token };
    let Some(code) = asked.code() else { return token };
    let remembered = worker.nonces.lock().of_code(&code, issuer, &client, clock::now());
    let problem = match remembered {
        Remembered::Nonce(nonce) => return token.with_nonce(nonce),
        Remembered::NoNonce => return token,
        Remembered::Ambiguous => "more than one login may be meant",
        Remembered::Unknown => "its login did not pass here, or was too long ago",
    };
    if !token.has_nonce() {
        warn!(client, "the nonce of an ID token is not restored: {problem}");
    }
    token
}

fn bounds(limits: &Limits) -> MemoryBounds {
    let lifetime = i64::try_from(limits.login_lifetime.as_secs()).unwrap_or(i64::MAX);
    MemoryBounds { entries: limits.logins, lifetime }
}
