//! The upstream connections of one worker: few, warm, last in first out.
//!
//! Kept by hand, since it is the hot path: a pass takes a connection from the end of a list and puts it back,
//! without a lock and without another task.

use super::body::{Body, Upload};
use super::client::Client;
use super::deadline::{Deadline, Deadlines};
use super::idle::Idle;
use super::look::Look;
use super::settings::Settings;
use super::slots::{Slot, Slots};
use crate::admin::{UpstreamFailure, WorkerCounters};
use crate::upstream::{ConnectError, Connector, Driver, Failure, Sender};
use http::header::{AUTHORIZATION, HeaderMap, PROXY_AUTHENTICATE, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// The way of one worker to the upstream: connections that it has, and how it gets more.
pub(super) struct Pool {
    connector: Connector,
    idle: Idle,
    /// The one connection of HTTP/2, for all requests.
    shared: RefCell<Option<Box<Connection>>>,
    /// Held by who opens that, so that the others wait for it.
    opening: tokio::sync::Mutex<()>,
    slots: Rc<Slots>,
    limits: Limits,
    deadlines: Rc<Deadlines>,
    counters: Arc<WorkerCounters>,
}

/// How long what may take.
struct Limits {
    /// For a place, and then for a connection.
    connect: Duration,
    first_byte: Duration,
    body_idle: Duration,
    total: Duration,
    /// How long one is kept at all: its address may no longer be the upstream's.
    age: Duration,
}

/// One connection to the upstream.
pub(super) struct Connection {
    sender: Sender<Body>,
    /// What moves it along, unless a task of its own does.
    driver: Option<Driver>,
    address: SocketAddr,
    opened: Instant,
}

/// A connection in use; dropped without [`Lease::give_back`], it is closed.
pub(super) struct Lease {
    connection: Box<Connection>,
    pool: Rc<Pool>,
    home: Home,
    /// At the response as it came.
    pub(super) look: Look,
    /// When the exchange began.
    started: Instant,
    /// When the response has to be over.
    end: Instant,
    /// One more may be at the upstream once this is dropped.
    _slot: Slot,
}

/// What there is to know of a request that is sent.
pub(super) struct Sending<'s> {
    /// At the request as it came from the client.
    pub(super) look: &'s Look,
    /// When it could be sent.
    pub(super) started: Instant,
    /// Makes it again, if it may be sent twice.
    pub(super) again: &'s dyn Fn() -> Option<Request<Body>>,
    /// Who may have a connection to the upstream of its own (RFC 4559).
    pub(super) client: Option<&'s Rc<Client>>,
    /// How far its body is.
    pub(super) upload: Option<&'s Upload>,
}

/// What is laid down for an exchange when it begins.
struct Term {
    started: Instant,
    /// When all of it has to be over.
    end: Instant,
    slot: Slot,
}

/// Where a connection goes when it is free.
enum Home {
    /// To all.
    Pool,
    /// To the client connection whose user is signed in on it.
    Client(Rc<Client>),
    /// Nowhere: it is closed.
    Nowhere,
}

/// Why the upstream gave no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The exchange broke.
    #[error("the upstream broke off or sent what is no HTTP: {0}")]
    Exchange(hyper::Error),
    /// No response head in time.
    #[error("no answer from the upstream within {0:?}")]
    FirstByte(Duration),
    /// The head of the response is too long.
    #[error("the head of the response is longer than server.limits.header_bytes = {0}")]
    Head(usize),
    /// As many requests are there as may be, and wait as may wait.
    #[error(
        "too many requests are at the upstream and wait for it; see server.limits.upstream_requests and upstream_queue"
    )]
    Busy,
}

impl UpstreamError {
    fn counted(&self) -> UpstreamFailure {
        match self {
            Self::Connect(ConnectError::Unhealthy { .. }) => UpstreamFailure::Unhealthy,
            Self::Connect(_) => UpstreamFailure::Connect,
            Self::Exchange(_) | Self::Head(_) => UpstreamFailure::Broken,
            Self::FirstByte(_) => UpstreamFailure::FirstByte,
            Self::Busy => UpstreamFailure::Busy,
        }
    }
}

