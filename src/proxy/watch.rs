//! What a worker knows of each connection of a client, and when it has to end.
//!
//! A timer for each deadline of each request would be set and cleared thousands of times a second and hardly ever
//! fire. So a connection only notes what happens to it, in cells that cost next to nothing, and the worker looks
//! at all of them once in a while; a deadline is met within a tick.

use super::roll::{Place, Roll};
use crate::config::Limits;
use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// The longest time between two looks.
const LONGEST_TICK: Duration = Duration::from_secs(1);
/// How long a request may be on its way: a client can't know yet that its connection is to end.
const LAST_CALL: Duration = Duration::from_secs(2);
/// How long a connection on which nothing is under way may take to end once it was asked to.
const PARTING: Duration = Duration::from_secs(5);

/// How long a connection is ready for the next request; after that, it is made ready when one comes.
const READY: Duration = Duration::from_millis(100);
/// Between two looks at the connections that were used lately.
pub(super) const LULL: Duration = Duration::from_millis(50);

/// How a connection has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    /// After what is under way; if nothing is, after a request that may be on its way already.
    AfterNext,
    /// After what is under way.
    Gracefully,
    /// At once.
    Now,
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A handshake.
    Handshake,
    /// No request yet.
    Greeting,
    /// Requests are under way.
    Busy,
    /// Between requests.
    Idle,
    /// No HTTP any more.
    Tunnel,
}

/// One connection.
pub(super) struct Watch {
    common: Rc<Common>,
    born: Duration,
    stage: Cell<Stage>,
    /// Since when.
    stage_since: Cell<Duration>,
    /// Something came since then.
    received: Cell<bool>,
    /// Something went since then.
    sent: Cell<bool>,
    /// What comes between requests need not be the head of the next one.
    multiplexed: Cell<bool>,
    /// Since when a head has been on its way, as far as was seen.
    head_since: Cell<Option<Duration>>,
    /// Since when the client has taken nothing of what is there for it.
    stalled_since: Cell<Option<Duration>>,
    under_way: Cell<u32>,
    /// There may be bytes that have not been written yet.
    unsent: Cell<bool>,
    /// There may be bytes that belong to a request which was answered already.
    unread: Cell<bool>,
    requests: Cell<usize>,
    rest: Cell<Rest>,
    place_among_all: Place,
    place_among_the_awake: Place,
    ending: Cell<Option<Ending>>,
    /// When it was told to end.
    told: Cell<Duration>,
    waker: Cell<Option<Waker>>,
}

/// Whether a connection rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Rest {
    /// It is ready for a request, or has one.
    #[default]
    No,
    /// It was told to.
    Told,
    /// It does.
    Yes,
}

/// How driving a connection ended.
pub(super) enum Driven<T> {
    /// By itself.
    Ended(T),
    /// Because it had to, at once.
    Cut,
    /// It did not; it can rest until something comes.
    Idle,
}

/// A request under way on a connection, until this is dropped.
pub(super) struct UnderWay(Rc<Watch>);

/// A connection that the worker looks at, until this is dropped.
pub(super) struct Watching(Rc<Watch>);

/// What all connections of a worker share.
struct Common {
    /// A worker's time, as of the last look: reading it costs nothing.
    start: Instant,
    now: Cell<Duration>,
    /// Each connection's next request is to be its last.
    is_late: Cell<bool>,
    all: Roll<Watch>,
    /// Connections that may soon have nothing to do. Those that are missing here are found by the look at all.
    awake: Roll<Watch>,
}

/// All connections of a worker.
pub(super) struct Watches {
    common: Rc<Common>,
    limits: RefCell<Limits>,
    /// When the worker is to end whatever goes on then.
    deadline: Cell<Option<Duration>>,
    /// The same for tunnels.
    tunnel_deadline: Cell<Option<Duration>>,
}

