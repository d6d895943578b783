//! A worker: one thread, one event loop, its own listener and its own upstream connections.

use super::connection;
use super::deadline::Deadlines;
use super::drain::Draining;
use super::listener::{Accepting, Listener, accept, accept_at_once};
use super::logout_relay::Relay;
use super::nonces::NonceMemory;
use super::pool::Pool;
use super::settings::Settings;
use super::signing::{Signers, Signing};
use super::tls::FrontTls;
use super::trace::TraceIds;
use super::watch::Watches;
use crate::admin::WorkerCounters;
use crate::config::ValidConfig;
use crate::upstream::Refresher;
use http::HeaderValue;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::LocalOptions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{error, warn};

/// Between two words in the log about the limit of connections.
const FULL_INTERVAL: Duration = Duration::from_secs(60);

/// What the requests of one worker are handled with.
pub(super) struct Worker {
    pub(super) config: Arc<ValidConfig>,
    pub(super) refresher: Arc<Refresher>,
    pub(super) pool: Rc<Pool>,
    pub(super) deadlines: Rc<Deadlines>,
    pub(super) counters: Arc<WorkerCounters>,
    pub(super) signing: Rc<Signing>,
    pub(super) relays: Vec<Relay>,
    /// The `Via` of passed requests, and the name in it.
    pub(super) via: HeaderValue,
    pub(super) via_name: Arc<str>,
    pub(super) tls: Option<Arc<FrontTls>>,
    /// As many permits as TLS handshakes may go on at once, in the whole process.
    pub(super) handshakes: Arc<Semaphore>,
    pub(super) trace_ids: Rc<TraceIds>,
    /// What all workers know of the logins under way.
    pub(super) nonces: Arc<NonceMemory>,
}

/// What a worker answers by at the moment: another one after each new configuration. What is under way keeps its own.
pub(super) struct Current(RefCell<Rc<Worker>>);

/// What a worker's thread is started with.
pub(super) struct Equipment {
    pub(super) settings: watch::Receiver<Arc<Settings>>,
    pub(super) refresher: Arc<Refresher>,
    pub(super) counters: Arc<WorkerCounters>,
    pub(super) signers: Arc<Signers>,
    /// As many permits as TLS handshakes may go on at once, in the whole process.
    pub(super) handshakes: Arc<Semaphore>,
    /// As many permits as connections may be served at once, in the whole process.
    pub(super) seats: Arc<Semaphore>,
    pub(super) nonces: Arc<NonceMemory>,
    pub(super) draining: Draining,
}

impl Worker {
    pub(super) fn new(equipment: &Equipment) -> Self {
        let (deadlines, signing) = (Deadlines::new(), Signing::new(&equipment.signers));
        Self::of(equipment, deadlines, signing, Rc::new(TraceIds::new()))
    }

    /// The same worker with the settings that `equipment` holds now.
    fn renewed(&self, equipment: &Equipment) -> Self {
        let (deadlines, signing) = (Rc::clone(&self.deadlines), Rc::clone(&self.signing));
        Self::of(equipment, deadlines, signing, Rc::clone(&self.trace_ids))
    }

    fn of(
        equipment: &Equipment,
        deadlines: Rc<Deadlines>,
        signing: Rc<Signing>,
        trace_ids: Rc<TraceIds>,
    ) -> Self {
        let Equipment { settings, refresher, counters, handshakes, .. } = equipment;
        let settings = settings.borrow();
        Self {
            pool: Pool::new(&settings, &deadlines, counters),
            deadlines,
            via: settings.via.clone(),
            via_name: Arc::clone(&settings.via_name),
            config: Arc::clone(&settings.config),
            refresher: Arc::clone(refresher),
            counters: Arc::clone(counters),
            signing,
            relays: settings.relays.clone(),
            tls: settings.tls.clone(),
            handshakes: Arc::clone(handshakes),
            trace_ids,
            nonces: Arc::clone(&equipment.nonces),
        }
    }
}

impl Current {
    pub(super) fn new(worker: Worker) -> Rc<Self> {
        Rc::new(Self(RefCell::new(Rc::new(worker))))
    }

    pub(super) fn get(&self) -> Rc<Worker> {
        Rc::clone(&self.0.borrow())
    }

    fn set(&self, worker: Worker) {
        self.0.replace(Rc::new(worker));
    }
}

