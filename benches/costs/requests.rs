//! Requests through the program as it is shipped: what one costs is the difference between many and few.

use crate::Cost;
use crate::counting::{callgrind, calls, instructions, strace};
use kidstamp::jose::{Alg, SigningKey};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const FEW: u32 = 200;
const MANY: u32 = 1200;

/// Calls that move bytes: two reads and two writes are the least for a request that passes.
const TRANSFERS: [&str; 8] =
    ["read", "write", "readv", "writev", "recvfrom", "sendto", "recvmsg", "sendmsg"];
const WAITS: [&str; 3] = ["epoll_wait", "epoll_pwait", "epoll_pwait2"];

/// Counts what a request costs that passes, and one for the key set.
pub(crate) fn count() -> Vec<Cost> {
    let upstream = provider();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("count");
    let mut costs = Vec::new();
    for (what, path) in [("GET of 1 KiB that passes", "/small"), ("GET of the JWKS", "/jwks.json")]
    {
        let of = |requests| {
            serve(callgrind(&log, None), upstream, &folder, path, requests);
            instructions(&log)
        };
        costs.push(Cost {
            name: format!("{what}, user space"),
            unit: "instructions",
            count: (of(MANY) - of(FEW)) / f64::from(MANY - FEW),
            tolerance: 0.05,
        });
        for (kind, names) in [("reads and writes", &TRANSFERS[..]), ("waits", &WAITS[..])] {
            let of = |requests| {
                serve(strace(&log), upstream, &folder, path, requests);
                calls(&log, names)
            };
            costs.push(Cost {
                name: format!("{what}, {kind}"),
                unit: "system calls",
                count: (of(MANY) - of(FEW)) / f64::from(MANY - FEW),
                tolerance: 0.06,
            });
        }
    }
    costs
}

/// Starts kidstamp under `tool`, makes the requests one after the other on one connection, and ends it.
fn serve(mut tool: Command, upstream: SocketAddr, folder: &TempDir, path: &str, requests: u32) {
    let mut command = tool
        .arg(env!("CARGO_BIN_EXE_kidstamp"))
        .args(["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--log-requests=false"])
        .args(["--upstream", &format!("http://{upstream}")])
        .args(["--external-url", "https://idp.test", "--issuer", "https://idp.test"])
        .arg("--keys")
        .arg(keys(folder.path()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (address, process) = address(&mut command);
    let mut client = BufReader::new(TcpStream::connect(address).unwrap());
    client.get_ref().set_nodelay(true).unwrap();
    for _ in 0..requests {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: idp.test\r\nUser-Agent: costs\r\nAccept: */*\r\n\r\n"
        );
        client.get_mut().write_all(request.as_bytes()).unwrap();
        read_response(&mut client);
    }
    drop(client);
    let killed = Command::new("kill").args(["-TERM", &process]).status().unwrap();
    assert!(killed.success());
    assert!(command.wait().unwrap().success(), "kidstamp did not end well");
}

/// Where kidstamp listens, as its log says, and its process.
fn address(command: &mut Child) -> (SocketAddr, String) {
    let mut log = BufReader::new(command.stderr.take().unwrap()).lines();
    let line = log
        .by_ref()
        .map(Result::unwrap)
        .find(|line| line.contains("listening on http://"))
        .expect("kidstamp says where it listens");
    let (_, rest) = line.split_once("listening on http://").unwrap();
    let end = rest.find(|sign: char| !sign.is_ascii_digit() && !matches!(sign, '.' | ':'));
    let address = rest[..end.unwrap_or(rest.len())].parse().unwrap();
    // What it says from now on must not fill the pipe.
    std::thread::spawn(move || log.for_each(drop));
    // valgrind runs the program in its own process, strace in a child.
    let parent = command.id();
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let child = children.ok().and_then(|pids| pids.split_whitespace().next().map(str::to_owned));
    (address, child.unwrap_or(parent.to_string()))
}

fn keys(folder: &Path) -> std::path::PathBuf {
    let keys = folder.join("keys");
    if !keys.exists() {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::create_dir(&keys).unwrap();
        let file = keys.join("bridge.pem");
        let pem = SigningKey::generate(Alg::Es256).unwrap().to_pem().unwrap();
        std::fs::write(&file, pem.as_bytes()).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    keys
}

/// A provider that answers from a thread a connection, as long as this program runs.
fn provider() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            std::thread::spawn(move || answer_all(connection.unwrap()));
        }
    });
    address
}

fn answer_all(connection: TcpStream) {
    let small = "x".repeat(1024);
    let discovery = r#"{"issuer":"https://idp.test","jwks_uri":"https://idp.test/jwks.json","authorization_endpoint":"https://idp.test/authorize","token_endpoint":"https://idp.test/token","response_types_supported":["code"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}"#;
    connection.set_nodelay(true).unwrap();
    let mut connection = BufReader::new(connection);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match connection.read_line(&mut head) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        let (kind, body) = match head.split(' ').nth(1) {
            Some("/.well-known/openid-configuration") => ("application/json", discovery),
            Some("/jwks.json") => {
                let set = include_str!("../../tests/fixtures/jwks/pocket-id-0.8.0.json");
                ("application/json", set)
            }
            _ => ("text/plain", small.as_str()),
        };
        let response = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nServer: idp\r\nCache-Control: max-age=300\r\n\r\n{body}",
            body.len()
        );
        if connection.get_mut().write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_response(client: &mut impl BufRead) {
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        assert_ne!(client.read_line(&mut line).unwrap(), 0, "the connection ended");
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body).unwrap();
    assert!(length > 0);
}