impl Watches {
    pub(super) fn new(limits: Limits) -> Self {
        let common = Rc::new(Common {
            start: Instant::now(),
            now: Cell::default(),
            is_late: Cell::default(),
            all: Roll::new(|watch| &watch.place_among_all),
            awake: Roll::new(|watch| &watch.place_among_the_awake),
        });
        Self {
            common,
            limits: RefCell::new(limits),
            deadline: Cell::default(),
            tunnel_deadline: Cell::default(),
        }
    }

    /// Other limits from now on, for the connections that there are, too.
    pub(super) fn renew(&self, limits: Limits) {
        self.limits.replace(limits);
    }

    /// A new connection.
    pub(super) fn add(&self) -> Watching {
        let now = self.common.advance();
        let watch = Rc::new(Watch {
            common: Rc::clone(&self.common),
            born: now,
            stage: Cell::new(Stage::Greeting),
            stage_since: Cell::new(now),
            received: Cell::default(),
            sent: Cell::default(),
            multiplexed: Cell::default(),
            head_since: Cell::default(),
            stalled_since: Cell::default(),
            under_way: Cell::default(),
            unsent: Cell::default(),
            unread: Cell::default(),
            requests: Cell::default(),
            rest: Cell::default(),
            place_among_all: Place::default(),
            place_among_the_awake: Place::default(),
            ending: Cell::default(),
            told: Cell::default(),
            waker: Cell::default(),
        });
        self.common.all.join(&watch);
        watch.rouse();
        Watching(watch)
    }

    /// True if there are connections to look at.
    pub(super) fn is_empty(&self) -> bool {
        self.common.all.is_empty()
    }

    /// True if there are connections that may soon have nothing to do.
    pub(super) fn has_awake(&self) -> bool {
        !self.common.awake.is_empty()
    }

    /// Looks at the connections that were used lately, and tells those to rest that are no longer.
    pub(super) fn lull(&self) {
        let now = self.common.advance();
        self.common.awake.retain(|watch| {
            watch.tell_to_rest(now);
            let is_new = now.saturating_sub(watch.stage_since.get()) < LONGEST_TICK;
            is_new && watch.rest.get() != Rest::Yes
        });
    }

    /// How long until the next look: a fraction of the shortest of the limits.
    pub(super) fn tick(&self) -> Duration {
        let limits = self.limits.borrow();
        let shortest = limits.header_timeout.min(limits.handshake_timeout).min(limits.keep_alive);
        let shortest = shortest.min(limits.send_timeout).min(limits.connection_age);
        let shortest = shortest.min(limits.tunnel_idle);
        (shortest / 4).clamp(Duration::from_millis(5), LONGEST_TICK)
    }

    /// Looks at every connection, and tells those to end that have to.
    pub(super) fn look(&self) {
        let now = self.common.advance();
        let limits = self.limits.borrow();
        let is_past = |deadline: Option<Duration>| deadline.is_some_and(|deadline| now >= deadline);
        let is_over = is_past(self.deadline.get());
        let tunnels_are_over = is_past(self.tunnel_deadline.get());
        self.common.all.each(|watch| {
            let is_over = is_over || (tunnels_are_over && watch.stage.get() == Stage::Tunnel);
            let ending = if is_over { Some(Ending::Now) } else { watch.judge(now, &limits) };
            match ending {
                Some(ending) => watch.end(ending),
                None => watch.tell_to_rest(now),
            }
        });
    }

    /// Each connection is to end with its next request: clients go elsewhere without losing one.
    pub(super) fn invite_no_more(&self) {
        self.common.is_late.set(true);
    }

    /// Tells every connection to end after what is under way, and after `grace` at once; tunnels, which would never
    /// end by themselves, after `tunnel_grace`.
    pub(super) fn end(&self, grace: Duration, tunnel_grace: Duration) {
        let now = self.common.advance();
        self.deadline.set(Some(now + grace));
        self.tunnel_deadline.set(Some(now + tunnel_grace));
        self.common.all.each(|watch| watch.end(Ending::AfterNext));
    }
}

impl Common {
    fn advance(&self) -> Duration {
        let now = self.start.elapsed();
        self.now.set(now);
        now
    }
}

