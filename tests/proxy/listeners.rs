//! Where clients come in: Unix sockets, sockets that were bound before, and proxies that say for whom they speak.

use crate::client::connect;
use crate::sidecar::Setup;
use crate::tls::{Tls, over_tls};
use crate::wire::Wire;
use crate::{Answer, Client, Gate, Process, Sidecar, Upstream, eventually};
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

const GET: &str = "GET /x HTTP/1.1\r\nHost: idp.test\r\n\r\n";

fn on_unix_socket(upstream: &Upstream, path: &Path) -> Setup {
    Sidecar::before(upstream).listening(&format!("unix:{}", path.display()))
}

fn unix_client(path: &Path) -> Client {
    let stream = UnixStream::connect(path).expect("kidstamp accepts connections");
    stream.set_read_timeout(Some(crate::gate::BOUND)).unwrap();
    Client::over(Wire::Unix(Arc::new(stream)))
}

#[test]
fn clients_come_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kidstamp.sock");
    // What an older process left behind.
    drop(UnixListener::bind(&path).unwrap());
    let upstream = Upstream::start();
    let settings = "server.socket_mode = \"0600\"\nserver.workers = 2";
    let mut sidecar = on_unix_socket(&upstream, &path).with(settings).start();
    let metadata = fs::metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    for _ in 0..4 {
        let mut client = unix_client(&path);
        assert_eq!(client.get("/x").status, 200);
        assert!(client.get("/jwks.json").text().contains("\"kid\""));
    }
    let request = upstream.requests().pop().unwrap();
    assert_eq!(request.header("x-forwarded-for"), Some("unknown"));
    assert!(request.header("forwarded").unwrap().starts_with("for=unknown"));
    let names = |folder: &Path| fs::read_dir(folder).unwrap().count();
    assert_eq!(names(folder.path()), 1, "nothing else is left beside it");
    sidecar.stop().join().unwrap();
    assert_eq!(names(folder.path()), 0, "the socket goes with the process");
}

#[test]
fn a_path_that_is_taken_is_not_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kidstamp.sock");
    let upstream = Upstream::start();
    let start = || {
        let listen = format!("unix:{}", path.display());
        let arguments =
            ["serve", "--upstream", "http://127.0.0.1:9", "--admin", "off", "--ephemeral-key"];
        Process::start(&[&arguments[..], &["--listen", &listen]].concat()).ended()
    };
    let sidecar = on_unix_socket(&upstream, &path).start();
    let (code, log) = start();
    assert!(code == Some(2) && log.contains(path.to_str().unwrap()), "{log}");
    assert_eq!(unix_client(&path).get("/x").status, 200);
    drop(sidecar);
    let _ = fs::remove_file(&path);
    fs::write(&path, "a file").unwrap();
    let (code, log) = start();
    assert!(code == Some(2) && log.contains("something else than a socket"), "{log}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
}

fn speaking_for_others(upstream: &Upstream, trusted: &str) -> Setup {
    let settings =
        format!("server.proxy_protocol = true\nserver.trusted_proxies = [\"{trusted}\"]");
    Sidecar::before(upstream).with(&settings)
}

const VERSION_2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x7f\0\0\x01\xdc\x04\x01\xbb";

