//! TLS to the provider: whom it is believed to be, and who kidstamp is to it.

use crate::config::Upstream;
use crate::keys::{PrivateFileError, read_private_file};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why TLS to the provider can't be set up at all.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file with certificates can't be read or holds none.
    #[error("upstream.{key}: {}: {reason}", path.display())]
    Certificates {
        /// What names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The client's key can't be read.
    #[error("upstream.client_key: {} {error}", path.display())]
    ClientKey {
        /// The file.
        path: PathBuf,
        /// Why.
        error: PrivateFileError,
    },
    /// The client's key is none.
    #[error("upstream.client_key: {} holds no private key that can be read; write one in PEM", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The client's certificate and key don't fit.
    #[error("upstream.client_cert and client_key: {0}")]
    ClientIdentity(rustls::Error),
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

/// The settings of connections to the upstream.
pub(super) fn client_config(upstream: &Upstream) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = if upstream.danger_accept_invalid_certs {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
    } else {
        let roots = Arc::new(roots(upstream.ca.as_deref())?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        let verifier = verifier.map_err(|error| rustls::Error::General(error.to_string()))?;
        builder.with_webpki_verifier(verifier)
    };
    let mut config = match &upstream.client_identity {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let chain = read_certificates("client_cert", &files.cert)?;
            let path = || files.key.clone();
            let key = read_private_file(&files.key)
                .map_err(|error| TlsError::ClientKey { path: path(), error })?;
            // The error of the reader might quote what it read.
            let key = PrivateKeyDer::from_pem_slice(&key.bytes)
                .map_err(|_| TlsError::NoKey { path: path() })?;
            builder.with_client_auth_cert(chain, key).map_err(TlsError::ClientIdentity)?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if upstream.http2 {
        config.alpn_protocols.insert(0, b"h2".to_vec());
    }
    Ok(config)
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            for certificate in read_certificates("ca", path)? {
                roots.add(certificate).map_err(|rustls| TlsError::Certificates {
                    key: "ca",
                    path: path.to_owned(),
                    reason: rustls.to_string(),
                })?;
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
    Ok(roots)
}

fn read_certificates(
    key: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let error = |reason: String| TlsError::Certificates { key, path: path.to_owned(), reason };
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|pem| error(pem.to_string()))?.collect();
    let certificates = certificates.map_err(|pem| error(pem.to_string()))?;
    if certificates.is_empty() {
        return Err(error("holds no certificate".to_owned()));
    }
    Ok(certificates)
}

/// Takes anyone for the provider who has the key of whatever certificate it shows. There only because an operator
/// wrote `danger_accept_invalid_certs`.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