impl Watch {
    /// A request begins, with a body or without. The second part is true if it is to be the last.
    pub(super) fn begin(self: &Rc<Self>, limits: &Limits, has_body: bool) -> (UnderWay, bool) {
        self.under_way.set(self.under_way.get() + 1);
        self.unread.set(has_body);
        self.enter(Stage::Busy);
        let requests = self.requests.get() + 1;
        self.requests.set(requests);
        let is_last = requests >= limits.connection_requests
            || self.common.is_late.get()
            || self.ending.get().is_some();
        (UnderWay(Rc::clone(self)), is_last)
    }

    /// True while requests are under way.
    #[cfg(feature = "in-memory")]
    pub(super) fn is_busy(&self) -> bool {
        self.under_way.get() > 0
    }

    /// Between requests, other things may come than the head of the next one.
    pub(super) fn multiplex(&self) {
        self.multiplexed.set(true);
    }

    /// Bytes came.
    pub(super) fn receive(&self) {
        self.received.set(true);
    }

    /// The client took something of what is there for it, or would not.
    pub(super) fn send(&self, is_taken: bool) {
        if is_taken {
            self.stalled_since.set(None);
            self.sent.set(true);
        } else if self.stalled_since.get().is_none() {
            self.stalled_since.set(Some(self.common.now.get()));
        }
    }

    /// All was written that there was.
    pub(super) fn flush(&self) {
        self.unsent.set(false);
    }

    /// True if HTTP holds nothing of the connection: neither of what came, nor of what is to go.
    fn is_quiet(&self) -> bool {
        let has_no_request = matches!(self.stage.get(), Stage::Greeting | Stage::Idle);
        let is_clean = !self.received.get() && !self.unsent.get() && !self.unread.get();
        has_no_request && is_clean && !self.multiplexed.get() && self.ending.get().is_none()
    }

    /// Tells the connection to rest, if it has been quiet for long enough.
    fn tell_to_rest(&self, now: Duration) {
        let quiet_for = now.saturating_sub(self.stage_since.get());
        if self.rest.get() == Rest::No && self.is_quiet() && quiet_for >= READY {
            self.rest.set(Rest::Told);
            self.wake();
        }
    }

    /// True if the connection was told to rest, and nothing came in between.
    fn is_to_rest(&self) -> bool {
        if self.rest.get() != Rest::Told {
            return false;
        }
        let is_quiet = self.is_quiet();
        self.rest.set(if is_quiet { Rest::Yes } else { Rest::No });
        is_quiet
    }

