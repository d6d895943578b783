//! Starting and stopping: threads, sockets, and the background.

use super::drain::{Drain, Phase};
use super::listener::{self, Inherited, Listener, SocketFile};
use super::logout_relay::Relay;
use super::tls::{FrontTls, FrontTlsError};
use super::worker::{self, Equipment};
use crate::admin::{self, Admin, Counters};
use crate::config::{Listen, ValidConfig};
use crate::jose::base64url;
use crate::upstream::{Background, Connector, PrepareError, Refresher, TlsError};
use aws_lc_rs::digest;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::LocalSet;
use tracing::info;

/// Why kidstamp did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address can't be listened on.
    #[error("can't listen on {address}: {error}{}", hint(error))]
    Listen {
        /// The address.
        address: Listen,
        /// Why.
        error: io::Error,
    },
    /// The bridge keys, or the secret of a client, can't be used.
    #[error(transparent)]
    Keys(#[from] PrepareError),
    /// TLS to the upstream can't be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// TLS towards clients can't be set up.
    #[error(transparent)]
    FrontTls(#[from] FrontTlsError),
    /// The system gave no thread or event loop.
    #[error("can't start a thread: {0}")]
    Thread(io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program has this port: choose another with --listen or --admin"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 need CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        _ => "",
    }
}

/// A kidstamp that serves.
#[derive(Debug)]
pub struct Running {
    listen: Listen,
    is_tls: bool,
    admin: Option<SocketAddr>,
    _socket_file: Option<SocketFile>,
    drain: Drain,
    config: Arc<ValidConfig>,
    workers: Vec<JoinHandle<()>>,
    background: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// What clients are served on.
struct Bound {
    listeners: Vec<Listener>,
    address: Listen,
    /// Goes when the process does.
    file: Option<SocketFile>,
}

impl Bound {
    fn new(config: &ValidConfig, inherited: &mut Inherited) -> Result<Self, StartError> {
        let server = &config.server;
        let workers = server.workers.get();
        let listen = |error| StartError::Listen { address: server.listen.clone(), error };
        if let Some(listeners) = inherited.listeners(workers).map_err(listen)? {
            let address = listeners.first().and_then(Listener::address);
            let address = address.unwrap_or_else(|| server.listen.clone());
            info!("the socket for clients was bound before: {address}");
            return Ok(Self { listeners, address, file: None });
        }
        let bound = listener::bind(&server.listen, server.socket_mode.0, workers);
        let (listeners, file) = bound.map_err(listen)?;
        // The port may have been 0; the path is as it was named.
        let address = match &server.listen {
            Listen::Tcp(_) => listeners.first().and_then(Listener::address),
            Listen::Unix(_) => None,
        };
        let address = address.unwrap_or_else(|| server.listen.clone());
        Ok(Self { listeners, address, file })
    }
}

fn bind_admin(
    config: &ValidConfig,
    inherited: &mut Inherited,
) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = config.server.admin else { return Ok(None) };
    let listen = |error| StartError::Listen { address: Listen::Tcp(address), error };
    if let Some(listener) = inherited.admin().map_err(listen)? {
        return Ok(Some(listener));
    }
    Ok(listener::bind_tcp(address, 1).map_err(listen)?.pop())
}

/// Starts kidstamp on threads of its own.
///
/// Everything that can be wrong with addresses, keys and certificates is an error here. Whether the provider
/// can be reached is not: it may start later.
pub fn start(config: ValidConfig) -> Result<Running, StartError> {
    start_on(config, Inherited::default())
}

/// The same, on sockets that were bound before.
pub fn start_on(config: ValidConfig, mut inherited: Inherited) -> Result<Running, StartError> {
    let config = Arc::new(config);
    let http2 = config.server.http2;
    let tls = config.server.tls.as_ref().map(|tls| FrontTls::load(tls, http2));
    let tls = tls.transpose()?.map(Arc::new);
    let connector =
        Connector::new(&config.upstream)?.with_max_head(config.server.limits.header_bytes);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::Thread)?;
    let (bound, admin_listener) = {
        let _entered = runtime.enter();
        (Bound::new(&config, &mut inherited)?, bind_admin(&config, &mut inherited)?)
    };
    let admin_address = admin_listener.as_ref().and_then(|listener| listener.local_addr().ok());

    let drain = Drain::new();
    let refresher = Arc::new(Refresher::new(&config));
    let counters = Arc::new(Counters::new(config.server.workers.get()));
    let upstream = Background::prepare(&config, &connector, &refresher)?;
    let relays = Relay::prepare(&config)?;
    let signers = Arc::new(Semaphore::new(config.server.workers.get()));
    let handshakes = Arc::new(Semaphore::new(config.server.limits.handshakes));
    let seats = Arc::new(Semaphore::new(config.server.limits.connections));
    let via_name: Arc<str> = via_name(&config).into();

    let (stop, stopped) = oneshot::channel();
    let admin = Admin {
        trusts_anyone: config.upstream.danger_accept_invalid_certs,
        refresher: Arc::clone(&refresher),
        counters: Arc::clone(&counters),
        is_serving: Box::new({
            let drain = drain.clone();
            move || drain.is_serving()
        }),
    };
    let mut running = Running {
        listen: bound.address,
        is_tls: tls.is_some(),
        admin: admin_address,
        _socket_file: bound.file,
        drain,
        config,
        workers: Vec::new(),
        background: None,
    };
    let watched_tls = tls.clone();
    let background = spawn("background", move || {
        LocalSet::new().block_on(&runtime, async move {
            upstream.spawn();
            if let Some(tls) = watched_tls {
                tokio::task::spawn_local(async move { tls.keep_up().await });
            }
            if let Some(listener) = admin_listener {
                tokio::task::spawn_local(admin::serve(listener, admin));
            }
            let _ = stopped.await;
        });
    })?;
    running.background = Some((stop, background));
    for (index, listener) in bound.listeners.into_iter().enumerate() {
        let equipment = Equipment {
            config: Arc::clone(&running.config),
            refresher: Arc::clone(&refresher),
            connector: connector.clone(),
            counters: counters.worker(index),
            signers: Arc::clone(&signers),
            relays: relays.clone(),
            via_name: Arc::clone(&via_name),
            tls: tls.clone(),
            handshakes: Arc::clone(&handshakes),
            seats: Arc::clone(&seats),
            draining: running.drain.subscribe(),
        };
        let thread = spawn(&format!("worker-{index}"), move || {
            if let Err(error) = worker::run(listener, equipment) {
                tracing::error!("a worker ended: {error}");
            }
        })?;
        running.workers.push(thread);
    }
    Ok(running)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map_err(StartError::Thread)
}

