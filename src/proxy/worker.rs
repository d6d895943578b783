//! A worker: one thread, one event loop, its own listener and its own upstream connections.

use super::client::LastAddress;
use super::connection;
use super::connections::Connections;
use super::deadline::Deadlines;
use super::door::Door;
use super::drain::Draining;
use super::gather::Spare;
use super::listener::{Accepting, Listener};
use super::logout_relay::Relay;
use super::nonces::NonceMemory;
use super::pool::Pool;
use super::settings::Settings;
use super::signing::{Signers, Signing};
use super::tls::FrontTls;
use super::trace::TraceIds;
use super::transport::Transport;
use super::watch::{LULL, Watches};
use crate::admin::WorkerCounters;
use crate::config::ValidConfig;
use crate::jose;
use crate::upstream::Refresher;
use http::HeaderValue;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::LocalOptions;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

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
    /// What connections of HTTP/2 gather their responses in.
    pub(super) spare: Rc<Spare>,
    /// What all workers know of the logins under way.
    pub(super) nonces: Arc<NonceMemory>,
    pub(super) last_address: LastAddress,
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
            spare: Rc::default(),
            nonces: Arc::clone(&equipment.nonces),
            last_address: LastAddress::default(),
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
    jose::this_is_an_event_loop();
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
    let watches = Watches::new(current.get().config.server.limits.clone());
    let connections = Connections::new(&equipment.counters);
    // There is something to look at again, and nobody does.
    let (bell, is_looked_at) = (Notify::new(), Cell::new(false));
    let serve = |transport: Transport, seat: OwnedSemaphorePermit| {
        if !is_looked_at.replace(true) {
            bell.notify_one();
        }
        let seated = (seat, connections.open());
        let connection = connection::serve(transport, Rc::clone(&current), watches.add(), seated);
        // In a box, since the runtime would move it four times, and it is long.
        tokio::task::spawn_local(Box::pin(connection));
    };
    let door = Door::new(listener, &equipment.seats);
    let mut admitting =
        Box::pin(door.admit(serve, || current.get().config.server.limits.connections));
    let (mut tick, mut lull) = (ticking(watches.tick()), ticking(LULL));
    let (mut unready, mut is_unready) = (draining.clone(), false);
    let deadlines = tokio::task::spawn_local(Rc::clone(&current.get().deadlines).run());
    let signing = tokio::task::spawn_local(Rc::clone(&current.get().signing).run());
    loop {
        is_looked_at.set(watches.has_awake());
        tokio::select! {
            biased;
            _ = tick.tick(), if !watches.is_empty() => watches.look(),
            _ = lull.tick(), if watches.has_awake() => watches.lull(),
            () = draining.closed_to_new() => break,
            () = unready.unready(), if !is_unready => {
                is_unready = true;
                watches.invite_no_more();
            }
            Ok(()) = settings.changed() => {
                let new = current.get().renewed(&equipment);
                watches.renew(new.config.server.limits.clone());
                tick = ticking(watches.tick());
                current.set(new);
            }
            () = bell.notified() => {}
            // Not set up anew for each connection, and neither is what stands before it.
            () = &mut admitting => {}
        }
    }
    drop(admitting);
    door.close(serve);
    let server = &current.get().config.server;
    watches.end(server.drain_timeout, server.drain_tunnels.min(server.drain_timeout));
    loop {
        tokio::select! {
            () = connections.ended() => break,
            _ = tick.tick() => watches.look(),
        }
    }
    deadlines.abort();
    signing.abort();
}

fn ticking(period: Duration) -> Interval {
    let mut tick = interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}