impl Pool {
    pub(super) fn new(
        settings: &Settings,
        deadlines: &Rc<Deadlines>,
        counters: &Arc<WorkerCounters>,
    ) -> Rc<Self> {
        let config = &settings.config;
        let (timeouts, limits) = (&config.upstream.timeouts, &config.server.limits);
        let workers = config.server.workers.get();
        let slots = Slots::new(
            limits.upstream_requests.div_ceil(workers),
            limits.upstream_queue.div_ceil(workers),
        );
        Rc::new(Self {
            connector: settings.connector.clone(),
            idle: Idle::new(limits.idle_upstream_connections, timeouts.idle),
            shared: RefCell::default(),
            opening: tokio::sync::Mutex::default(),
            slots,
            limits: Limits {
                connect: timeouts.connect,
                first_byte: timeouts.first_byte,
                body_idle: timeouts.body_idle,
                total: timeouts.total,
                age: timeouts.connection_age,
            },
            deadlines: Rc::clone(deadlines),
            counters: Arc::clone(counters),
        })
    }

    /// Takes and sends `request` and waits for the head of the response, for as long as the configuration says after the
    /// last that moved of the request's body.
    ///
    /// What was never written is sent again on a new connection; so is what is made `again`, if a kept connection broke
    /// before any byte of a response came. A connection on which a user signs in (RFC 4559) belongs to the client from
    /// there on, if that can have one.
    pub(super) async fn send(
        self: &Rc<Self>,
        request: &mut Request<Body>,
        sending: &Sending<'_>,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        let mut result = self.send_in_time(request, sending).await;
        let max_head = self.connector.max_head();
        if let Ok((_, lease)) = &result
            && lease.look.bytes > max_head
        {
            result = Err(UpstreamError::Head(max_head));
        }
        if let Err(error) = &result
            && !sending.upload.is_some_and(Upload::has_failed)
        {
            self.counters.upstream_failure(error.counted());
        }
        result
    }

    async fn send_in_time(
        self: &Rc<Self>,
        request: &mut Request<Body>,
        sending: &Sending<'_>,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        let first_byte = self.limits.first_byte;
        let deadline = self.deadlines.add();
        let (slot, started) = match self.slots.take() {
            Some(slot) => (slot, sending.started),
            None => (Box::pin(self.wait_for_slot(&deadline)).await?, Instant::now()),
        };
        let end = started + self.limits.total;
        let term = Term { started, end, slot };
        deadline.set(end.min(started + first_byte));
        let asked = Cell::default();
        // In its place: handed on, it would be there twice in what each connection of a client keeps.
        let exchange = std::pin::pin!(self.exchange(request, sending, term, &asked));
        deadline
            .bound(exchange, |deadline| {
                let now = Instant::now();
                // The upstream can't answer what it has not got yet; how long a client may take over its body is
                // seen to where that is read.
                if now < end
                    && sending
                        .upload
                        .is_some_and(|upload| upload.has_moved() || upload.waits_for_client())
                {
                    deadline.set(end.min(now + first_byte));
                    return None;
                }
                if let Some(address) = asked.get() {
                    self.connector.health().failed(address, Failure::Exchange, now);
                }
                Some(Err(UpstreamError::FirstByte(first_byte.min(self.limits.total))))
            })
            .await
    }

    async fn wait_for_slot(&self, deadline: &Deadline) -> Result<Slot, UpstreamError> {
        deadline.set(Instant::now() + self.limits.connect);
        let slot = deadline.bound(self.slots.wait(), |_| Some(Err(super::slots::Full))).await;
        slot.map_err(|_| UpstreamError::Busy)
    }

