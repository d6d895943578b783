//! TLS towards clients. The certificates in `tests/fixtures/tls/front` were made for these tests: `idp` and `rsa` are
//! of `idp.test`, `renewed` too, `wild` of `*.wild.test` and `second.test`; `client` was issued by `clients`.

use crate::client::connect;
use crate::sidecar::Setup;
use crate::wire::Wire;
use crate::{Answer, Client, Gate, Sidecar, Upstream, eventually};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore, SignatureScheme,
    StreamOwned,
};

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls/front").join(name)
}

fn certificates(name: &str) -> Vec<CertificateDer<'static>> {
    let file = fixture(&format!("{name}.pem"));
    CertificateDer::pem_file_iter(file).unwrap().collect::<Result<_, _>>().unwrap()
}

fn roots() -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(certificates("ca").remove(0)).unwrap();
    Arc::new(roots)
}

/// A client's side of TLS.
pub(crate) struct Tls {
    config: ClientConfig,
}

impl Tls {
    pub(crate) fn new() -> Self {
        Self::with(aws_lc_rs::default_provider(), None)
    }

    fn with(provider: CryptoProvider, identity: Option<&str>) -> Self {
        let provider = Arc::new(provider);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS12, &TLS13])
            .unwrap();
        let verifier = WebPkiServerVerifier::builder_with_provider(roots(), provider);
        let builder = builder.with_webpki_verifier(verifier.build().unwrap());
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let key = PrivateKeyDer::from_pem_file(fixture(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(certificates(name), key).unwrap()
            }
        };
        Self { config }
    }

    fn showing(identity: &str) -> Self {
        Self::with(aws_lc_rs::default_provider(), Some(identity))
    }

    /// A connection on which nothing was sent; the handshake goes with the first bytes.
    fn open(
        &self,
        sidecar: &Sidecar,
        name: &str,
    ) -> StreamOwned<ClientConnection, std::net::TcpStream> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connection = ClientConnection::new(Arc::new(self.config.clone()), name).unwrap();
        StreamOwned::new(connection, connect(sidecar.listen()))
    }

    /// A connection after its handshake; the error is what went wrong on the way.
    pub(crate) fn try_connect(
        &self,
        sidecar: &Sidecar,
        name: &str,
    ) -> Result<StreamOwned<ClientConnection, std::net::TcpStream>, std::io::Error> {
        let mut stream = self.open(sidecar, name);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }

    pub(crate) fn connect(&self, sidecar: &Sidecar, name: &str) -> Client {
        let stream = self.try_connect(sidecar, name).expect("a handshake");
        Client::over(Wire::Tls(Arc::new(Mutex::new(stream))))
    }

    pub(crate) fn offering(mut self, protocols: &[&[u8]]) -> Self {
        self.config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        self
    }

    /// For clients that are asynchronous.
    pub(crate) async fn connect_async(
        &self,
        socket: tokio::net::TcpStream,
        name: &str,
    ) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(self.config.clone()));
        connector.connect(name, socket).await.expect("a handshake")
    }

    /// Over a socket on which something was sent before.
    pub(crate) fn over(&self, socket: std::net::TcpStream, name: &str) -> Client {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connection = ClientConnection::new(Arc::new(self.config.clone()), name).unwrap();
        Client::over(Wire::Tls(Arc::new(Mutex::new(StreamOwned::new(connection, socket)))))
    }

    /// The certificate that a client of that name gets.
    fn certificate(&self, sidecar: &Sidecar, name: &str) -> Vec<u8> {
        // What is wrong with it is the client's business.
        let stream = self.try_connect(sidecar, name).expect("a handshake");
        stream.conn.peer_certificates().unwrap()[0].to_vec()
    }
}

/// Kidstamp with the certificate of `idp.test`.
pub(crate) fn over_tls(upstream: &Upstream) -> Setup {
    let settings = format!(
        "server.tls.cert = \"{}\"\nserver.tls.key = \"{}\"",
        fixture("idp.pem").display(),
        fixture("idp.key").display()
    );
    Sidecar::before(upstream).with(&settings)
}

