//! One request, from its head to the head of its response.

use super::asked::Asked;
use super::body::{Body, Upload};
use super::client::Client;
use super::cors::Cors;
use super::error::Refusal;
use super::forward::Errand;
use super::logout_relay;
use super::look::Look;
use super::trace::Trace;
use super::vouch::Deed;
use super::worker::Worker;
use super::{
    endpoint_authorize, endpoint_discovery, endpoint_jwks, endpoint_jwt, endpoint_token, hygiene,
    restore, rewrite,
};
use crate::token::Place;
use crate::upstream::{Endpoint, Route, Site};
use http::header::{ALLOW, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tracing::info;

/// How long a request waits for the first documents of the provider.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a request turned out to be, for counters and log.
struct Account {
    endpoint: Endpoint,
    deed: Option<Deed>,
}

/// Answers one request of a client connection.
pub(super) async fn handle(
    worker: &Worker,
    request: Request<Incoming>,
    client: &Rc<Client>,
) -> Response<Body> {
    let started = Instant::now();
    let (parts, incoming) = request.into_parts();
    let idle = worker.config.server.limits.body_idle;
    let (body, upload) = Body::of_client(incoming, &worker.deadlines, idle);
    // From here on only lent: it is long, and each hand that it went through would copy it.
    let mut request = Request::from_parts(parts, body);
    let look = Look::at(&request);
    let trace = Trace::of(request.headers(), &look, &worker.trace_ids);
    let method = worker.config.server.log_requests.then(|| request.method().clone());
    let mut account = Account { endpoint: Endpoint::Other, deed: None };
    let (upload, ready) = (upload.as_deref(), Cell::new(started));
    let way = Way { worker, upload, look: &look, client, trace: &trace, ready };
    let response = way.answer(&mut request, &mut account).await.unwrap_or_else(|refusal| {
        account.deed = Some(refusal.name().into());
        refusal.response(&trace)
    });
    let elapsed = started.elapsed();
    worker.counters.request(account.endpoint, response.status(), elapsed);
    if let Some(method) = method {
        info!(
            target: "kidstamp::request",
            method = method.as_str(),
            endpoint = account.endpoint.name(),
            status = response.status().as_u16(),
            duration_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            decision = account.deed.as_ref().map(|deed| deed.decision),
            reason = account.deed.as_ref().and_then(|deed| deed.reason),
            kid = account.deed.as_ref().and_then(|deed| deed.kid.as_deref()),
            trace_id = %trace,
        );
    }
    response
}

/// Waits for documents of the provider, where a request can't be treated rightly without them: its path could be
/// a key set's, or is one's, or the tokens in its response are to be judged.
async fn await_documents(worker: &Worker, site: &Site, path: &str) {
    match site.route(path) {
        Some(Route {
            endpoint: Endpoint::Jwks | Endpoint::Token, snapshot: None, issuer, ..
        }) => {
            worker.refresher.refresh(*issuer, PATIENCE).await;
        }
        None if !site.knows_all_paths => worker.refresher.refresh_missing(PATIENCE).await,
        _ => {}
    }
}

/// What becomes of the response to a request.
enum Reading<'r> {
    /// It streams.
    No,
    /// It is read whole.
    Yes,
    /// It is read whole, and what the request's form says of the client matters for it.
    WithForm(&'r mut Asked),
}

/// What a request takes along on its way to the provider.
struct Way<'w> {
    worker: &'w Worker,
    /// How far the client's body is, if there is one.
    upload: Option<&'w Upload>,
    look: &'w Look,
    client: &'w Rc<Client>,
    trace: &'w Trace,
    /// Since when it could have been sent.
    ready: Cell<Instant>,
}

