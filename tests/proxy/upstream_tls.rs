//! A provider behind TLS: reached with a CA of its own, and only under the name in its certificate.
//!
//! The certificates in `tests/fixtures/tls` were made for these tests: a CA, and a server named `idp.internal`.

use crate::tls::fixture;
use crate::{Sidecar, Upstream, eventually};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

pub(crate) const CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("../fixtures/tls/server.pem");
const KEY: &[u8] = include_bytes!("../fixtures/tls/server.key");

/// What a server with the certificate of `idp.internal` has, and whom it lets in: with `clients`, those whose
/// certificate these issued.
pub(crate) fn server_config(clients: Option<&Path>) -> ServerConfig {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    builder.with_single_cert(vec![certificate], key).unwrap()
}

/// Ends TLS before `upstream`; returns where.
pub(crate) fn tls_before(upstream: &Upstream) -> SocketAddr {
    tls_with(server_config(None), upstream)
}

fn tls_with(config: ServerConfig, upstream: &Upstream) -> SocketAddr {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (address, behind) = (listener.local_addr().unwrap(), upstream.address());
    // Ends with the process: it waits for connections, and costs nothing meanwhile.
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Some tests want the handshake to fail.
                    let Ok(mut front) = acceptor.accept(socket).await else { return };
                    let mut back = TcpStream::connect(behind).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut front, &mut back).await;
                });
            }
        });
    });
    address
}

#[test]
fn documents_and_requests_go_over_tls() {
    let upstream = Upstream::start();
    let settings = format!("upstream.ca = \"{CA}\"\nupstream.server_name = \"idp.internal\"");
    let sidecar = Sidecar::before_address(tls_before(&upstream)).over_tls().with(&settings).start();
    assert!(sidecar.jwks().contains("\"kid\""));
    assert_eq!(sidecar.client().get("/hello").status, 200);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn an_unknown_ca_is_refused() {
    refused(|settings| settings.with("upstream.server_name = \"idp.internal\""));
}

#[test]
fn another_name_than_in_the_certificate_is_refused() {
    refused(|settings| {
        settings.with(&format!("upstream.ca = \"{CA}\"\nupstream.server_name = \"other.internal\""))
    });
}

/// Nothing reaches the provider, the client gets 502, and readiness says why.
fn refused(settings: impl FnOnce(crate::sidecar::Setup) -> crate::sidecar::Setup) {
    let upstream = Upstream::start();
    let setup = Sidecar::before_address(tls_before(&upstream)).over_tls();
    let sidecar = settings(setup).start_blind();
    let reason = eventually("readiness says why", || {
        let (status, reason) = sidecar.admin("/readyz");
        (status == 503 && reason.contains("TLS")).then_some(reason)
    });
    assert!(reason.contains("invalid peer certificate"), "{reason}");
    assert_eq!(sidecar.client().get("/hello").status, 502);
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn the_provider_is_shown_a_certificate() {
    let upstream = Upstream::start();
    let settings = format!("upstream.ca = \"{CA}\"\nupstream.server_name = \"idp.internal\"\n");
    let identity = |name: &str| {
        let file = |kind: &str| fixture(&format!("{name}.{kind}")).display().to_string();
        format!(
            "upstream.client_cert = \"{}\"\nupstream.client_key = \"{}\"",
            file("pem"),
            file("key")
        )
    };
    let before = || tls_with(server_config(Some(&fixture("clients.pem"))), &upstream);
    let known = Sidecar::before_address(before()).over_tls().with(&settings);
    let known = known.with(&identity("client")).start();
    assert_eq!(known.client().get("/hello").status, 200);
    let stranger = Sidecar::before_address(before()).over_tls().with(&settings);
    let stranger = stranger.with(&identity("stranger")).start_blind();
    assert_eq!(stranger.client().get("/hello").status, 502);
    assert_eq!(upstream.requests().len(), 1);
}

/// The control is `an_unknown_ca_is_refused`.
#[test]
fn anyone_is_believed_only_if_that_is_written_down_and_it_is_said() {
    let upstream = Upstream::start();
    let setup = Sidecar::before_address(tls_before(&upstream)).over_tls();
    let (file, folder) = setup.with("upstream.danger_accept_invalid_certs = true").write();
    let process = crate::Process::start(&["serve", "--config", file.to_str().unwrap()]);
    let process = process.keeping(folder);
    process.await_ready();
    assert_eq!(process.client().get("/hello").status, 200);
    let (_, metrics) = process.admin("/metrics");
    assert!(metrics.contains("\nkidstamp_upstream_certificate_unchecked 1\n"), "{metrics}");
    assert!(process.log().contains("danger_accept_invalid_certs"), "{}", process.log());
    let careful = Sidecar::before(&upstream).start();
    assert_eq!(careful.metric("kidstamp_upstream_certificate_unchecked"), 0);
}
