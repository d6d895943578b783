//! `kidstamp health`: the probe for a container that has neither a shell nor curl.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use super::output::{NO, note, refuse, visible};
use crate::config::{ConfigError, Override, admin_in_file};

const TIMEOUT: Duration = Duration::from_secs(3);

/// More than any answer of the admin listener to these questions.
const MOST_BYTES: usize = 16 << 10;

/// What to ask, and where.
#[derive(Args, Debug)]
pub struct Health {
    /// Is the process alive? (/livez)
    #[arg(long, conflicts_with = "ready")]
    live: bool,
    /// Does it serve? (/readyz); what is asked by default
    #[arg(long)]
    ready: bool,
    /// The admin address of the running kidstamp; all addresses mean loopback [default: the configuration's, or
    /// 127.0.0.1:9180]
    #[arg(long, value_name = "ADDR", env = "KIDSTAMP_ADMIN", hide_env_values = true)]
    admin: Option<String>,
    /// The configuration of the running kidstamp, of which only server.admin is read
    #[arg(long, value_name = "FILE", env = "KIDSTAMP_CONFIG", hide_env_values = true)]
    config: Option<String>,
}

impl Health {
    /// Where to ask: said here, or in the configuration, or nowhere.
    fn admin(&self) -> Result<String, ConfigError> {
        // Compose files set variables to nothing where they mean to unset them.
        let said = |text: &&String| !text.is_empty();
        if let Some(admin) = self.admin.as_ref().filter(said) {
            return Ok(admin.clone());
        }
        let file = self.config.as_ref().filter(said);
        let file = file.map(|file| Override::from_flag("--config", file));
        let admin = file.as_ref().map(admin_in_file).transpose()?.flatten();
        Ok(admin.unwrap_or_else(|| "127.0.0.1:9180".to_owned()))
    }
}

pub(super) fn run(health: &Health) -> ExitCode {
    let admin = match health.admin() {
        Ok(admin) => admin,
        Err(error) => return refuse(&error.to_string()),
    };
    let address = match address(&admin) {
        Ok(address) => address,
        Err(reason) => return refuse(&visible(&reason)),
    };
    let path = if health.live { "/livez" } else { "/readyz" };
    match ask(address, path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            note(&visible(&format!("http://{address}{path}: {reason}")));
            ExitCode::from(NO)
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    if text == "off" {
        return Err("the admin listener is off, so there is nobody to ask; give it an address in \
                    the configuration"
            .to_owned());
    }
    let mut address: SocketAddr = text.parse().map_err(|_| {
        format!(
            "the admin address \"{text}\" is not one; write an IP address and a port, such as \
             \"127.0.0.1:9180\" or \"[::1]:9180\""
        )
    })?;
    if address.port() == 0 {
        return Err(format!("the admin address \"{text}\" names no port that one can connect to"));
    }
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(address)
}

/// Asks for `path`; the error says what came instead of 200.
fn ask(address: SocketAddr, path: &str) -> Result<(), String> {
    let deadline = Instant::now() + TIMEOUT;
    let answer = exchange(address, path, deadline).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            format!("no answer within {} s", TIMEOUT.as_secs())
        }
        _ => error.to_string(),
    })?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    match status.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)) {
        Some("200") => Ok(()),
        Some(code) => Err(format!("{code} {}", first_line(head, body)).trim_end().to_owned()),
        None => Err("the answer is not HTTP".to_owned()),
    }
}

/// The first line of the body, cut where it gets long.
fn first_line<'b>(head: &str, body: &'b str) -> &'b str {
    let chunked = head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked");
    let line = body.lines().nth(usize::from(chunked)).unwrap_or_default();
    line.char_indices().nth(300).and_then(|(end, _)| line.get(..end)).unwrap_or(line)
}

fn exchange(address: SocketAddr, path: &str, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, left(deadline)?)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while answer.len() < MOST_BYTES {
        // Each read gets what is left of the whole time: an answer that drips does not hold up the probe.
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(answer)
}

/// The time until `deadline`, which is never nothing.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// Answers one request with `answer`, and returns what was asked.
    fn asked(answer: &'static str) -> (Result<(), String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let count = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..count]).into_owned()
        });
        (ask(address, "/readyz"), server.join().unwrap())
    }

    #[test]
    fn only_200_is_healthy() {
        let (answer, request) = asked("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n");
        assert_eq!(answer, Ok(()));
        assert!(request.starts_with("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
        assert!(request.ends_with("\r\nConnection: close\r\n\r\n"), "{request}");
        for (answer, reason) in [
            ("HTTP/1.1 503 Service Unavailable\r\n\r\nno answer yet\nmore\n", "503 no answer yet"),
            (
                "HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno\n\r\n0\r\n\r\n",
                "503 no",
            ),
            ("HTTP/1.0 404 Not Found\r\n\r\n", "404"),
            ("HTTP/1.1 2000 OK\r\n\r\n", "2000"),
            ("SSH-2.0-x\r\n", "the answer is not HTTP"),
            ("", "the answer is not HTTP"),
        ] {
            assert_eq!(asked(answer).0, Err(reason.to_owned()), "{answer}");
        }
    }

    #[test]
    fn silence_and_endless_talk_are_unhealthy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let soon = Instant::now() + Duration::from_millis(50);
        assert!(exchange(address, "/livez", soon).is_err(), "nobody answers");
        let talker = thread::spawn(move || {
            let (_silent, _) = listener.accept().unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            while stream.write_all(&[b'x'; 1024]).is_ok() {}
        });
        let answer = exchange(address, "/livez", Instant::now() + TIMEOUT).unwrap();
        assert!(answer.len() < MOST_BYTES + 1024);
        talker.join().unwrap();
    }

    #[test]
    fn where_to_ask_is_said_or_in_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kidstamp.toml");
        let admin = |said: Option<&str>, text: Option<&str>| {
            let config = text.map(|text| {
                std::fs::write(&file, text).unwrap();
                file.to_str().unwrap().to_owned()
            });
            Health { live: false, ready: false, admin: said.map(str::to_owned), config }.admin()
        };
        // The rest of the file may need what only the running process was given.
        let file = "[server]\nadmin = \"[::1]:7\"\nlisen = 1\n";
        for (said, text, expected) in [
            (None, None, "127.0.0.1:9180"),
            (Some(""), Some("[upstream]\n"), "127.0.0.1:9180"),
            (None, Some(file), "[::1]:7"),
            (Some("127.0.0.1:1"), Some(file), "127.0.0.1:1"),
        ] {
            assert_eq!(admin(said, text).unwrap(), expected);
        }
        assert!(admin(None, Some("[server")).is_err());
    }

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("0.0.0.0:9180", "127.0.0.1:9180"),
            ("[::]:1", "[::1]:1"),
            ("10.0.0.7:9180", "10.0.0.7:9180"),
        ] {
            assert_eq!(address(text).map(|address| address.to_string()), Ok(expected.to_owned()));
        }
        for text in ["", "off", "9180", ":9180", "localhost:9180", "127.0.0.1:0", "127.0.0.1"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
