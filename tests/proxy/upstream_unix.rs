//! A provider behind a Unix socket.

use crate::{Sidecar, Upstream};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

/// Passes what comes to a socket at `path` on to `upstream`. Ends with the process.
fn socket_before(upstream: &Upstream, path: &Path) {
    let (listener, behind) = (UnixListener::bind(path).unwrap(), upstream.address());
    thread::spawn(move || {
        for front in listener.incoming() {
            let (mut front, mut back) = (front.unwrap(), TcpStream::connect(behind).unwrap());
            let (mut from, mut to): (UnixStream, TcpStream) =
                (front.try_clone().unwrap(), back.try_clone().unwrap());
            thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
            thread::spawn(move || {
                let _ = io::copy(&mut back, &mut front);
                let _ = front.shutdown(Shutdown::Both);
            });
        }
    });
}

#[test]
fn documents_and_requests_go_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("idp.sock");
    let upstream = Upstream::start();
    socket_before(&upstream, &path);
    let sidecar = Sidecar::before(&upstream).behind(&format!("unix:{}", path.display())).start();
    assert!(sidecar.jwks().contains("\"kid\""));
    for _ in 0..3 {
        assert_eq!(sidecar.client().get("/hello").text(), "ok");
    }
    let requests = upstream.requests();
    assert_eq!(requests.len(), 3);
    assert!(
        requests.iter().all(|request| request.connection == requests[0].connection),
        "it is kept"
    );
    assert_eq!(requests[0].header("host"), Some("idp.test"));
}

#[test]
fn a_socket_that_is_not_there_is_an_upstream_that_is_not_there() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream).behind("unix:/nowhere/idp.sock").start_blind();
    sidecar.client().get("/hello").assert_refused(502, "upstream_unreachable");
}
