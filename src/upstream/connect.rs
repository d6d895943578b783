//! Connections to the provider.

use super::driver::Driver;
use super::health::{Failure, Health};
use super::sender::{OnThisThread, Sender};
use super::stream::Stream;
use super::tls::{TlsError, client_config};
use crate::config::{Origin, Scheme, Upstream};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// The way to one origin.
#[derive(Clone)]
pub struct Connector {
    origin: Origin,
    /// A Unix socket instead of the origin's address.
    socket: Option<PathBuf>,
    http2: bool,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
    max_head: usize,
    preserves_header_case: bool,
    max_ratio: usize,
    health: Health,
    #[cfg(feature = "in-memory")]
    in_memory: Option<InMemory>,
}

/// A connection, what moves it along unless a task of its own does, and the address that it leads to.
pub(crate) type Opened<B> = (Sender<B>, Option<Driver>, SocketAddr);

/// Opens a connection to an upstream in this process.
#[cfg(feature = "in-memory")]
pub type InMemory = Arc<dyn Fn() -> tokio::io::DuplexStream + Send + Sync>;

/// An upstream that is gone is found by a PING of HTTP/2.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// The longest head of a response, where nothing else is said; no less than hyper needs.
const MAX_HEAD: usize = 32 << 10;
/// The longest piece that the body of a response is read in; hyper begins with 8 KiB and comes to this where as much is
/// there. Longer ones make a download no cheaper, and for each client that is slower than the provider one is kept.
const MAX_RESPONSE_PIECE: usize = 256 << 10;
/// No key set and no metadata repeats itself as often.
const MAX_RATIO: usize = 100;

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The provider could not be reached.
    #[error("can't connect to {origin}: {error}")]
    Connect {
        /// Where to.
        origin: Origin,
        /// Why.
        error: io::Error,
    },
    /// The TLS handshake failed.
    #[error("TLS handshake with {origin} failed: {error}")]
    Tls {
        /// Where to.
        origin: Origin,
        /// Why.
        error: io::Error,
    },
    /// Nobody answered there lately, and each attempt would cost a wait.
    #[error("{origin} has not answered lately; it is asked again in {retry_after:?}")]
    Unhealthy {
        /// Where to.
        origin: Origin,
        /// When it is tried again.
        retry_after: Duration,
    },
    /// It took too long.
    #[error("no connection to {origin} within {timeout:?}")]
    Timeout {
        /// Where to.
        origin: Origin,
        /// How long was waited.
        timeout: Duration,
    },
    /// HTTP could not be started on the connection.
    #[error("HTTP with {origin}: {error}")]
    Http {
        /// Where to.
        origin: Origin,
        /// Why.
        error: hyper::Error,
    },
}

impl Connector {
    /// Prepares the way to the upstream.
    pub fn new(upstream: &Upstream) -> Result<Self, TlsError> {
        let origin = upstream.url.clone();
        let tls = match origin.scheme() {
            Scheme::Http => None,
            Scheme::Https => {
                let name = upstream.server_name.clone().unwrap_or_else(|| origin.host().to_owned());
                let server_name =
                    ServerName::try_from(name.clone()).map_err(|_| TlsError::ServerName(name))?;
                Some((TlsConnector::from(Arc::new(client_config(upstream)?)), server_name))
            }
        };
        Ok(Self {
            origin,
            socket: upstream.socket.clone(),
            http2: upstream.http2,
            tls,
            timeout: upstream.timeouts.connect,
            max_head: MAX_HEAD,
            preserves_header_case: false,
            max_ratio: MAX_RATIO,
            health: Health::default(),
            #[cfg(feature = "in-memory")]
            in_memory: None,
        })
    }

    /// With connections that `dial` opens, instead of such over the network.
    #[cfg(feature = "in-memory")]
    #[must_use]
    pub fn in_memory(self, dial: InMemory) -> Self {
        Self { in_memory: Some(dial), ..self }
    }