fn further(name: &str) -> String {
    format!(
        "[[server.tls.certificate]]\ncert = \"{}\"\nkey = \"{}\"\n",
        fixture(&format!("{name}.pem")).display(),
        fixture(&format!("{name}.key")).display()
    )
}

fn client_auth(mode: &str) -> String {
    let ca = fixture("clients.pem");
    format!("server.tls.client_auth = \"{mode}\"\nserver.tls.client_ca = \"{}\"", ca.display())
}

#[test]
fn requests_come_over_tls_1_2_and_1_3() {
    let upstream = Upstream::start();
    let sidecar = over_tls(&upstream).start();
    for version in [&TLS12, &TLS13] {
        let mut tls = Tls::new();
        let provider = Arc::new(aws_lc_rs::default_provider());
        tls.config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots())
            .with_no_client_auth();
        let mut client = tls.connect(&sidecar, "idp.test");
        assert_eq!(client.get("/hello").text(), "ok", "{version:?}");
        assert!(client.get("/jwks.json").text().contains("\"kid\""));
    }
    assert_eq!(upstream.requests().len(), 2);
}

/// The first bytes of a client that knows nothing newer than TLS 1.1.
#[test]
fn older_versions_are_refused() {
    let upstream = Upstream::start();
    let sidecar = over_tls(&upstream).start();
    for minor in [0, 1, 2] {
        let mut hello = vec![3, minor];
        hello.extend([7; 32]);
        // No session, TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, no compression.
        hello.extend([0, 0, 2, 0xc0, 0x09, 1, 0]);
        let mut record = vec![22, 3, 1, 0, u8::try_from(hello.len()).unwrap() + 4, 1, 0, 0];
        record.push(u8::try_from(hello.len()).unwrap());
        record.extend(hello);
        let mut socket = connect(sidecar.listen());
        socket.write_all(&record).unwrap();
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        // An alert, fatal: handshake_failure or protocol_version.
        assert!(
            matches!(answer.as_slice(), [21, 3, _, 0, 2, 2, 40 | 70]),
            "SSL 3.{minor}: {answer:?}"
        );
    }
    assert_eq!(Tls::new().connect(&sidecar, "idp.test").get("/x").status, 200);
}

