//! What a release is optimised for: requests as clients make them, of a program that notes what of it runs and how often.

use crate::requests::{Asked, JWKS, SMALL, Served, TOKEN, provider, serve};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// How often a request is made that most of the work of a worker consists of; so often that what runs at a start alone
/// counts little beside it. What does that never runs again, and should be short rather than fast.
const TIMES: u32 = 4_000;

/// Requests at a time on a connection of HTTP/2.
const STREAMS: u32 = 8;

const PAGE: Asked<'static> = Asked { line: "GET /page", body: "" };
const FILE: Asked<'static> = Asked { line: "GET /file", body: "" };
const DISCOVERY: Asked<'static> = Asked { line: "GET /.well-known/openid-configuration", body: "" };

/// Starts `program` with and without TLS, with and without its request log, and makes requests of each kind.
pub(crate) fn train(program: &str) {
    let (upstream, folder) = (provider(), tempfile::tempdir().unwrap());
    for logs in ["true", "false"] {
        let mut plain = Command::new(program);
        plain.env("KIDSTAMP_LOG_REQUESTS", logs);
        serve(plain, upstream, &folder, |served| ask_all(|| served.connect()));
        let mut over_tls = Command::new(program);
        over_tls
            .env("KIDSTAMP_LOG_REQUESTS", logs)
            .env("KIDSTAMP_TLS_CERT", fixture("idp.pem"))
            .env("KIDSTAMP_TLS_KEY", fixture("idp.key"));
        serve(over_tls, upstream, &folder, |served| {
            ask_all(|| connect_over_tls(served));
            ask_over_http2(served);
        });
    }
}

/// Every kind of request, over HTTP/1.
fn ask_all<S: Read + Write>(connect: impl Fn() -> BufReader<S>) {
    let upload = Asked { line: "POST /upload", body: &"x".repeat(8 << 20) };
    let mut client = connect();
    for (asked, times) in [
        (SMALL, TIMES),
        (JWKS, TIMES),
        (PAGE, TIMES / 10),
        (TOKEN, TIMES / 40),
        (DISCOVERY, TIMES / 400),
        (FILE, 1),
        (upload, 1),
    ] {
        (0..times).for_each(|_| asked.ask(&mut client));
    }
    (0..TIMES / 4).for_each(|_| SMALL.ask(&mut connect()));
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls/front").join(name)
}

/// What believes the certificate of the fixtures, and offers `protocols`.
fn client_config(protocols: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(fixture("ca.pem")).unwrap()).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    // Each handshake is a whole one.
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

fn server_name() -> ServerName<'static> {
    ServerName::try_from("idp.test").unwrap()
}

fn connect_over_tls(served: &Served) -> BufReader<StreamOwned<ClientConnection, TcpStream>> {
    let client = ClientConnection::new(client_config(&[b"http/1.1"]), server_name()).unwrap();
    let socket = TcpStream::connect(served.address).unwrap();
    socket.set_nodelay(true).unwrap();
    BufReader::new(StreamOwned::new(client, socket))
}

fn ask_over_http2(served: &Served) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = tokio::net::TcpStream::connect(served.address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let connector = tokio_rustls::TlsConnector::from(client_config(&[b"h2"]));
        let stream = TokioIo::new(connector.connect(server_name(), socket).await.unwrap());
        let http = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (sender, connection) = http.await.unwrap();
        tokio::spawn(connection);
        let streams = (0..STREAMS).map(|_| {
            let mut sender = sender.clone();
            tokio::spawn(async move {
                for _ in 0..TIMES / STREAMS {
                    let request = hyper::Request::get("https://idp.test/small");
                    let request = request.body(Empty::<Bytes>::new()).unwrap();
                    let response = sender.send_request(request).await.unwrap();
                    assert!(response.status().is_success());
                    response.into_body().collect().await.unwrap();
                }
            })
        });
        for stream in streams.collect::<Vec<_>>() {
            stream.await.unwrap();
        }
    });
}
