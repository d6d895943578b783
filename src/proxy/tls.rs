//! TLS towards clients: certificates from files, chosen by the name that a client asks for, read anew when they change.
//!
//! All workers share one configuration, so that a session begun on one of them can be resumed on another.

use super::client::Client;
use crate::config::{CertificateFiles, ClientAuth, ServerTls};
use crate::keys::{PrivateFileError, read_private_file};
use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs as provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConfig, ServerConnection,
    WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, server::danger::ClientCertVerifier};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tracing::{error, info, warn};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// How ALPN calls HTTP/2 (RFC 9113 §3.2).
pub(super) const HTTP2: &[u8] = b"h2";

/// Between two looks at the files.
const INTERVAL: Duration = Duration::from_secs(5);

/// Why TLS towards clients can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum FrontTlsError {
    /// A file can't be read.
    #[error("server.tls: can't read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A private key can't be read, or may be replaced by others.
    #[error("server.tls: the key file {} {error}", path.display())]
    PrivateFile {
        /// The file.
        path: PathBuf,
        /// Why.
        error: PrivateFileError,
    },
    /// A file does not hold what it should.
    #[error("server.tls: {}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A key is not that of its certificate.
    #[error(
        "server.tls: {} is not the key of the certificate in {}; the first certificate in that file must be \
         the server's own",
        key.display(),
        cert.display()
    )]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// rustls refused the settings.
    #[error("server.tls: {0}")]
    Rustls(#[from] rustls::Error),
}

/// TLS towards clients.
#[derive(Debug)]
pub(super) struct FrontTls {
    settings: ServerTls,
    http2: bool,
    loaded: ArcSwap<Loaded>,
}

/// What was made of the files, and of which bytes.
#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    files: Files,
}

/// A digest of every file; holds no byte of a key.
#[derive(Debug, PartialEq, Eq)]
struct Files(Vec<Option<Vec<u8>>>);

impl FrontTls {
    /// Reads the files; what is wrong with them must stop the start.
    pub(super) fn load(settings: &ServerTls, http2: bool) -> Result<Self, FrontTlsError> {
        let loaded = ArcSwap::from_pointee(Loaded::read(settings, http2)?);
        Ok(Self { settings: settings.clone(), http2, loaded })
    }

    /// How the next connection is greeted.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.loaded.load().config))
    }

    /// Notes what the handshake said of the client.
    pub(super) fn introduce(&self, session: &ServerConnection, client: &mut Client) {
        if self.settings.match_host {
            client.tls_host = session.server_name().map(str::to_owned);
        }
        if self.settings.forward_client_cert
            && let Some(certificate) = session.peer_certificates().and_then(<[_]>::first)
            // RFC 9440 §2.2: a byte sequence of RFC 8941.
            && let Ok(field) = HeaderValue::try_from(format!(":{}:", STANDARD.encode(certificate)))
        {
            client.own_fields.push((HeaderName::from_static("client-cert"), field));
        }
    }

    /// Keeps it up on the current [`tokio::task::LocalSet`], if there is any TLS.
    pub(super) fn keep_up_in_background(tls: Option<Arc<Self>>) -> AbortHandle {
        let keep_up = async move {
            if let Some(tls) = tls {
                tls.keep_up().await;
            }
        };
        tokio::task::spawn_local(keep_up).abort_handle()
    }

    /// Reads the files again from time to time, links that lead elsewhere by now included. What can't be used
    /// does not replace what can.
    pub(super) async fn keep_up(&self) {
        let mut refused = None;
        loop {
            tokio::time::sleep(INTERVAL).await;
            let files = Files::digest(&self.settings);
            if files == self.loaded.load().files || refused.as_ref() == Some(&files) {
                continue;
            }
            refused = match Loaded::read(&self.settings, self.http2) {
                Ok(loaded) => {
                    self.loaded.store(Arc::new(loaded));
                    info!("the certificates towards clients were read again");
                    None
                }
                Err(problem) => {
                    error!("changed certificates can't be used, the old ones stay: {problem}");
                    Some(files)
                }
            };
        }
    }
}

impl Loaded {
    fn read(settings: &ServerTls, http2: bool) -> Result<Self, FrontTlsError> {
        // Before the files are read: what changes in between is seen at the next look.
        let files = Files::digest(settings);
        let provider = Arc::new(provider::default_provider());
        let certificates = Certificates::read(&settings.certificates, &provider)?;
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            // 1.2 and 1.3; rustls has no others.
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(client_verifier(settings, provider)?)
            .with_cert_resolver(Arc::new(certificates));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if http2 {
            config.alpn_protocols.insert(0, HTTP2.to_vec());
        }
        // Tickets need no memory here and no lock. Their keys begin anew with the files, so that no session
        // outlives the rule by which its client was let in.
        config.ticketer = provider::Ticketer::new()?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 1;
        Ok(Self { config: Arc::new(config), files })
    }
}

