//! Connections to the provider: TCP, and TLS with the system's roots or a given CA.

use super::health::{Failure, Health};
use crate::config::{Origin, Scheme, Upstream};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The way to one origin.
#[derive(Clone)]
pub struct Connector {
    origin: Origin,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
    max_head: usize,
    health: Health,
    #[cfg(feature = "in-memory")]
    in_memory: Option<InMemory>,
}

/// Opens a connection to an upstream in this process.
#[cfg(feature = "in-memory")]
pub type InMemory = Arc<dyn Fn() -> tokio::io::DuplexStream + Send + Sync>;

/// The longest head of a response, where nothing else is said; no less than hyper needs.
const MAX_HEAD: usize = 32 << 10;

/// Why TLS to the provider can't be set up at all.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The CA file can't be read or holds no certificate.
    #[error("upstream.ca: {}: {reason}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system has no root certificates.
    #[error(
        "no root certificate found on this system ({0}); install ca-certificates, or name a file with upstream.ca"
    )]
    NoRoots(String),
    /// Not a name that a certificate can have.
    #[error("\"{0}\" is no name that a certificate can have")]
    ServerName(String),
    /// rustls refused the settings.
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

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
                Some((
                    TlsConnector::from(Arc::new(client_config(upstream.ca.as_deref())?)),
                    server_name,
                ))
            }
        };
        Ok(Self {
            origin,
            tls,
            timeout: upstream.timeouts.connect,
            max_head: MAX_HEAD,
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

    /// Where it leads.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What is known of the addresses that it leads to.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Opens a connection and starts HTTP/1.1 on it. Its driver runs as a local task, so this must be
    /// called where there are such: in a `LocalSet` or a `LocalRuntime`.
    pub async fn open<B>(&self) -> Result<SendRequest<B>, ConnectError>
    where
        B: hyper::body::Body + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.open_somewhere().await.map(|(sender, _)| sender)
    }

    /// The same, and tells which of the upstream's addresses it leads to. They are tried one after the other; each
    /// gets its part of the time.
    pub async fn open_somewhere<B>(&self) -> Result<(SendRequest<B>, SocketAddr), ConnectError>
    where
        B: hyper::body::Body + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        #[cfg(feature = "in-memory")]
        if let Some(dial) = &self.in_memory {
            let nowhere = SocketAddr::from(([127, 0, 0, 1], self.origin.port()));
            return Ok((self.start_http(dial()).await?, nowhere));
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
    ) -> Result<(SendRequest<B>, SocketAddr), ConnectError>
    where
        B: hyper::body::Body + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut last = None;
        let mut left = addresses.len();
        for address in addresses {
            let time = self.timeout.saturating_sub(started.elapsed());
            let part = time.checked_div(u32::try_from(left).unwrap_or(1)).unwrap_or(time);
            left -= 1;
            match tokio::time::timeout(part, self.open_at(address)).await {
                Ok(Ok(sender)) => {
                    self.health.connected(address);
                    return Ok((sender, address));
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

    async fn addresses(&self) -> Result<Vec<SocketAddr>, ConnectError> {
        let found = tokio::net::lookup_host((self.origin.host(), self.origin.port())).await;
        let found = found.map_err(|error| self.unreachable(error))?;
        self.health.order(found, Instant::now()).map_err(|retry_after| ConnectError::Unhealthy {
            origin: self.origin.clone(),
            retry_after,
        })
    }

    async fn open_at<B>(&self, address: SocketAddr) -> Result<SendRequest<B>, ConnectError>
    where
        B: hyper::body::Body + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let socket = TcpStream::connect(address).await.map_err(|error| self.unreachable(error))?;
        // Small requests must not wait for a full segment.
        socket.set_nodelay(true).map_err(|error| self.unreachable(error))?;
        match &self.tls {
            None => self.start_http(socket).await,
            Some((connector, name)) => {
                let tls = connector.connect(name.clone(), socket).await;
                let stream =
                    tls.map_err(|error| ConnectError::Tls { origin: self.origin.clone(), error })?;
                self.start_http(stream).await
            }
        }
    }

    fn unreachable(&self, error: io::Error) -> ConnectError {
        ConnectError::Connect { origin: self.origin.clone(), error }
    }

    fn too_late(&self) -> ConnectError {
        ConnectError::Timeout { origin: self.origin.clone(), timeout: self.timeout }
    }

    async fn start_http<B, S>(&self, stream: S) -> Result<SendRequest<B>, ConnectError>
    where
        B: hyper::body::Body + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .max_buf_size(self.max_head)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| ConnectError::Http { origin: self.origin.clone(), error })?;
        // How a connection ended is told to the request on it; an idle one may end at any time.
        tokio::task::spawn_local(async move {
            let _ = connection.with_upgrades().await;
        });
        Ok(sender)
    }
}

fn client_config(ca: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let error = |reason: String| TlsError::Ca { path: path.to_owned(), reason };
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|pem| error(pem.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|pem| error(pem.to_string()))?;
                roots.add(certificate).map_err(|rustls| error(rustls.to_string()))?;
            }
            if roots.is_empty() {
                return Err(error("holds no certificate".to_owned()));
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
                return Err(TlsError::NoRoots(reasons.join("; ")));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Timeouts;
    use http_body_util::Empty;
    use std::net::TcpListener;

    fn connector(timeout: Duration) -> Connector {
        let upstream = Upstream {
            url: Origin::parse("http://idp.test").unwrap(),
            ca: None,
            server_name: None,
            allow_plaintext: true,
            timeouts: Timeouts { connect: timeout, ..Timeouts::default() },
        };
        Connector::new(&upstream).unwrap()
    }

    fn opened(connector: &Connector, addresses: &[SocketAddr]) -> Result<SocketAddr, ConnectError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let opened = connector.open_one_of(addresses.to_vec(), Instant::now()).await;
            opened.map(|(_, address): (SendRequest<Empty<bytes::Bytes>>, _)| address)
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
