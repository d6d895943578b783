//! Start, stop and replicas, with the real program.

use crate::http1::End;
use crate::{Answer, Gate, Key, Process, Setup, Sidecar, Upstream};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::thread;

/// The program, with this configuration.
fn serve(setup: Setup) -> Process {
    let (file, folder) = setup.write();
    let process = Process::start(&["serve", "--config", file.to_str().unwrap()]);
    process.keeping(folder)
}

/// Starts with a key directory that holds these files; the exit code and what it says.
fn start_with_keys(files: &[(&str, &[u8])]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    start_with(&["--keys", folder.path().to_str().unwrap()])
}

fn start_with(arguments: &[&str]) -> (Option<i32>, String) {
    let common =
        ["serve", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0", "--admin", "off"];
    Process::start(&[&common, arguments].concat()).ended()
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--admin"] {
        let other =
            if flag == "--listen" { ["--admin", "off"] } else { ["--listen", "127.0.0.1:0"] };
        let arguments =
            ["serve", "--upstream", "http://127.0.0.1:9", "--ephemeral-key", flag, &address];
        let (code, log) = Process::start(&[&arguments[..], &other].concat()).ended();
        assert_eq!(code, Some(2), "{log}");
        assert!(log.contains(&address) && log.contains("--listen"), "{log}");
    }
}

#[test]
fn a_second_kidstamp_does_not_share_the_port_of_the_first() {
    let upstream = Upstream::start();
    let first = serve(Sidecar::before(&upstream));
    let address = first.listen().to_string();
    let arguments =
        ["serve", "--upstream", "http://127.0.0.1:9", "--ephemeral-key", "--admin", "off"];
    let (code, log) = Process::start(&[&arguments[..], &["--listen", &address]].concat()).ended();
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains(&address), "{log}");
}

#[test]
fn threat_13_no_key_is_an_error_that_says_how_to_make_one() {
    let (code, log) = start_with(&[]);
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("kidstamp keys generate") && log.contains("--ephemeral-key"), "{log}");
    let (code, log) = start_with_keys(&[]);
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("kidstamp keys generate --dir"), "{log}");
    let (code, log) = start_with(&["--keys", "/nowhere/at/all"]);
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("/nowhere/at/all"), "{log}");
}

#[test]
fn a_key_that_can_t_be_used_is_named() {
    let small =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keys/rsa-1024.pem"));
    let cut = &Key::bridge().pem()[..600];
    for (bytes, reason) in [
        (small.unwrap().as_slice(), "2048"),
        (b"no key at all".as_slice(), "PEM"),
        (cut.as_bytes(), "PEM"),
        (b"\xff\xfe".as_slice(), "PEM"),
    ] {
        let (code, log) = start_with_keys(&[("odd.pem", bytes)]);
        assert_eq!(code, Some(2), "{log}");
        assert!(log.contains("odd.pem") && log.contains(reason), "{log}");
    }
}

#[test]
fn a_key_file_that_can_t_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("bridge.pem")).unwrap();
    let (code, log) = start_with(&["--keys", folder.path().to_str().unwrap()]);
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("bridge.pem"), "{log}");
}

#[test]
fn requests_under_way_are_finished_after_sigterm() {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    upstream.on("/slow", Answer::ok("text/plain", "done").after(&gate));
    let half = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").then_wait(&gate);
    upstream.on("/half", half.then("-last"));
    upstream.on(
        "/token",
        Answer::json(crate::tokens::token_response(&crate::tokens::id_token())).after(&gate),
    );
    let process = serve(Sidecar::before(&upstream).with("server.workers = 2"));
    process.await_ready();
    let asking = |path: &'static str| {
        let mut client = process.client();
        thread::spawn(move || client.get(path))
    };
    let clients: Vec<_> = ["/slow", "/half", "/slow", "/token"].map(asking).into();
    upstream.await_bytes("/half");
    crate::eventually("all requests are under way", || {
        (upstream.requests().len() == 4).then_some(())
    });
    let mut idle = process.client();
    assert_eq!(idle.get("/x").status, 200);
    let address = process.listen();
    process.terminate();
    assert_eq!(idle.rest(), "", "an idle connection is closed");
    crate::eventually("nobody is let in any more", || {
        std::net::TcpStream::connect(address).is_err().then_some(())
    });
    gate.open();
    for client in clients {
        let response = client.join().unwrap();
        assert_eq!((response.status, response.end), (200, End::Complete), "{response:?}");
    }
    let (code, log) = process.ended();
    assert_eq!(code, Some(0), "{log}");
}

