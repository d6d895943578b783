//! Requests through the program as it is shipped: what one costs is the difference between many and few.

use crate::Cost;
use crate::connections;
use crate::counting::{callgrind, calls, instructions, strace};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use kidstamp::jose::{Alg, SigningKey, base64url};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

pub(crate) const FEW: u32 = 200;
/// So many that what happens once in a run, or not, such as a look at the documents of the provider, hardly counts.
pub(crate) const MANY: u32 = 3200;

/// Calls that move bytes: two reads and two writes are the least for a request that passes.
const TRANSFERS: [&str; 8] =
    ["read", "write", "readv", "writev", "recvfrom", "sendto", "recvmsg", "sendmsg"];
pub(crate) const WAITS: [&str; 3] = ["epoll_wait", "epoll_pwait", "epoll_pwait2"];

/// A request that is counted.
struct Counted {
    what: &'static str,
    asked: Asked<'static>,
    counted: &'static [(&'static str, &'static [&'static str])],
}

/// A request, by its line, and the body that it may have.
pub(crate) struct Asked<'a> {
    pub(crate) line: &'a str,
    pub(crate) body: &'a str,
}

const PASSING: [(&str, &[&str]); 2] = [("reads and writes", &TRANSFERS), ("waits", &WAITS)];

pub(crate) const SMALL: Asked<'static> = Asked { line: "GET /small", body: "" };
pub(crate) const JWKS: Asked<'static> = Asked { line: "GET /jwks.json", body: "" };
pub(crate) const TOKEN: Asked<'static> = Asked {
    line: "POST /token",
    body: "grant_type=authorization_code&client_id=rp&code=0123456789abcdef",
};

const COUNTED: [Counted; 3] = [
    Counted { what: "GET of 1 KiB that passes", asked: SMALL, counted: &PASSING },
    Counted { what: "GET of the JWKS", asked: JWKS, counted: &PASSING },
    Counted {
        what: "POST for a token that is re-signed with ES256",
        asked: TOKEN,
        // How often threads have to wake each other depends on which is faster.
        counted: &[],
    },
];