#[test]
fn a_trusted_proxy_says_for_whom_it_speaks() {
    let upstream = Upstream::start();
    let sidecar = speaking_for_others(&upstream, "127.0.0.0/8").start();
    let version_1 = b"PROXY TCP6 2001:db8::7 ::1 56324 443\r\n";
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for (header, expected) in [
        (&version_1[..], "2001:db8::7"),
        (VERSION_2, "203.0.113.9"),
        (local, "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    ] {
        let mut client = sidecar.client();
        // The header and the request in one go, and what follows on the connection.
        assert_eq!(client.send([header, GET.as_bytes()].concat()).response().status, 200);
        assert_eq!(client.get("/y").status, 200);
        for request in &upstream.requests()[upstream.requests().len() - 2..] {
            assert_eq!(request.header("x-forwarded-for"), Some(expected));
        }
    }
    // Byte by byte.
    let mut client = sidecar.client();
    for byte in [VERSION_2, GET.as_bytes()].concat() {
        client.send([byte]);
    }
    assert_eq!(client.response().status, 200);
}

#[test]
fn the_header_comes_before_tls() {
    let upstream = Upstream::start();
    let settings = "server.proxy_protocol = true\nserver.trusted_proxies = [\"127.0.0.1\"]";
    let sidecar = over_tls(&upstream).with(settings).start();
    let mut socket = connect(sidecar.listen());
    socket.write_all(VERSION_2).unwrap();
    assert_eq!(Tls::new().over(socket, "idp.test").get("/x").status, 200);
    assert_eq!(upstream.request().header("x-forwarded-for"), Some("203.0.113.9"));
}

#[test]
fn whoever_is_no_trusted_proxy_or_speaks_otherwise_is_cut() {
    let upstream = Upstream::start();
    let sidecar = speaking_for_others(&upstream, "10.0.0.0/8").start();
    for bytes in [VERSION_2, GET.as_bytes()] {
        assert_eq!(sidecar.client().send(bytes).rest(), "", "not a trusted proxy");
    }
    let slow = "server.limits.header_timeout = \"300ms\"";
    let sidecar = speaking_for_others(&upstream, "127.0.0.1").with(slow).start();
    for bytes in [GET, "PROXY TCP4 1.2.3.4 1.2.3.4 99999 1\r\n", "PROXY TCP4 1.2.3.4", ""] {
        assert_eq!(sidecar.client().send(bytes).rest(), "", "{bytes}");
    }
    assert_eq!(upstream.requests().len(), 0);
}

/// Who is not told to expect the header takes it for what it is: no HTTP.
#[test]
fn nobody_speaks_for_others_unless_it_is_configured() {
    let upstream = Upstream::start();
    let sidecar =
        Sidecar::before(&upstream).with("server.trusted_proxies = [\"127.0.0.1\"]").start();
    let response = sidecar.client().send([VERSION_2, GET.as_bytes()].concat()).response();
    assert_eq!(response.status, 400);
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_socket_that_was_bound_before_is_used() {
    let upstream = Upstream::start();
    let (file, _folder) = Sidecar::before(&upstream).write();
    let arguments = ["serve", "--config", file.to_str().unwrap()];
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let process = Process::start_on(socket, &arguments);
    assert_eq!(process.listen(), address);
    process.await_ready();
    assert_eq!(Client::connect(address).get("/x").status, 200);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("activated.sock");
    let process = Process::start_on(UnixListener::bind(&path).unwrap(), &arguments);
    process.await_ready();
    assert_eq!(unix_client(&path).get("/x").status, 200);
    process.terminate();
    assert_eq!(process.ended().0, Some(0));
    assert!(path.exists(), "it belongs to who bound it");
}

/// One kidstamp takes over from another while clients go on asking: none of them notices.
#[test]
fn a_restart_under_load_loses_no_request() {
    let upstream = Upstream::start();
    let (long, released) = (Gate::new(), Gate::new());
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst";
    upstream.on("/long", Answer::raw(head).then_open(&long).then_wait(&released).then("-last"));
    let (file, _folder) = Sidecar::before(&upstream).with("server.workers = 2").write();
    let arguments = ["serve", "--config", file.to_str().unwrap()];
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let start = || Process::start_on(socket.try_clone().unwrap(), &arguments);
    let old = start();
    old.await_ready();

    let mut download = Client::connect(address);
    download.send("GET /long HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    long.wait();
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failures = thread::scope(|scope| {
        let ask = || {
            let mut failures = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let mut client = Client::connect(address);
                client.send("GET /x HTTP/1.1\r\nHost: idp.test\r\nConnection: close\r\n\r\n");
                match client.try_response() {
                    Some(response) if response.status == 200 => {}
                    other => failures.push(format!("{other:?}")),
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
            failures
        };
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        let more = |so_many: usize| {
            let aim = count.load(Ordering::Relaxed) + so_many;
            eventually("requests are answered", || {
                (count.load(Ordering::Relaxed) >= aim).then_some(())
            });
        };
        more(100);
        let new = start();
        new.await_ready();
        more(100);
        old.terminate();
        eventually("the old one drains", || old.log().contains("finishing").then_some(()));
        more(100);
        released.open();
        assert_eq!(download.response().text(), "first-last");
        let (code, log) = old.ended();
        assert_eq!(code, Some(0), "{log}");
        more(100);
        stop.store(true, Ordering::Relaxed);
        let failures: Vec<_> =
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        drop(new);
        failures
    });
    assert!(failures.is_empty(), "{failures:?}");
    assert!(count.load(Ordering::Relaxed) >= 400);
}