/// A client can't know yet that its connection is to end: what it sends meanwhile is not lost.
#[test]
fn a_request_that_is_on_its_way_when_the_end_begins_is_answered() {
    let upstream = Upstream::start();
    let process = serve(Sidecar::before(&upstream));
    process.await_ready();
    let (mut fresh, mut kept) = (process.client(), process.client());
    assert_eq!(kept.get("/x").status, 200);
    process.terminate();
    crate::eventually("it drains", || process.log().contains("finishing").then_some(()));
    for client in [&mut fresh, &mut kept] {
        let response = client.get("/x");
        assert_eq!((response.status, response.header("connection")), (200, Some("close")));
        assert_eq!(client.rest(), "");
    }
    let (code, log) = process.ended();
    assert_eq!(code, Some(0), "{log}");
}

/// A connection on which nothing was asked is no request under way.
#[test]
fn a_silent_connection_does_not_hold_up_the_end() {
    let upstream = Upstream::start();
    let process = serve(Sidecar::before(&upstream).with("server.limits.header_timeout = \"10m\""));
    process.await_ready();
    let mut silent = process.client();
    let mut asked = process.client();
    asked.get("/x");
    process.terminate();
    assert_eq!(silent.rest(), "");
    let (code, log) = process.ended();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn while_draining_it_is_not_ready_but_serves() {
    let upstream = Upstream::start();
    let process = serve(Sidecar::before(&upstream).with("server.drain_delay = \"1h\""));
    process.await_ready();
    process.terminate();
    crate::eventually("readiness is red", || {
        (process.admin("/readyz") == (503, "draining\n".to_owned())).then_some(())
    });
    assert_eq!(process.admin("/livez").0, 200);
    let mut client = process.client();
    assert_eq!(
        client.get("/x").header("connection"),
        Some("close"),
        "clients go elsewhere in time"
    );
    assert_eq!(client.rest(), "");
    process.terminate();
    let (code, log) = process.ended();
    assert_eq!(code, Some(1), "who asks twice does not want to wait: {log}");
}

#[test]
fn threat_13_replicas_with_the_same_keys_publish_the_same_bytes() {
    let upstream = Upstream::start();
    let (file, _folder) = Sidecar::before(&upstream).write();
    let start = || Process::start(&["serve", "--config", file.to_str().unwrap()]);
    let (one, two) = (start(), start());
    one.await_ready();
    two.await_ready();
    // Traffic on one of them alone.
    one.client().post_form("/token", "grant_type=x");
    upstream.issue(&Key::stranger().sign(crate::tokens::PLAIN, &crate::tokens::claims()));
    one.client().post_form("/token", "grant_type=x");
    let (first, second) = (one.client().get("/jwks.json"), two.client().get("/jwks.json"));
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("etag"), second.header("etag"));
    assert_eq!(first.header("cache-control"), second.header("cache-control"));
}