/// The name in `Via`: the same on every replica, another one on a kidstamp before another provider.
pub(super) fn via_name(config: &ValidConfig) -> String {
    let external = config.issuers.iter().filter_map(|issuer| issuer.external_url.as_ref());
    let identity = external.map(ToString::to_string).chain([config.upstream.url.to_string()]);
    let hash = digest::digest(&digest::SHA256, identity.collect::<Vec<_>>().join(" ").as_bytes());
    format!(
        "kidstamp-{}",
        base64url::encode(hash.as_ref().get(..6).unwrap_or_default()).replace('_', "-")
    )
}

impl Running {
    /// Where clients are served.
    pub fn listen(&self) -> &Listen {
        &self.listen
    }

    /// The same as a URL would have it.
    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        match &self.listen {
            Listen::Tcp(address) => format!("{scheme}://{address}"),
            Listen::Unix(_) => format!("{scheme}+{}", self.listen),
        }
    }

    /// Where health and metrics are served, if at all.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Ends in order: readiness goes red, `drain_delay` passes, requests under way are finished.
    pub fn stop(mut self) {
        self.drain.enter(Phase::Unready);
        let delay = self.config.server.drain_delay;
        if !delay.is_zero() {
            info!("no longer ready; new connections are accepted for another {delay:?}");
            thread::sleep(delay);
        }
        info!("finishing the requests under way");
        self.drain.enter(Phase::Closing);
        for worker in self.workers.drain(..) {
            // A worker that panicked has nothing left to finish.
            let _ = worker.join();
        }
        if let Some((stop, background)) = self.background.take() {
            let _ = stop.send(());
            let _ = background.join();
        }
    }
}