    /// The connection is to be ready for requests, as a new one is.
    pub(super) fn rouse(self: &Rc<Self>) {
        self.rest.set(Rest::No);
        self.common.awake.join(self);
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Tells the connection to end.
    pub(super) fn end(&self, ending: Ending) {
        if self.ending.get() >= Some(ending) {
            return;
        }
        if self.ending.replace(Some(ending)).is_none() {
            self.told.set(self.common.now.get());
        }
        self.wake();
    }

    /// Polls a connection that ends when it is told to, or could rest. `part` asks it to end.
    pub(super) async fn drive<C: Future>(
        &self,
        mut connection: Pin<&mut C>,
        part: impl Fn(Pin<&mut C>),
    ) -> Driven<C::Output> {
        let mut is_parting = false;
        std::future::poll_fn(|context| {
            match self.poll_ending(context) {
                Some(Ending::Now) => return Poll::Ready(Driven::Cut),
                None if self.is_to_rest() => return Poll::Ready(Driven::Idle),
                Some(ending) if !is_parting && self.is_to_part(ending) => {
                    is_parting = true;
                    part(connection.as_mut());
                }
                _ => {}
            }
            connection.as_mut().poll(context).map(Driven::Ended)
        })
        .await
    }

    /// A handshake begins, which has its own time.
    pub(super) fn shake_hands(&self) {
        self.enter(Stage::Handshake);
    }

    /// Polls what comes before the first request; `None` if the connection has to end before.
    pub(super) async fn greet<F: Future>(&self, handshake: F) -> Option<F::Output> {
        let mut handshake = std::pin::pin!(handshake);
        let greeted = std::future::poll_fn(|context| match self.poll_ending(context) {
            Some(Ending::Now) => Poll::Ready(None),
            _ => handshake.as_mut().poll(context).map(Some),
        });
        let greeted = greeted.await;
        self.enter(Stage::Greeting);
        greeted
    }

    /// Polls a tunnel; `None` if it has to end before.
    pub(super) async fn tunnel<F: Future>(&self, passing: F) -> Option<F::Output> {
        self.enter(Stage::Tunnel);
        let mut passing = std::pin::pin!(passing);
        std::future::poll_fn(|context| match self.poll_ending(context) {
            Some(Ending::Now) => Poll::Ready(None),
            _ => passing.as_mut().poll(context).map(Some),
        })
        .await
    }

    /// How it has to end, if it has to; whoever asks is woken when that changes.
    pub(super) fn poll_ending(&self, context: &Context<'_>) -> Option<Ending> {
        let ending = self.ending.get();
        if ending != Some(Ending::Now) {
            let known = self.waker.take().filter(|waker| waker.will_wake(context.waker()));
            self.waker.set(Some(known.unwrap_or_else(|| context.waker().clone())));
        }
        ending
    }

    /// True once nothing is lost by that. HTTP/2 tells the client up to which request it has got (RFC 9113 §6.8).
    fn is_to_part(&self, ending: Ending) -> bool {
        ending != Ending::AfterNext || self.stage.get() == Stage::Busy || self.multiplexed.get()
    }

    fn enter(&self, stage: Stage) {
        self.stage.set(stage);
        self.stage_since.set(self.common.now.get());
        self.received.set(false);
        self.head_since.set(None);
    }

    /// How the connection has to end, as things are.
    fn judge(&self, now: Duration, limits: &Limits) -> Option<Ending> {
        let is_past = |since: Duration, limit: Duration| now.saturating_sub(since) >= limit;
        if self.stalled_since.get().is_some_and(|since| is_past(since, limits.send_timeout)) {
            return Some(Ending::Now);
        }
        if self.stage.get() == Stage::Tunnel {
            return self.judge_tunnel(now, limits);
        }
        let since = self.stage_since.get();
        let is_busy = self.stage.get() == Stage::Busy;
        if !is_busy && let Some(ending) = self.ending.get() {
            let told = self.told.get().max(since);
            if is_past(told, PARTING) {
                return Some(Ending::Now);
            }
            if ending == Ending::AfterNext && is_past(told, LAST_CALL) {
                return Some(Ending::Gracefully);
            }
        }
        match self.stage.get() {
            Stage::Busy | Stage::Tunnel => {}
            Stage::Greeting if is_past(since, limits.header_timeout) => return Some(Ending::Now),
            Stage::Handshake if is_past(since, limits.handshake_timeout) => {
                return Some(Ending::Now);
            }
            Stage::Handshake | Stage::Greeting => {}
            Stage::Idle if self.received.get() && !self.multiplexed.get() => {
                let since = self.head_since.get().unwrap_or(now);
                self.head_since.set(Some(since));
                if is_past(since, limits.header_timeout) {
                    return Some(Ending::Now);
                }
            }
            Stage::Idle if is_past(since, limits.keep_alive) => return Some(Ending::Gracefully),
            Stage::Idle => {}
        }
        is_past(self.born, limits.connection_age).then_some(Ending::AfterNext)
    }

    /// A tunnel ends when nothing moves in either direction.
    fn judge_tunnel(&self, now: Duration, limits: &Limits) -> Option<Ending> {
        if self.received.take() | self.sent.take() {
            self.stage_since.set(now);
        }
        let idle = now.saturating_sub(self.stage_since.get());
        (idle >= limits.tunnel_idle).then_some(Ending::Now)
    }
}

impl Deref for Watching {
    type Target = Rc<Watch>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.common.all.leave(self);
        self.common.awake.leave(self);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let rest = self.0.under_way.get().saturating_sub(1);
        self.0.under_way.set(rest);
        if rest == 0 {
            self.0.unsent.set(true);
            self.0.enter(Stage::Idle);
        }
    }
}