    async fn exchange(
        self: &Rc<Self>,
        request: &mut Request<Body>,
        sending: &Sending<'_>,
        term: Term,
        asked: &Cell<Option<SocketAddr>>,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        let Sending { again, client, upload, .. } = *sending;
        let signs_in =
            sending.look.has_authorization && carries_connection_authentication(request.headers());
        let own = match client {
            Some(client) => own_connection(client).await,
            None => None,
        };
        let is_own = own.is_some();
        let kept = own.or_else(|| self.take_idle(term.started));
        let lease = |connection: Box<Connection>, is_own: bool, response: &Response<Incoming>| {
            let look = Look::at_fields(response.headers());
            let home = if connection.is_shared() || look.is_framed_twice() {
                Home::Nowhere
            } else if is_own || signs_in || offers_connection_authentication(response) {
                client.map_or(Home::Nowhere, |client| Home::Client(Rc::clone(client)))
            } else {
                Home::Pool
            };
            let Term { started, end, slot } = term;
            let pool = Rc::clone(self);
            Lease { connection, pool, home, look, started, end, _slot: slot }
        };
        if let Some(mut kept) = kept {
            asked.set(Some(kept.address));
            match kept.send(std::mem::take(request)).await {
                Ok(response) => {
                    self.connector.health().answered(kept.address);
                    let lease = lease(kept, is_own, &response);
                    return Ok((response, lease));
                }
                Err(mut error) => match error.take_message().or_else(again) {
                    Some(unsent) => *request = unsent,
                    None => {
                        return Err(self.broken(kept.address, error.into_error(), upload));
                    }
                },
            }
        }
        // On the heap, since few requests need it: each has room in it for all that it may wait for.
        let mut connection = Box::pin(self.open()).await?;
        let address = connection.address;
        asked.set(Some(address));
        match connection.send(std::mem::take(request)).await {
            Ok(response) => {
                self.connector.health().answered(address);
                let lease = lease(connection, false, &response);
                Ok((response, lease))
            }
            Err(error) => Err(self.broken(address, error.into_error(), upload)),
        }
    }

    fn broken(
        &self,
        address: SocketAddr,
        error: hyper::Error,
        upload: Option<&Upload>,
    ) -> UpstreamError {
        // What a client does to its own request says nothing of the upstream.
        if !upload.is_some_and(Upload::has_failed) {
            self.connector.health().failed(address, Failure::Exchange, Instant::now());
        }
        UpstreamError::Exchange(error)
    }

    /// A new connection; of HTTP/2, the one that somebody else has opened meanwhile.
    async fn open(&self) -> Result<Box<Connection>, ConnectError> {
        let mut turn = None;
        if self.connector.may_speak_http2() {
            turn = Some(self.opening.lock().await);
            if let Some(shared) = self.take_shared(Instant::now()) {
                return Ok(shared);
            }
        }
        let (sender, driver, address) = self.connector.open_somewhere().await?;
        drop(turn);
        let connection = Box::new(Connection { sender, driver, address, opened: Instant::now() });
        if let Some(another) = connection.share() {
            self.shared.replace(Some(another));
        }
        Ok(connection)
    }

    /// The connection of HTTP/2, unless it has ended, was told to (GOAWAY), or is too old.
    fn take_shared(&self, now: Instant) -> Option<Box<Connection>> {
        let mut shared = self.shared.borrow_mut();
        let is_good =
            |shared: &Connection| now < shared.opened + self.limits.age && shared.sender.is_ready();
        if !shared.as_deref().is_some_and(is_good) {
            // What is under way on it goes on.
            *shared = None;
        }
        shared.as_deref().and_then(Connection::share)
    }

    fn take_idle(&self, now: Instant) -> Option<Box<Connection>> {
        if self.connector.may_speak_http2()
            && let Some(shared) = self.take_shared(now)
        {
            return Some(shared);
        }
        self.idle.take(now, |connection| {
            now < connection.opened + self.limits.age && connection.sender.is_ready()
        })
    }

    fn put_back(&self, mut connection: Box<Connection>, now: Instant) {
        // Not if it is only half through with its request, which has been answered all the same.
        if !connection.sender.is_ready() {
            connection.run_alone();
        }
        if now < connection.opened + self.limits.age {
            self.idle.put(connection, now);
        }
    }
}

