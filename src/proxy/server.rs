//! Starting and stopping: threads, sockets, and the background.

use super::drain::{Drain, Phase};
use super::listener::{self, Inherited, Listener, SocketFile};
use super::nonces::NonceMemory;
use super::reload::Replacement;
use super::settings::{Settings, SettingsError};
use super::signing::Signers;
use super::tls::FrontTls;
use super::worker::{self, Equipment};
use crate::admin::{self, Admin, Counters};
use crate::clock;
use crate::config::{Listen, ValidConfig};
use crate::jose;
use crate::upstream::{Background, PrepareError, Refresher};
use aws_lc_rs::rand;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::LocalSet;
use tracing::info;

/// From the start until randomness is gathered, if nobody needed any before.
const RANDOMNESS_DELAY: Duration = Duration::from_millis(100);

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
    /// TLS can't be set up, on either side.
    #[error(transparent)]
    Settings(#[from] SettingsError),
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
pub struct Running {
    listen: Listen,
    is_tls: bool,
    admin: Option<SocketAddr>,
    _socket_file: Option<SocketFile>,
    drain: Drain,
    pub(super) config: Arc<ValidConfig>,
    pub(super) counters: Arc<Counters>,
    pub(super) refresher: Arc<Refresher>,
    /// What the workers answer by.
    pub(super) settings: watch::Sender<Arc<Settings>>,
    pub(super) replacements: mpsc::UnboundedSender<Replacement>,
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
    let settings = Arc::new(Settings::prepare(config)?);
    let config = Arc::clone(&settings.config);
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
    let upstream = Background::prepare(&config, &settings.connector, &refresher)?;
    let signers = Signers::new(config.server.workers.get());
    let nonces = Arc::new(NonceMemory::default());
    let handshakes = Arc::new(Semaphore::new(config.server.limits.handshakes));
    let seats = Arc::new(Semaphore::new(config.server.limits.connections));

    let (stop, stopped) = oneshot::channel();
    let (replacements, mut replaced) = mpsc::unbounded_channel::<Replacement>();
    let mut running = Running {
        listen: bound.address,
        is_tls: config.server.tls.is_some(),
        admin: admin_address,
        _socket_file: bound.file,
        drain,
        config,
        counters,
        refresher,
        settings: watch::Sender::new(settings),
        replacements,
        workers: Vec::new(),
        background: None,
    };
    let in_effect = running.settings.subscribe();
    let admin = Admin {
        refresher: Arc::clone(&running.refresher),
        counters: Arc::clone(&running.counters),
        is_serving: Box::new({
            let drain = running.drain.clone();
            move || drain.is_serving()
        }),
        config: Box::new(move || Arc::clone(&in_effect.borrow().config)),
        started: clock::now(),
    };
    let tls = running.settings.borrow().tls.clone();
    let background = spawn("background", move || {
        jose::this_is_an_event_loop();
        LocalSet::new().block_on(&runtime, async move {
            let mut tasks = upstream.spawn();
            tokio::task::spawn_local(get_randomness_ready());
            let mut certificates = FrontTls::keep_up_in_background(tls);
            if let Some(listener) = admin_listener {
                tokio::task::spawn_local(admin::serve(listener, admin));
            }
            tokio::pin!(stopped);
            loop {
                tokio::select! {
                    _ = &mut stopped => break,
                    Some(replacement) = replaced.recv() => {
                        certificates.abort();
                        certificates = FrontTls::keep_up_in_background(replacement.tls);
                        tasks = replacement.upstream.replace(tasks).await;
                        // Who no longer waits for it does not need to know.
                        let _ = replacement.done.send(());
                    }
                }
            }
        });
    })?;
    running.background = Some((stop, background));
    for (index, listener) in bound.listeners.into_iter().enumerate() {
        let equipment = Equipment {
            settings: running.settings.subscribe(),
            refresher: Arc::clone(&running.refresher),
            counters: running.counters.worker(index),
            signers: Arc::clone(&signers),
            handshakes: Arc::clone(&handshakes),
            seats: Arc::clone(&seats),
            nonces: Arc::clone(&nonces),
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

/// Lets the cryptographic library gather the randomness that it begins with, which takes tens of milliseconds of CPU
/// time: the first signature is not to wait for that, nor the first documents.
async fn get_randomness_ready() {
    tokio::time::sleep(RANDOMNESS_DELAY).await;
    // Where there is none, the first signature says so.
    let _ = tokio::task::spawn_blocking(|| rand::fill(&mut [0])).await;
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map_err(StartError::Thread)
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