/// Serves `listener` on this thread until the drain is over.
pub(super) fn run(listener: Listener, equipment: Equipment) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // For look-ups of names.
        .max_blocking_threads(4)
        .build_local(LocalOptions::default())?;
    runtime.block_on(async move {
        let listener = listener.into_accepting()?;
        serve(listener, equipment).await;
        Ok(())
    })
}

/// Accepts and serves connections until the drain is over.
async fn serve(listener: Accepting, equipment: Equipment) {
    let current = Current::new(Worker::new(&equipment));
    let (mut settings, mut draining) = (equipment.settings.clone(), equipment.draining.clone());
    let seats = &equipment.seats;
    let watches = Watches::new(current.get().config.server.limits.clone());
    let mut connections = JoinSet::new();
    let mut tick = ticking(&watches);
    // Accepted, but more than may be served at a time.
    let mut waiting = None;
    let mut told_full: Option<Instant> = None;
    let (mut unready, mut is_unready) = (draining.clone(), false);
    let deadlines = tokio::task::spawn_local(Rc::clone(&current.get().deadlines).run());
    let signing = tokio::task::spawn_local(Rc::clone(&current.get().signing).run());
    loop {
        tokio::select! {
            biased;
            _ = tick.tick(), if !watches.is_empty() => watches.look(),
            () = draining.closed_to_new() => break,
            () = unready.unready(), if !is_unready => {
                is_unready = true;
                watches.invite_no_more();
            }
            Ok(()) = settings.changed() => {
                let new = current.get().renewed(&equipment);
                watches.renew(new.config.server.limits.clone());
                tick = ticking(&watches);
                current.set(new);
            }
            // Keeps the set of finished connections empty.
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                note(&ended, &current.get().counters);
            }
            seat = Arc::clone(seats).acquire_owned(), if waiting.is_some() => {
                if let (Ok(seat), Some(transport)) = (seat, waiting.take()) {
                    let connection =
                        connection::serve(transport, Rc::clone(&current), watches.add());
                    connections.spawn_local(seated(connection, seat));
                }
            }
            accepted = accept(&listener), if waiting.is_none() => {
                waiting = Some(accepted);
                if seats.available_permits() == 0
                    && told_full.is_none_or(|told| told.elapsed() >= FULL_INTERVAL)
                {
                    told_full = Some(Instant::now());
                    warn!(
                        "as many clients are connected as server.limits.connections allows ({}); others wait",
                        current.get().config.server.limits.connections
                    );
                }
            }
        }
    }
    // Whoever has connected already does not find a closed door.
    while let Some(transport) = waiting.take().or_else(|| accept_at_once(&listener)) {
        let Ok(seat) = Arc::clone(seats).try_acquire_owned() else { break };
        let connection = connection::serve(transport, Rc::clone(&current), watches.add());
        connections.spawn_local(seated(connection, seat));
    }
    drop(listener);
    let server = &current.get().config.server;
    watches.end(server.drain_timeout, server.drain_tunnels.min(server.drain_timeout));
    while !connections.is_empty() {
        tokio::select! {
            Some(ended) = connections.join_next() => note(&ended, &current.get().counters),
            _ = tick.tick() => watches.look(),
        }
    }
    deadlines.abort();
    signing.abort();
}

async fn seated(connection: impl Future<Output = ()>, _seat: OwnedSemaphorePermit) {
    connection.await;
}

/// A panic ends the connection that it happened on, and nothing else.
fn note(ended: &Result<(), JoinError>, counters: &WorkerCounters) {
    if ended.as_ref().is_err_and(JoinError::is_panic) {
        counters.panicked();
        error!("a connection ended in a panic, which is a bug of kidstamp; others go on");
    }
}

fn ticking(watches: &Watches) -> Interval {
    let mut tick = interval(watches.tick());
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Counters;

    #[test]
    fn threat_50_a_panic_ends_one_connection_and_is_counted() {
        let counters = Counters::new(1);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let mut connections = JoinSet::new();
            connections.spawn_local(async { panic!("a connection") });
            connections.spawn_local(async { tokio::task::yield_now().await });
            let mut well = 0;
            while let Some(ended) = connections.join_next().await {
                note(&ended, &counters.worker(0));
                well += u32::from(ended.is_ok());
            }
            assert_eq!(well, 1, "the other one goes on");
        });
        assert_eq!(counters.panics(), 1);
    }
}
