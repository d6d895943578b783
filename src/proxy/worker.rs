//! A worker: one thread, one event loop, its own listener and its own upstream connections.

use super::connection;
use super::deadline::Deadlines;
use super::drain::Draining;
use super::listener::{Accepting, Listener, accept, accept_at_once};
use super::logout_relay::Relay;
use super::pool::Pool;
use super::tls::FrontTls;
use super::trace::TraceIds;
use super::watch::Watches;
use crate::admin::WorkerCounters;
use crate::config::ValidConfig;
use crate::upstream::{Connector, Refresher};
use http::HeaderValue;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::LocalOptions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

/// Between two words in the log about the limit of connections.
const FULL_INTERVAL: Duration = Duration::from_secs(60);

/// What the requests of one worker are handled with.
pub(super) struct Worker {
    pub(super) config: Arc<ValidConfig>,
    pub(super) refresher: Arc<Refresher>,
    pub(super) pool: Rc<Pool>,
    pub(super) deadlines: Rc<Deadlines>,
    pub(super) counters: Arc<WorkerCounters>,
    /// As many permits as signatures may be made at once, in the whole process.
    pub(super) signers: Arc<Semaphore>,
    pub(super) relays: Vec<Relay>,
    /// The `Via` of passed requests, and the name in it.
    pub(super) via: HeaderValue,
    pub(super) via_name: Arc<str>,
    pub(super) tls: Option<Arc<FrontTls>>,
    /// As many permits as TLS handshakes may go on at once, in the whole process.
    pub(super) handshakes: Arc<Semaphore>,
    pub(super) trace_ids: TraceIds,
}

/// What a worker's thread is started with.
pub(super) struct Equipment {
    pub(super) config: Arc<ValidConfig>,
    pub(super) refresher: Arc<Refresher>,
    pub(super) connector: Connector,
    pub(super) counters: Arc<WorkerCounters>,
    pub(super) signers: Arc<Semaphore>,
    pub(super) relays: Vec<Relay>,
    pub(super) via_name: Arc<str>,
    pub(super) tls: Option<Arc<FrontTls>>,
    /// As many permits as TLS handshakes may go on at once, in the whole process.
    pub(super) handshakes: Arc<Semaphore>,
    /// As many permits as connections may be served at once, in the whole process.
    pub(super) seats: Arc<Semaphore>,
    pub(super) draining: Draining,
}

impl Equipment {
    pub(super) fn worker(self) -> (Rc<Worker>, Arc<Semaphore>, Draining) {
        let deadlines = Deadlines::new();
        let pool = Pool::new(self.connector, &self.config, &deadlines, &self.counters);
        let via = format!("1.1 {}", self.via_name);
        let worker = Worker {
            pool,
            deadlines,
            via: HeaderValue::from_str(&via).unwrap_or(HeaderValue::from_static("1.1 kidstamp")),
            via_name: self.via_name,
            config: self.config,
            refresher: self.refresher,
            counters: self.counters,
            signers: self.signers,
            relays: self.relays,
            tls: self.tls,
            handshakes: self.handshakes,
            trace_ids: TraceIds::new(),
        };
        (Rc::new(worker), self.seats, self.draining)
    }
}

/// Serves `listener` on this thread until the drain is over.
pub(super) fn run(listener: Listener, equipment: Equipment) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // For signatures, of which the semaphore allows as many at once as there are cores, and look-ups of names.
        .max_blocking_threads(equipment.config.server.workers.get() + 2)
        .build_local(LocalOptions::default())?;
    let (worker, seats, draining) = equipment.worker();
    runtime.block_on(async move {
        let listener = listener.into_accepting()?;
        serve(listener, worker, seats, draining).await;
        Ok(())
    })
}

/// Accepts and serves connections until the drain is over.
async fn serve(
    listener: Accepting,
    worker: Rc<Worker>,
    seats: Arc<Semaphore>,
    mut draining: Draining,
) {
    let server = &worker.config.server;
    let watches = Watches::new(server.limits.clone());
    let mut connections = JoinSet::new();
    let mut tick = interval(watches.tick());
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Accepted, but more than may be served at a time.
    let mut waiting = None;
    let mut told_full: Option<Instant> = None;
    let (mut unready, mut is_unready) = (draining.clone(), false);
    let deadlines = tokio::task::spawn_local(Rc::clone(&worker.deadlines).run());
    loop {
        tokio::select! {
            biased;
            _ = tick.tick(), if !watches.is_empty() => watches.look(),
            () = draining.closed_to_new() => break,
            () = unready.unready(), if !is_unready => {
                is_unready = true;
                watches.invite_no_more();
            }
            // Keeps the set of finished connections empty.
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            seat = Arc::clone(&seats).acquire_owned(), if waiting.is_some() => {
                if let (Ok(seat), Some(transport)) = (seat, waiting.take()) {
                    let connection =
                        connection::serve(transport, Rc::clone(&worker), watches.add());
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
                        server.limits.connections
                    );
                }
            }
        }
    }
    // Whoever has connected already does not find a closed door.
    while let Some(transport) = waiting.take().or_else(|| accept_at_once(&listener)) {
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else { break };
        let connection = connection::serve(transport, Rc::clone(&worker), watches.add());
        connections.spawn_local(seated(connection, seat));
    }
    drop(listener);
    watches.end(server.drain_timeout, server.drain_tunnels.min(server.drain_timeout));
    while !connections.is_empty() {
        tokio::select! {
            _ = connections.join_next() => {}
            _ = tick.tick() => watches.look(),
        }
    }
    deadlines.abort();
}

async fn seated(connection: impl Future<Output = ()>, _seat: OwnedSemaphorePermit) {
    connection.await;
}