impl Connection {
    fn is_shared(&self) -> bool {
        matches!(self.sender, Sender::Http2(..))
    }

    fn share(&self) -> Option<Box<Self>> {
        let sender = self.sender.share()?;
        Some(Box::new(Self { sender, driver: None, address: self.address, opened: self.opened }))
    }

    /// Sends `request`; gives it back if it was never written.
    fn send(
        &mut self,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Body>>>> {
        // A body that streams goes on while nobody looks at the response, or while the client takes none of that.
        if matches!(request.body(), Body::Streaming(_)) {
            self.run_alone();
        }
        self.sender.try_send_request(self.driver.as_mut(), request)
    }

    /// From now on it moves in a task of its own.
    pub(super) fn run_alone(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.run();
        }
    }

    /// It has no request: what happens on it wakes `keeper`.
    pub(super) fn idle(&self, keeper: &Waker) {
        self.driver.as_ref().inspect(|driver| driver.idle(keeper));
    }

    /// True if it has come to its end while it had no request.
    pub(super) fn has_ended(&mut self) -> bool {
        self.driver.as_mut().is_some_and(Driver::has_ended)
    }
}

impl Lease {
    /// Puts the connection back, for the next request. If the response `was_at_once` there, the clock is not read again:
    /// the connection counts as idle since a little earlier.
    pub(super) fn give_back(mut self, was_at_once: bool) {
        match self.home {
            Home::Pool => {
                let now = if was_at_once { self.started } else { Instant::now() };
                self.pool.put_back(self.connection, now);
            }
            Home::Client(client) => {
                self.connection.run_alone();
                client.bound.set(Some(self.connection));
            }
            Home::Nowhere => {}
        }
    }

    /// The connection is no longer that of a request: what it has become moves in a task of its own.
    pub(super) fn run_alone(&mut self) {
        self.connection.run_alone();
    }

    /// Polls `work`, which waits for what comes over the connection, and moves that along if there is nothing yet.
    pub(super) fn poll_after<T>(
        &mut self,
        context: &mut Context<'_>,
        mut work: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        match &mut self.connection.driver {
            Some(driver) => driver.poll_after(context, work),
            None => work(context),
        }
    }

    /// A deadline that is not set yet.
    pub(super) fn deadline(&self) -> Deadline {
        self.pool.deadlines.add()
    }

    /// When a pause in the body of the response is too long that begins `now`.
    pub(super) fn patience(&self, now: Instant) -> Instant {
        self.end.min(now + self.pool.limits.body_idle)
    }

    /// Counts that the upstream stalled.
    pub(super) fn count_stall(&self) {
        self.pool.counters.upstream_failure(UpstreamFailure::BodyIdle);
        let health = self.pool.connector.health();
        health.failed(self.connection.address, Failure::Exchange, Instant::now());
    }
}

/// The connection on which the client's user is signed in, if there is one and it still stands.
async fn own_connection(client: &Client) -> Option<Box<Connection>> {
    let mut own = client.bound.take()?;
    own.sender.ready().await.ok()?;
    Some(own)
}

fn carries_connection_authentication(headers: &HeaderMap) -> bool {
    headers.get(AUTHORIZATION).is_some_and(|value| names_connection_scheme(value.as_bytes()))
}

fn offers_connection_authentication(response: &Response<Incoming>) -> bool {
    let field = match response.status() {
        StatusCode::UNAUTHORIZED => WWW_AUTHENTICATE,
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => PROXY_AUTHENTICATE,
        _ => return false,
    };
    response.headers().get_all(field).iter().any(|value| names_connection_scheme(value.as_bytes()))
}

/// In credentials, or in any challenge of a list. A comma inside a quoted string may make it true for nothing.
fn names_connection_scheme(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).any(|challenge| {
        let scheme = challenge.split(|byte| *byte == b' ').next().unwrap_or_default();
        [&b"ntlm"[..], b"negotiate"].iter().any(|name| scheme.eq_ignore_ascii_case(name))
    })
}