impl Way<'_> {
    /// Answers a request, or says why not.
    async fn answer(
        &self,
        request: &mut Request<Body>,
        account: &mut Account,
    ) -> Result<Response<Body>, Refusal> {
        let &Self { worker, look, client, .. } = self;
        let max_head = worker.config.server.limits.header_bytes;
        hygiene::check(request, look, &worker.via_name, max_head)?;
        if let Some(named) = &client.tls_host {
            hygiene::check_tls_host(request, named)?;
        }
        if request.uri().path() == "*" {
            return Ok(about_the_server());
        }
        if let Some(relay) = worker.relays.iter().find(|relay| relay.path == request.uri().path()) {
            account.endpoint = Endpoint::LogoutRelay;
            let (response, deed) = Box::pin(logout_relay::answer(worker, relay, request)).await;
            account.deed = Some(deed);
            return Ok(response);
        }
        let mut site = worker.refresher.site.load();
        if !site.is_complete {
            Box::pin(await_documents(worker, &site, request.uri().path())).await;
            self.ready.set(Instant::now());
            site = worker.refresher.site.load();
        }
        let route = site.route(request.uri().path());
        account.endpoint = route.map_or(Endpoint::Other, |route| route.endpoint);
        let cors = Cors::of(&worker.config, route, request);
        if let Some(answer) = cors.as_ref().and_then(Cors::preflight) {
            account.deed = Some("preflight".into());
            return Ok(answer);
        }
        let jwt = route.and_then(|route| Some((route, endpoint_jwt::concern(route)?)));
        let (mut response, deed) = match (account.endpoint, route) {
            (Endpoint::Jwks, Some(route)) => (endpoint_jwks::answer(request, route)?, None),
            (Endpoint::Discovery, Some(route)) => {
                match endpoint_discovery::answer(request, route) {
                    Some(response) => (response, Some("repaired".into())),
                    None => (self.pass(&site, request, Some(route), Reading::No).await?, None),
                }
            }
            (Endpoint::ServerMetadata, Some(route)) => {
                match endpoint_discovery::answer(request, route) {
                    Some(response) => (response, Some("repaired".into())),
                    None => {
                        let question = endpoint_discovery::Question::of(request);
                        let response = self.pass(&site, request, Some(route), Reading::No).await?;
                        (question.or_document(route, response), None)
                    }
                }
            }
            (Endpoint::Token, Some(route)) => {
                let mut asked = Asked::of(request.headers());
                let reading = Reading::WithForm(&mut asked);
                let response = self.pass(&site, request, Some(route), reading).await?;
                Box::pin(endpoint_token::treat(worker, route, &asked, response)).await?
            }
            _ => match (jwt, endpoint_authorize::Expected::of(&site, route, request)) {
                (Some((route, kind)), _) => {
                    let response = self.pass(&site, request, Some(route), Reading::Yes).await?;
                    Box::pin(endpoint_jwt::treat(worker, route, kind, response)).await?
                }
                (None, Some(expected)) => {
                    let reading = if expected.page { Reading::Yes } else { Reading::No };
                    let response = self.pass(&site, request, route, reading).await?;
                    endpoint_authorize::treat(worker, &site, &expected, response).await?
                }
                (None, None) => (self.pass(&site, request, route, Reading::No).await?, None),
            },
        };
        if let Some(cors) = cors {
            cors.allow(response.headers_mut());
        }
        account.deed = deed;
        Ok(response)
    }

    /// Restores the tokens of a request and passes it on.
    async fn pass(
        &self,
        site: &Site,
        request: &mut Request<Body>,
        route: Option<&Route>,
        mut reading: Reading<'_>,
    ) -> Result<Response<Body>, Refusal> {
        let &Self { worker, upload, look, client, trace, .. } = self;
        let count = |place: Option<Place>| {
            place.into_iter().for_each(|place| worker.counters.restored(place));
        };
        if look.has_authorization {
            count(restore::in_authorization(request.headers_mut()));
        }
        count(restore::in_query(request.uri_mut()));
        let endpoint = route.map_or(Endpoint::Other, |route| route.endpoint);
        if endpoint.takes_tokens_in_bodies()
            && let Some(place) = restore::place_in_body(request.method(), request.headers())
        {
            let limit = worker.config.server.limits.rewritten_body_bytes;
            let body = std::mem::take(request.body_mut());
            let restoring = restore::in_body(request.headers_mut(), body, place, limit);
            let (body, place) = Box::pin(restoring).await;
            self.ready.set(Instant::now());
            count(place);
            match upload {
                Some(upload) if upload.is_stalled() => return Err(Refusal::ClientStalled),
                Some(upload) if upload.is_broken() => return Err(Refusal::ClientBody),
                _ => {}
            }
            if let (Reading::WithForm(asked), Body::Full(form)) = (&mut reading, &body) {
                asked.learn_from_form(form);
            }
            *request.body_mut() = body;
        }
        if !matches!(reading, Reading::No) {
            rewrite::prepare_request(request.headers_mut());
        }
        let snapshot = route.and_then(|route| route.snapshot.as_ref());
        let forwarding = snapshot.map(|snapshot| &snapshot.forwarding).or(site.forwarding.as_ref());
        // What is read as a whole is no tunnel, and neither is what follows a body.
        let can_upgrade = matches!(reading, Reading::No) && upload.is_none();
        let started = self.ready.get();
        let errand =
            Errand { worker, client, look, trace, forwarding, upload, can_upgrade, started };
        errand.run(request).await
    }
}

/// `OPTIONS *` (RFC 9110 §9.3.7): about kidstamp, since it has no meaning for the provider behind it.
fn about_the_server() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    let methods = [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS]
        .map(|method| method.to_string())
        .join(", ");
    if let Ok(methods) = HeaderValue::from_str(&methods) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}
