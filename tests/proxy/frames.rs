//! HTTP/2 frames (RFC 9113), written and read to the byte: also those that no library would send.

use crate::sidecar::Sidecar;
use crate::tls::Tls;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A field as HPACK's literal without indexing (RFC 7541 §6.2.2), without Huffman's code.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        bytes.push(u8::try_from(text.len()).unwrap());
        bytes.extend(text.as_bytes());
    }
    assert!(bytes.len() < 127);
    bytes
}

/// The fields of `GET path` at `idp.test`, and these.
pub(crate) fn get(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let own =
        [(":method", "GET"), (":scheme", "https"), (":authority", "idp.test"), (":path", path)];
    own.iter().chain(more).flat_map(|(name, value)| literal(name, value)).collect()
}

/// A connection that has spoken its preface.
pub(crate) struct Frames(StreamOwned<ClientConnection, TcpStream>);

impl Frames {
    pub(crate) fn connect(sidecar: &Sidecar) -> Self {
        let tls = Tls::new().offering(&[b"h2"]);
        let stream = tls.try_connect(sidecar, "idp.test").expect("a handshake");
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
        let mut frames = Self(stream);
        frames.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        frames.send(&frame(SETTINGS, 0, 0, &[])).unwrap();
        frames
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// The next frame; `None` once the connection has ended.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The next frame of that kind.
    pub(crate) fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next()?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// `GET path` on that stream is answered with 200.
    pub(crate) fn is_served(&mut self, stream: u32) -> bool {
        self.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &get("/x", &[]))).is_ok()
            && std::iter::from_fn(|| self.next()).any(|frame| {
                // `:status: 200`, by its place in HPACK's table.
                frame.kind == HEADERS && frame.stream == stream && frame.payload[0] == 0x88
            })
    }

    /// Sends these bytes over and over; true if the connection ended before so many times.
    pub(crate) fn is_cut_by(&mut self, times: u32, bytes: impl Fn(u32) -> Vec<u8>) -> bool {
        // What comes is left alone: a client that floods does not read either.
        let sent = (0..times).try_for_each(|round| self.send(&bytes(round)));
        match sent {
            Err(error) => !is_late(&error),
            Ok(()) => self.has_ended(),
        }
    }

    /// True if the other side ends the connection; false if nothing comes for a while.
    fn has_ended(&mut self) -> bool {
        self.0.sock.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        loop {
            match self.0.read(&mut [0; 16_384]) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return !is_late(&error),
            }
        }
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