/// Counts what a request costs that passes, one for the key set, and one for a token.
pub(crate) fn count() -> Vec<Cost> {
    let upstream = provider();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("count");
    let mut costs = Vec::new();
    for Counted { what, asked, counted } in &COUNTED {
        let of = |requests| {
            serve(kidstamp_under(callgrind(&log, None)), upstream, &folder, |served| {
                keep_asking(served, asked, requests);
            });
            instructions(&log)
        };
        costs.push(Cost {
            name: format!("{what}, user space"),
            unit: "instructions",
            count: (of(MANY) - of(FEW)) / f64::from(MANY - FEW),
            tolerance: 0.05,
        });
        for (kind, names) in *counted {
            let of = |requests| {
                serve(kidstamp_under(strace(&log)), upstream, &folder, |served| {
                    keep_asking(served, asked, requests);
                });
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
    costs.extend(connections::count(upstream, &folder, &log));
    costs
}

/// A kidstamp that serves.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) process: String,
}

impl Served {
    pub(crate) fn connect(&self) -> BufReader<TcpStream> {
        let client = TcpStream::connect(self.address).unwrap();
        client.set_nodelay(true).unwrap();
        BufReader::new(client)
    }
}

/// kidstamp without its request log, run by `tool`.
pub(crate) fn kidstamp_under(mut tool: Command) -> Command {
    tool.arg(env!("CARGO_BIN_EXE_kidstamp")).env("KIDSTAMP_LOG_REQUESTS", "false");
    tool
}

/// Starts `kidstamp` as a server, uses it as clients do, and ends it.
pub(crate) fn serve(
    mut kidstamp: Command,
    upstream: SocketAddr,
    folder: &TempDir,
    visit: impl FnOnce(&Served),
) {
    let mut command = kidstamp
        .args(["serve", "--listen", "127.0.0.1:0", "--admin", "off"])
        .args(["--upstream", &format!("http://{upstream}")])
        .args(["--external-url", "https://idp.test", "--issuer", "https://idp.test"])
        .arg("--keys")
        .arg(keys(folder.path()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (address, process) = address(&mut command);
    let served = Served { address, process };
    visit(&served);
    let killed = Command::new("kill").args(["-TERM", &served.process]).status().unwrap();
    assert!(killed.success());
    assert!(command.wait().unwrap().success(), "kidstamp did not end well");
}

/// Makes the requests one after the other on one connection.
fn keep_asking(served: &Served, asked: &Asked<'_>, requests: u32) {
    let mut client = served.connect();
    for _ in 0..requests {
        asked.ask(&mut client);
    }
}

impl Asked<'_> {
    /// Sends the request, and reads the answer.
    pub(crate) fn ask<S: Read + Write>(&self, client: &mut BufReader<S>) {
        let Self { line, body } = self;
        let body = if body.is_empty() {
            "\r\n".to_owned()
        } else {
            let form = "Content-Type: application/x-www-form-urlencoded";
            format!("{form}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        };
        let request = format!(
            "{line} HTTP/1.1\r\nHost: idp.test\r\nUser-Agent: costs\r\nAccept: */*\r\n{body}"
        );
        client.get_mut().write_all(request.as_bytes()).unwrap();
        read_response(client);
    }
}

/// Where kidstamp listens, as its log says, and its process.
fn address(command: &mut Child) -> (SocketAddr, String) {
    let mut log = BufReader::new(command.stderr.take().unwrap()).lines();
    let line = log
        .by_ref()
        .map(Result::unwrap)
        .find(|line| line.contains("listening on http"))
        .expect("kidstamp says where it listens");
    let (_, url) = line.split_once("listening on ").unwrap();
    let (_, rest) = url.split_once("://").unwrap();
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
pub(crate) fn provider() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let issued = Arc::new(Issued::new());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let issued = Arc::clone(&issued);
            std::thread::spawn(move || answer_all(connection.unwrap(), &issued));
        }
    });
    address
}

/// What the provider publishes and issues.
struct Issued {
    /// A set of an RSA key without `kid`, and of the key that signs tokens.
    jwks: String,
    token_response: String,
    small: String,
    page: String,
    file: String,
}

impl Issued {
    fn new() -> Self {
        let key = SigningKey::generate(Alg::Es256).unwrap();
        let pem = key.to_pem().unwrap();
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_der());
        let set = include_str!("../../tests/fixtures/jwks/pocket-id-0.8.0.json").trim_end();
        let jwks =
            set.strip_suffix("]}").expect("a set").to_owned() + "," + &key.public_jwk() + "]}";
        let payload = r#"{"iss":"https://idp.test","sub":"248289761001","aud":"rp","iat":1790000000,"exp":4102444800,"nonce":"n-0S6_WzA2Mj","name":"Jane Doe","email":"jane@example.org"}"#;
        let header = base64url::encode(r#"{"alg":"ES256","typ":"JWT"}"#);
        let input = format!("{header}.{}", base64url::encode(payload));
        let signature = pair.unwrap().sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        let token = format!("{input}.{}", base64url::encode(signature));
        let token_response = format!(
            r#"{{"access_token":"0123456789abcdef","token_type":"Bearer","expires_in":3600,"id_token":"{token}"}}"#
        );
        let [small, page, file] = [1 << 10, 64 << 10, 8 << 20].map(|length| "x".repeat(length));
        Self { jwks, token_response, small, page, file }
    }
}

fn answer_all(connection: TcpStream, issued: &Issued) {
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
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()
        });
        connection.read_exact(&mut vec![0; length.unwrap_or_default()]).unwrap();
        let (kind, body) = match head.split(' ').nth(1) {
            Some("/.well-known/openid-configuration") => ("application/json", discovery),
            Some("/jwks.json") => ("application/json", issued.jwks.as_str()),
            Some("/token") => ("application/json", issued.token_response.as_str()),
            Some("/page") => ("text/plain", issued.page.as_str()),
            Some("/file") => ("text/plain", issued.file.as_str()),
            _ => ("text/plain", issued.small.as_str()),
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
