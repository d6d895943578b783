//! The proxy over pipes in memory, in one thread: no sockets, and the same code behind them.
//!
//! For fuzzing: whatever bytes a client sends and a provider answers, the proxy must neither panic nor hang. It has
//! the real background, so that documents are fetched and tokens re-signed as ever.

use super::StartError;
use super::client::{Client, LastAddress};
use super::connection::serve_http1;
use super::drain::Drain;
use super::rest::{Farewell, Restful};
use super::settings::Settings;
use super::signing::Signers;
use super::stream::Watched;
use super::watch::{Watch, Watches};
use super::worker::{Current, Equipment, Worker};
use crate::admin::Counters;
use crate::config::ValidConfig;
use crate::upstream::{Background, InMemory, Refresher, Tasks};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{Semaphore, watch};

/// How long a request may be under way that nothing happens to: there is no network that it could wait for.
const PAUSES: u32 = 40;
/// How often a task gives way to all others before a connection counts as quiet.
const TURNS: u32 = 40;

/// How much a pipe holds that nobody has read yet.
pub const PIPE: usize = 64 << 10;

/// A kidstamp without sockets.
pub struct Proxy {
    runtime: LocalRuntime,
    current: Rc<Current>,
    /// Ended with this.
    _background: Tasks,
    watches: Rc<Watches>,
}

/// What came of the bytes of a client.
#[derive(Debug)]
pub enum Outcome {
    /// What it was answered, until its connection ended.
    Answered(Vec<u8>),
    /// Its connection did not end in time.
    Hung,
    /// The task that served it panicked.
    Panicked,
}

impl Proxy {
    /// Starts one before the upstream to which `dial` opens connections.
    pub fn start(config: ValidConfig, dial: InMemory) -> Result<Self, StartError> {
        let mut settings = Settings::prepare(config)?;
        settings.connector = settings.connector.in_memory(dial);
        let config = Arc::clone(&settings.config);
        let refresher = Arc::new(Refresher::new(&config));
        let background = Background::prepare(&config, &settings.connector, &refresher)?;
        let watches = Rc::new(Watches::new(config.server.limits.clone()));
        let equipment = Equipment {
            settings: watch::Sender::new(Arc::new(settings)).subscribe(),
            counters: Counters::new(1).worker(0),
            signers: Signers::new(1),
            handshakes: Arc::new(Semaphore::new(1)),
            seats: Arc::new(Semaphore::new(1)),
            nonces: Arc::default(),
            draining: Drain::new().subscribe(),
            refresher,
        };
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().build_local(LocalOptions::default());
        let runtime = runtime.map_err(StartError::Thread)?;
        let current = Current::new(Worker::new(&equipment));
        let tasks = runtime.block_on(async {
            tokio::task::spawn_local(Rc::clone(&current.get().deadlines).run());
            tokio::task::spawn_local(Rc::clone(&current.get().signing).run());
            let watches = Rc::clone(&watches);
            tokio::task::spawn_local(async move {
                loop {
                    tokio::time::sleep(watches.tick()).await;
                    watches.look();
                    watches.lull();
                }
            });
            background.spawn()
        });
        Ok(Self { runtime, current, _background: tasks, watches })
    }

    /// Sends all of `bytes` on a connection of their own and reads the answers; once there is nothing more to wait
    /// for, ends the connection on this side, and reads until the other side ends it too.
    pub fn exchange(&self, bytes: &[u8], patience: Duration) -> Outcome {
        let (near, far) = duplex(PIPE);
        let (current, watch) = (Rc::clone(&self.current), self.watches.add());
        let seen = Rc::clone(&watch);
        self.runtime.block_on(async {
            let served = tokio::task::spawn_local(async move {
                let address = SocketAddr::from(([192, 0, 2, 1], 1024));
                let trusted = current.get().config.server.trusted_proxies.clone();
                let client = Client::new(Some(address), &trusted, &LastAddress::default());
                let stream = Watched::new(far, Rc::clone(&watch));
                let stream = Restful::new(stream, Farewell::Silent, &watch);
                serve_http1(stream, &current, &Rc::new(client), &watch).await;
            });
            let (mut reader, mut writer) = tokio::io::split(near);
            let mut answer = Vec::new();
            let exchange = async {
                let send = async {
                    // The proxy may have answered and left before it has read all.
                    let _ = writer.write_all(bytes).await;
                    // A client that leaves is not answered.
                    settle(&seen).await;
                    let _ = writer.shutdown().await;
                };
                let receive = async {
                    let _ = reader.read_to_end(&mut answer).await;
                };
                tokio::join!(send, receive);
                served.await
            };
            match tokio::time::timeout(patience, exchange).await {
                Ok(Ok(())) => Outcome::Answered(answer),
                Ok(Err(_)) => Outcome::Panicked,
                Err(_) => Outcome::Hung,
            }
        })
    }

    /// Lets the background work until the documents of every issuer are there, `patience` at the most; true if they
    /// are.
    pub fn await_documents(&self, patience: Duration) -> bool {
        let refresher = Arc::clone(&self.current.get().refresher);
        let there = async {
            while !refresher.site.load().is_complete {
                refresher.refresh_missing(patience).await;
            }
        };
        self.runtime.block_on(async { tokio::time::timeout(patience, there).await.is_ok() })
    }
}

/// Waits until no request is under way on a connection, or none gets on.
async fn settle(watch: &Watch) {
    for _ in 0..PAUSES {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        if !watch.is_busy() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