#[test]
fn as_many_files_may_be_open_as_the_system_lets_it_have() {
    let upstream = Upstream::start();
    let (file, folder) = Sidecar::before(&upstream).with("server.limits.connections = 400").write();
    let few = Process::start_in_shell(
        "ulimit -Sn 256; ulimit -Hn 512",
        &["serve", "--config", file.to_str().unwrap()],
    );
    few.await_ready();
    let limits = fs::read_to_string(format!("/proc/{}/limits", few.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("512"), "{files}");
    assert!(few.log().contains("512 open files"), "{}", few.log());
    drop(folder);
}

/// As much under way as a busy morning has: answers that are waited for, downloads in the middle, uploads in the
/// middle, logins. The end loses none of it.
#[test]
fn threat_31_two_hundred_requests_and_long_downloads_survive_sigterm() {
    const BLOCK: usize = 1 << 20;
    let (upstream, gate) = (Upstream::start(), Gate::new());
    upstream.on("/slow", Answer::ok("text/plain", "done").after(&gate));
    let token = crate::tokens::token_response(&crate::tokens::id_token());
    upstream.on("/token", Answer::json(token).after(&gate));
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 8 * BLOCK);
    let block = vec![b'x'; BLOCK];
    let long = Answer::raw(head).then_repeat(&block, 2).then_wait(&gate).then_repeat(&block, 6);
    upstream.on("/long", long);
    let process = serve(Sidecar::before(&upstream).with("server.workers = 2"));
    process.await_ready();
    let asking = |count: usize, request: &str| -> Vec<crate::Client> {
        let ask = |_| {
            let mut client = process.client();
            client.send(request);
            client
        };
        (0..count).map(ask).collect()
    };
    let waiting = asking(150, "GET /slow HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    let downloads = asking(20, "GET /long HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    let uploads =
        asking(15, "PUT /up HTTP/1.1\r\nHost: idp.test\r\nContent-Length: 10\r\n\r\nbegin");
    let logins = asking(
        15,
        "POST /token HTTP/1.1\r\nHost: idp.test\r\nContent-Length: 12\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\ngrant_type=x",
    );
    crate::eventually("all but the uploads are at the upstream", || {
        (upstream.requests().len() == 185).then_some(())
    });
    crate::eventually("so is what has come of those", || {
        (upstream.received().matches("begin").count() == 15).then_some(())
    });
    process.terminate();
    let address = process.listen();
    crate::eventually("nobody is let in any more", || {
        std::net::TcpStream::connect(address).is_err().then_some(())
    });
    gate.open();
    for mut client in uploads {
        let response = client.send("s-end").response();
        assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    }
    for mut client in waiting.into_iter().chain(logins) {
        let response = client.response();
        assert_eq!((response.status, response.end), (200, End::Complete), "{response:?}");
    }
    for mut client in downloads {
        let response = client.response_head().unwrap();
        let mut length = 0;
        let (end, _) = client.body(&response, &mut |bytes| length += bytes.len());
        assert_eq!((end, length), (End::Complete, 8 * BLOCK));
    }
    let (code, log) = process.ended();
    assert_eq!(code, Some(0), "{log}");
    let bodies = upstream.requests().into_iter().filter(|request| request.path() == "/up");
    assert!(bodies.into_iter().all(|request| request.body == b"begins-end"));
}

/// threat_04: keys that anybody on the way could replace are not fetched unless somebody said so, and a set that
/// changes is told of.
#[test]
fn threat_04_plain_http_to_another_machine_is_refused_unless_allowed() {
    let arguments =
        ["serve", "--upstream", "http://192.0.2.1", "--ephemeral-key", "--listen", "127.0.0.1:0"];
    let (code, log) = Process::start(&[&arguments[..], &["--admin", "off"]].concat()).ended();
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("plain http") && log.contains("allow_plaintext"), "{log}");
    let upstream = Upstream::start();
    let refresh = "jwks.refresh_min = \"100ms\"\njwks.refresh_max = \"100ms\"";
    let process = serve(Sidecar::before(&upstream).with(refresh));
    process.await_ready();
    upstream.publish(&[Key::next().jwk("")]);
    crate::eventually("the change of the set is told", || {
        process.log().contains("the published key set has changed").then_some(())
    });
}
