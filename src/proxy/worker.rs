//! A worker: one thread, one event loop, its own listener and its own upstream connections.

use super::client::Client;
use super::drain::Draining;
use super::handle::handle;
use super::listener::accept;
use super::logout_relay::Relay;
use super::pool::Pool;
use super::trace::TraceIds;
use crate::admin::WorkerCounters;
use crate::config::ValidConfig;
use crate::upstream::{Connector, Refresher};
use http::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::LocalOptions;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What the requests of one worker are handled with.
pub(super) struct Worker {
    pub(super) config: Arc<ValidConfig>,
    pub(super) refresher: Arc<Refresher>,
    pub(super) pool: Rc<Pool>,
    pub(super) counters: Arc<WorkerCounters>,
    /// As many permits as signatures may be made at once, in the whole process.
    pub(super) signers: Arc<Semaphore>,
    pub(super) relays: Vec<Relay>,
    /// The `Via` of passed requests, and the name in it.
    pub(super) via: HeaderValue,
    pub(super) via_name: Arc<str>,
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
    pub(super) draining: Draining,
}

impl Equipment {
    fn worker(self) -> (Rc<Worker>, Draining) {
        let upstream = &self.config.upstream;
        let pool = Pool::new(
            self.connector,
            self.config.server.limits.idle_upstream_connections,
            upstream.timeouts.first_byte,
        );
        let via = format!("1.1 {}", self.via_name);
        let worker = Worker {
            pool,
            via: HeaderValue::from_str(&via).unwrap_or(HeaderValue::from_static("1.1 kidstamp")),
            via_name: self.via_name,
            config: self.config,
            refresher: self.refresher,
            counters: self.counters,
            signers: self.signers,
            relays: self.relays,
            trace_ids: TraceIds::new(),
        };
        (Rc::new(worker), self.draining)
    }
}

/// Serves `listener` on this thread until the drain is over.
pub(super) fn run(listener: std::net::TcpListener, equipment: Equipment) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // For signatures, of which the semaphore allows as many at once as there are cores, and look-ups of names.
        .max_blocking_threads(equipment.config.server.workers.get() + 2)
        .build_local(LocalOptions::default())?;
    let (worker, draining) = equipment.worker();
    runtime.block_on(async move {
        let listener = TcpListener::from_std(listener)?;
        serve(listener, worker, draining).await;
        Ok(())
    })
}

async fn serve(listener: TcpListener, worker: Rc<Worker>, mut draining: Draining) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            (socket, address) = accept(&listener) => {
                connections.spawn_local(connection(socket, address, Rc::clone(&worker), draining.clone()));
            }
            // Keeps the set of finished connections empty.
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = draining.closed_to_new() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(
    socket: TcpStream,
    address: SocketAddr,
    worker: Rc<Worker>,
    mut draining: Draining,
) {
    // Answers must not wait for a full segment; without the option they are late, but right.
    let _ = socket.set_nodelay(true);
    let client = Rc::new(Client::new(address, &worker.config.server.trusted_proxies));
    let limits = &worker.config.server.limits;
    let mut builder = http1::Builder::new();
    builder
        // Without a timer hyper has no header timeout at all.
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes)
        .preserve_header_case(true);
    let service = service_fn(|request| {
        let worker = Rc::clone(&worker);
        let client = Rc::clone(&client);
        async move { Ok::<_, Infallible>(handle(&worker, request, &client).await) }
    });
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(socket), service));
    // A client that breaks off or sends what is no HTTP has been answered as far as it can be.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = draining.started() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