impl Files {
    fn digest(settings: &ServerTls) -> Self {
        let certificates = settings.certificates.iter().flat_map(|pair| [&pair.cert, &pair.key]);
        let digest = |path: &PathBuf| {
            let bytes = zeroize::Zeroizing::new(fs::read(path).ok()?);
            Some(digest::digest(&digest::SHA256, &bytes).as_ref().to_vec())
        };
        Self(certificates.chain(&settings.client_ca).map(digest).collect())
    }
}

fn client_verifier(
    settings: &ServerTls,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, FrontTlsError> {
    let (ClientAuth::Optional | ClientAuth::Required, Some(path)) =
        (settings.client_auth, &settings.client_ca)
    else {
        return Ok(WebPkiClientVerifier::no_client_auth());
    };
    let content = |reason: String| FrontTlsError::Content { path: path.clone(), reason };
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(path)? {
        roots.add(certificate).map_err(|error| content(error.to_string()))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = match settings.client_auth {
        ClientAuth::Required => verifier,
        ClientAuth::Optional | ClientAuth::Off => verifier.allow_unauthenticated(),
    };
    verifier.build().map_err(|error| content(error.to_string()))
}

/// At least one certificate.
fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FrontTlsError> {
    let content = |reason: String| FrontTlsError::Content { path: path.to_owned(), reason };
    let pem =
        fs::read(path).map_err(|error| FrontTlsError::Read { path: path.to_owned(), error })?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| content(format!("is no PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(content("holds no certificate; write PEM, the server's own first".to_owned()));
    }
    Ok(certificates)
}

/// The certificates by the names in them.
#[derive(Debug)]
struct Certificates {
    by_name: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// For clients that name nobody, or somebody else.
    first: Vec<Arc<CertifiedKey>>,
}

impl Certificates {
    fn read(pairs: &[CertificateFiles], provider: &CryptoProvider) -> Result<Self, FrontTlsError> {
        let mut certificates = Self { by_name: HashMap::new(), first: Vec::new() };
        for pair in pairs {
            let (certified, names) = certified_key(pair, provider)?;
            let certified = Arc::new(certified);
            if certificates.first.is_empty() {
                certificates.first.push(Arc::clone(&certified));
            }
            if names.is_empty() {
                warn!(
                    "{} names no host (subjectAltName); no client will accept it",
                    pair.cert.display()
                );
            }
            for name in names {
                certificates.by_name.entry(name).or_default().push(Arc::clone(&certified));
            }
        }
        Ok(certificates)
    }

    /// Those for a name, or for all names beside it (RFC 9525 §6.3).
    fn of(&self, name: &str) -> &[Arc<CertifiedKey>] {
        let name = name.to_ascii_lowercase();
        let exact = self.by_name.get(&name);
        let beside = || {
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(&format!("*.{parent}"))
        };
        exact.or_else(beside).unwrap_or(&self.first)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let candidates = hello.server_name().map_or(self.first.as_slice(), |name| self.of(name));
        let fits = |certified: &&Arc<CertifiedKey>| {
            certified.key.choose_scheme(hello.signature_schemes()).is_some()
        };
        match candidates {
            [only] => Some(Arc::clone(only)),
            // One name may have an RSA and an ECDSA certificate.
            several => several.iter().find(fits).or(several.first()).cloned(),
        }
    }
}

/// A certificate with its key, and the names of hosts in it, in lower case.
fn certified_key(
    pair: &CertificateFiles,
    provider: &CryptoProvider,
) -> Result<(CertifiedKey, Vec<String>), FrontTlsError> {
    let chain = read_certificates(&pair.cert)?;
    let private = |error| FrontTlsError::PrivateFile { path: pair.key.clone(), error };
    let file = read_private_file(&pair.key).map_err(private)?;
    if let Some(warning) = file.warning {
        warn!("the key file {} {warning}", pair.key.display());
    }
    let no_key = |reason: &str| FrontTlsError::Content {
        path: pair.key.clone(),
        reason: format!("{reason}; write a private key in PEM: PKCS#8, PKCS#1 or SEC1"),
    };
    // The error of the reader might quote what it read.
    let key = PrivateKeyDer::from_pem_slice(&file.bytes)
        .map_err(|_| no_key("holds no private key that can be read"))?;
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|_| no_key("holds a key of a kind that TLS can't use"))?;
    let names = chain.first().map(names_in).unwrap_or_default();
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // Unknown: the provider can't tell.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok((certified, names))
        }
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(FrontTlsError::Mismatch { cert: pair.cert.clone(), key: pair.key.clone() })
        }
        Err(error) => {
            Err(FrontTlsError::Content { path: pair.cert.clone(), reason: error.to_string() })
        }
    }
}

fn names_in(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = Certificate::from_der(certificate) else { return Vec::new() };
    let names = certificate.tbs_certificate().get_extension::<SubjectAltName>();
    let Ok(Some((_, SubjectAltName(names)))) = names else { return Vec::new() };
    let dns = names.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        _ => None,
    });
    dns.collect()
}