    /// With another bound for the head of a response.
    #[must_use]
    pub fn with_max_head(self, max_head: usize) -> Self {
        Self { max_head, ..self }
    }

    /// The longest head of a response, in bytes.
    pub fn max_head(&self) -> usize {
        self.max_head
    }

    /// With names of header fields as they are written in HTTP/1, instead of in small letters.
    #[must_use]
    pub fn with_header_case(self, preserves_header_case: bool) -> Self {
        Self { preserves_header_case, ..self }
    }

    /// With another bound for how much a document may grow when it is decompressed.
    #[must_use]
    pub fn with_max_ratio(self, max_ratio: usize) -> Self {
        Self { max_ratio, ..self }
    }

    /// How much a document may grow when it is decompressed.
    pub fn max_ratio(&self) -> usize {
        self.max_ratio
    }

    /// Where it leads.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What is known of the addresses that it leads to.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// True if connections may turn out to be of HTTP/2.
    pub fn may_speak_http2(&self) -> bool {
        self.http2
    }

    /// Opens a connection and starts HTTP on it. What moves its bytes runs as a local task, so this must be
    /// called where there are such: in a `LocalSet` or a `LocalRuntime`.
    pub async fn open<B>(&self) -> Result<Sender<B>, ConnectError>
    where
        B: hyper::body::Body + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (sender, driver, _) = self.open_somewhere().await?;
        if let Some(driver) = driver {
            driver.run();
        }
        Ok(sender)
    }

    /// The same, and tells which of the upstream's addresses it leads to. They are tried one after the other; each
    /// gets its part of the time. A connection of HTTP/1 moves only while its driver is polled.
    pub(crate) async fn open_somewhere<B>(&self) -> Result<Opened<B>, ConnectError>
    where
        B: hyper::body::Body + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        #[cfg(feature = "in-memory")]
        if let Some(dial) = &self.in_memory {
            let (sender, driver) = self.start_http(Stream::InMemory(dial())).await?;
            return Ok((sender, driver, self.nowhere()));
        }
        let started = Instant::now();
        let addresses = match tokio::time::timeout(self.timeout, self.addresses()).await {
            Ok(addresses) => addresses?,
            Err(_) => return Err(self.too_late()),
        };
        self.open_one_of(addresses, started).await
    }

    async fn open_one_of<B>(
        &self,
        addresses: Vec<SocketAddr>,
        started: Instant,
    ) -> Result<Opened<B>, ConnectError>
    where
        B: hyper::body::Body + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut last = None;
        let mut left = addresses.len();
        for address in addresses {
            let time = self.timeout.saturating_sub(started.elapsed());
            let part = time.checked_div(u32::try_from(left).unwrap_or(1)).unwrap_or(time);
            left -= 1;
            let open = async { self.start_http(self.connect(address).await?).await };
            match tokio::time::timeout(part, open).await {
                Ok(Ok((sender, driver))) => {
                    self.health.connected(address);
                    return Ok((sender, driver, address));
                }
                Ok(Err(error)) => {
                    self.health.failed(address, Failure::Connect, Instant::now());
                    last = Some(error);
                }
                Err(_) => {
                    self.health.failed(address, Failure::Wait, Instant::now());
                    last = Some(self.too_late());
                }
            }
        }
        // A look-up that succeeds has found something.
        Err(last.unwrap_or_else(|| self.too_late()))
    }

    /// What stands for an address where there is none.
    fn nowhere(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.origin.port()))
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, ConnectError> {
        let now = Instant::now();
        let ordered = if self.socket.is_some() {
            self.health.order(std::iter::once(self.nowhere()), now)
        } else {
            let found = tokio::net::lookup_host((self.origin.host(), self.origin.port())).await;
            self.health.order(found.map_err(|error| self.unreachable(error))?, Instant::now())
        };
        ordered.map_err(|retry_after| ConnectError::Unhealthy {
            origin: self.origin.clone(),
            retry_after,
        })
    }

    async fn connect(&self, address: SocketAddr) -> Result<Stream, ConnectError> {
        if let Some(path) = &self.socket {
            let socket = UnixStream::connect(path).await;
            return socket.map(Stream::Unix).map_err(|error| self.unreachable(error));
        }
        let socket = TcpStream::connect(address).await.map_err(|error| self.unreachable(error))?;
        // Small requests must not wait for a full segment.
        socket.set_nodelay(true).map_err(|error| self.unreachable(error))?;
        let Some((connector, name)) = &self.tls else { return Ok(Stream::Tcp(socket)) };
        match connector.connect(name.clone(), socket).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
            Err(error) => Err(ConnectError::Tls { origin: self.origin.clone(), error }),
        }
    }

    fn unreachable(&self, error: io::Error) -> ConnectError {
        ConnectError::Connect { origin: self.origin.clone(), error }
    }

    fn too_late(&self) -> ConnectError {
        ConnectError::Timeout { origin: self.origin.clone(), timeout: self.timeout }
    }

    /// HTTP/2 where TLS agreed on it, or where it was configured in the clear (RFC 9113 §3.3).
    async fn start_http<B>(
        &self,
        stream: Stream,
    ) -> Result<(Sender<B>, Option<Driver>), ConnectError>
    where
        B: hyper::body::Body + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let http = |error| ConnectError::Http { origin: self.origin.clone(), error };
        if stream.agreed_on_http2() || (self.http2 && self.tls.is_none()) {
            let mut builder = http2::Builder::new(OnThisThread);
            builder
                .timer(TokioTimer::new())
                .keep_alive_interval(PING_INTERVAL)
                .max_header_list_size(u32::try_from(self.max_head).unwrap_or(u32::MAX));
            let (sender, connection) =
                builder.handshake(TokioIo::new(stream)).await.map_err(http)?;
            tokio::task::spawn_local(async move {
                let _ = connection.await;
            });
            let scheme = match self.origin.scheme() {
                Scheme::Http => http::uri::Scheme::HTTP,
                Scheme::Https => http::uri::Scheme::HTTPS,
            };
            return Ok((Sender::Http2(sender, scheme), None));
        }
        let (sender, connection) = http1::Builder::new()
            .preserve_header_case(self.preserves_header_case)
            .max_header_size(self.max_head)
            .max_buf_size(MAX_RESPONSE_PIECE.max(self.max_head))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(http)?;
        // How a connection ended is told to the request on it; an idle one may end at any time.
        let driver = Driver::new(async move {
            let _ = connection.with_upgrades().await;
        });
        Ok((Sender::Http1(sender), Some(driver)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Timeouts;
    use http_body_util::Empty;
    use std::net::TcpListener;

    fn connector(timeout: Duration) -> Connector {
        let timeouts = Timeouts { connect: timeout, ..Timeouts::default() };
        let upstream = Upstream::new(Origin::parse("http://idp.test").unwrap(), timeouts);
        Connector::new(&upstream).unwrap()
    }

    fn opened(connector: &Connector, addresses: &[SocketAddr]) -> Result<SocketAddr, ConnectError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let opened = connector.open_one_of(addresses.to_vec(), Instant::now()).await;
            opened.map(|(_, _, address): Opened<Empty<bytes::Bytes>>| address)
        })
    }

    #[test]
    fn the_first_address_that_answers_is_used_and_the_others_are_remembered() {
        let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let connector = connector(Duration::from_secs(10));
        assert_eq!(opened(&connector, &[refused, good]).unwrap(), good);
        // Next time it is not even tried.
        let order = connector.health().order([refused, good].into_iter(), Instant::now());
        assert_eq!(order.unwrap(), [good]);
        // Where the name leads elsewhere, that is where the next connection goes.
        let moved = TcpListener::bind("127.0.0.1:0").unwrap();
        let moved = (moved.local_addr().unwrap(), moved);
        assert_eq!(opened(&connector, &[moved.0]).unwrap(), moved.0);
        let error = opened(&connector, &[refused]).unwrap_err();
        assert!(matches!(error, ConnectError::Connect { .. }), "{error}");
    }
}