#[test]
fn plain_http_on_the_tls_port_gets_nothing() {
    let upstream = Upstream::start();
    let sidecar = over_tls(&upstream).start();
    let answer = sidecar.client().send("GET /x HTTP/1.1\r\nHost: idp.test\r\n\r\n").rest();
    assert!(!answer.contains("HTTP/1"), "{answer:?}");
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn the_name_that_a_client_asks_for_decides_on_the_certificate() {
    let upstream = Upstream::start();
    let sidecar = over_tls(&upstream).with(&further("wild")).with(&further("rsa")).start();
    let of = |name: &str| certificates(name).remove(0).to_vec();
    for (asked, expected) in [
        ("idp.test", "idp"),
        ("a.wild.test", "wild"),
        ("A.Wild.Test", "wild"),
        ("second.test", "wild"),
    ] {
        assert_eq!(Tls::new().certificate(&sidecar, asked), of(expected), "{asked}");
    }
    // Nobody's, and a name two levels below: the client refuses the certificate that it gets, which is the first.
    for asked in ["stranger.test", "a.b.wild.test", "wild.test"] {
        let error = Tls::new().try_connect(&sidecar, asked).unwrap_err().to_string();
        assert!(error.contains("idp.test"), "{asked}: {error}");
    }
}

#[test]
fn one_name_may_have_two_kinds_of_key() {
    let upstream = Upstream::start();
    let sidecar = over_tls(&upstream).with(&further("rsa")).start();
    let mut provider = aws_lc_rs::default_provider();
    let known = &mut provider.signature_verification_algorithms;
    let rsa = known.mapping.iter().filter(|(scheme, _)| *scheme == SignatureScheme::RSA_PSS_SHA256);
    // As long as the process: what a provider knows is static.
    known.mapping = rsa.copied().collect::<Vec<_>>().leak();
    let of = |name: &str| certificates(name).remove(0).to_vec();
    assert_eq!(Tls::with(provider, None).certificate(&sidecar, "idp.test"), of("rsa"));
    assert_eq!(Tls::new().certificate(&sidecar, "idp.test"), of("idp"));
}

#[test]
fn a_request_for_another_host_than_the_handshake_named_is_misdirected() {
    let upstream = Upstream::start();
    let sidecar = over_tls(&upstream).with(&further("wild")).start();
    let mut client = Tls::new().connect(&sidecar, "a.wild.test");
    for host in ["idp.test", "b.wild.test", "a.wild.test.evil.test"] {
        let response = client.send(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n")).response();
        response.assert_refused(421, "misdirected_request");
    }
    for host in ["a.wild.test", "A.wild.test:443", "a.wild.test."] {
        let response = client.send(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n")).response();
        assert_eq!(response.status, 200, "{host}");
    }
    assert_eq!(upstream.requests().len(), 3);
    let lenient = over_tls(&upstream).with("server.tls.match_host = false").start();
    let mut client = Tls::new().connect(&lenient, "idp.test");
    assert_eq!(client.send("GET /x HTTP/1.1\r\nHost: other.test\r\n\r\n").response().status, 200);
}

const OWN_CERT: &str = "GET /x HTTP/1.1\r\nHost: idp.test\r\nClient-Cert: :AA==:\r\nclient_cert: x\r\n\
                        Client-Cert-Chain: :AA==:\r\n\r\n";

#[test]
fn clients_without_a_good_certificate_are_refused_where_one_is_required() {
    let upstream = Upstream::start();
    let sidecar = over_tls(&upstream).with(&client_auth("required")).start();
    let refused = |tls: Tls| {
        let stream = tls.try_connect(&sidecar, "idp.test");
        // In TLS 1.3 the client is done before the server has looked: the refusal comes with the first read.
        let refused = stream.and_then(|mut stream| {
            stream.write_all(b"GET /x HTTP/1.1\r\nHost: idp.test\r\n\r\n")?;
            stream.read(&mut [0; 100])
        });
        assert!(matches!(refused, Err(_) | Ok(0)), "{refused:?}");
    };
    refused(Tls::new());
    refused(Tls::showing("stranger"));
    assert_eq!(upstream.requests().len(), 0);
    let mut client = Tls::showing("client").connect(&sidecar, "idp.test");
    assert_eq!(client.send(OWN_CERT).response().status, 200);
    let told = upstream.request();
    let cert =
        told.head.fields.iter().find(|(name, _)| name.to_ascii_lowercase().starts_with("client"));
    assert_eq!(cert, None, "nothing is forwarded unless it is asked for");
}

#[test]
fn the_provider_gets_the_clients_certificate_if_it_is_to() {
    let upstream = Upstream::start();
    let settings = format!("{}\nserver.tls.forward_client_cert = true", client_auth("optional"));
    let sidecar = over_tls(&upstream).with(&settings).start();
    let mut known = Tls::showing("client").connect(&sidecar, "idp.test");
    assert_eq!(known.send(OWN_CERT).response().status, 200);
    let mut unknown = Tls::new().connect(&sidecar, "idp.test");
    assert_eq!(unknown.send(OWN_CERT).response().status, 200);
    let requests = upstream.requests();
    let expected = format!(":{}:", STANDARD.encode(&certificates("client")[0]));
    assert_eq!(requests[0].head.all("client-cert"), [expected]);
    assert!(requests[1].head.all("client-cert").is_empty());
    for request in &requests {
        assert_eq!(request.header("client_cert"), None);
        assert_eq!(request.header("client-cert-chain"), None);
    }
}

#[test]
fn threat_31_a_handshake_has_its_time() {
    let upstream = Upstream::start();
    let settings = "server.limits.handshake_timeout = \"300ms\"\nserver.limits.header_timeout = \"2s\"\n\
                    server.limits.handshakes = 1";
    let sidecar = over_tls(&upstream).with(settings).start();
    let mut begun = connect(sidecar.listen());
    begun.write_all(&[22, 3, 1]).unwrap();
    let silent: Vec<_> = (0..20).map(|_| connect(sidecar.listen())).collect();
    // There is one place: the half handshake loses it, and those who say nothing never have it.
    assert_eq!(Tls::new().connect(&sidecar, "idp.test").get("/x").status, 200);
    for mut socket in silent.into_iter().chain([begun]) {
        assert!(matches!(socket.read(&mut [0; 100]), Ok(0) | Err(_)));
    }
}

#[test]
fn a_session_is_resumed_by_any_worker() {
    let upstream = Upstream::start();
    let sidecar = over_tls(&upstream).with("server.workers = 4").start();
    let mut tls = Tls::new();
    tls.config.resumption = Resumption::in_memory_sessions(8);
    let mut kinds = Vec::new();
    for _ in 0..12 {
        let stream = tls.try_connect(&sidecar, "idp.test").unwrap();
        kinds.push(stream.conn.handshake_kind());
        assert_eq!(stream.conn.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        // The ticket comes with the response.
        let mut client = Client::over(Wire::Tls(Arc::new(Mutex::new(stream))));
        assert_eq!(client.get("/x").status, 200);
    }
    assert_eq!(kinds[0], Some(HandshakeKind::Full));
    assert!(kinds[1..].iter().all(|kind| *kind == Some(HandshakeKind::Resumed)), "{kinds:?}");
}

/// As Kubernetes changes a mounted Secret: the files are links through one that is swapped.
#[test]
fn certificates_are_read_again_when_a_link_is_swapped() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["idp", "renewed"] {
        fs::create_dir(path(name)).unwrap();
        for (from, to) in [("pem", "tls.crt"), ("key", "tls.key")] {
            let to = path(name).join(to);
            fs::copy(fixture(&format!("{name}.{from}")), &to).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
    let swap_to = |name: &str| {
        symlink(name, path("..new")).unwrap();
        fs::rename(path("..new"), path("..data")).unwrap();
    };
    swap_to("idp");
    symlink("..data/tls.crt", path("tls.crt")).unwrap();
    symlink("..data/tls.key", path("tls.key")).unwrap();
    let (upstream, gate) = (Upstream::start(), Gate::new());
    upstream.on("/slow", Answer::ok("text/plain", "done").after(&gate));
    let settings = format!(
        "server.tls.cert = \"{}\"\nserver.tls.key = \"{}\"",
        path("tls.crt").display(),
        path("tls.key").display()
    );
    let sidecar = Sidecar::before(&upstream).with(&settings).start();
    let shown = || Tls::new().certificate(&sidecar, "idp.test");
    assert_eq!(shown(), certificates("idp").remove(0).to_vec());
    let mut before = Tls::new().connect(&sidecar, "idp.test");
    before.send("GET /slow HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    upstream.await_bytes("/slow");

    swap_to("renewed");
    let renewed = certificates("renewed").remove(0).to_vec();
    eventually("the new certificate is shown", || (shown() == renewed).then_some(()));
    gate.open();
    assert_eq!(before.response().text(), "done", "a connection from before goes on");
    assert_eq!(before.get("/x").status, 200);
}

#[test]
fn what_can_t_be_used_stops_the_start_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let open = folder.path().join("open.key");
    fs::copy(fixture("idp.key"), &open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o606)).unwrap();
    let fixture = |name: &str| fixture(name).to_str().unwrap().to_owned();
    for (cert, key, reason) in [
        (fixture("idp.pem"), fixture("rsa.key"), "is not the key of the certificate"),
        ("/nowhere/tls.crt".to_owned(), fixture("idp.key"), "/nowhere/tls.crt"),
        (fixture("idp.pem"), "/nowhere/tls.key".to_owned(), "/nowhere/tls.key"),
        (fixture("idp.key"), fixture("idp.key"), "holds no certificate"),
        (fixture("idp.pem"), fixture("idp.pem"), "holds no private key"),
        (fixture("idp.pem"), open.to_str().unwrap().to_owned(), "may be written by everyone"),
    ] {
        let arguments = [
            "serve",
            "--upstream",
            "http://127.0.0.1:9",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "off",
            "--ephemeral-key",
            "--tls-cert",
            &cert,
            "--tls-key",
            &key,
        ];
        let (code, log) = crate::Process::start(&arguments).ended();
        assert_eq!(code, Some(2), "{log}");
        assert!(log.contains(reason) && !log.contains("BEGIN"), "{reason}: {log}");
    }
}
