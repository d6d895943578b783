//! HTTP/1.1 messages read from a socket to the byte, by an implementation that has nothing in common with kidstamp's.

use crate::wire::Wire;
use std::io::{self, Read as _};

/// The longest head that is read.
const MAX_HEAD: usize = 1 << 20;

/// A socket with what was read of it and not used yet.
pub(crate) struct Reader {
    stream: Wire,
    ahead: Vec<u8>,
}

/// The head of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// All of its bytes, with the empty line.
    pub(crate) raw: Vec<u8>,
    /// The first line.
    pub(crate) line: String,
    /// Names and values in their order, as they came.
    pub(crate) fields: Vec<(String, String)>,
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As its framing says.
    Complete,
    /// Before that.
    Broken,
}

impl Reader {
    pub(crate) fn new(stream: impl Into<Wire>) -> Self {
        Self { stream: stream.into(), ahead: Vec::new() }
    }

    /// Everything that is there up to the end, and what has been read already.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.more().is_ok_and(|count| count > 0) {}
        std::mem::take(&mut self.ahead)
    }

    fn more(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 65_536];
        let count = self.stream.read(&mut buffer)?;
        self.ahead.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    /// The next head; `None` where the other side closed before it was whole.
    pub(crate) fn head(&mut self) -> Option<Head> {
        let mut seen = 0;
        loop {
            if let Some(at) = find(&self.ahead[seen..], b"\r\n\r\n") {
                let raw: Vec<u8> = self.ahead.drain(..seen + at + 4).collect();
                return Some(Head::parse(raw));
            }
            seen = self.ahead.len().saturating_sub(3);
            if self.ahead.len() > MAX_HEAD || !self.more().is_ok_and(|count| count > 0) {
                return None;
            }
        }
    }

    /// Exactly `length` bytes, given to `sink` as they come.
    pub(crate) fn sized(&mut self, mut length: u64, sink: &mut dyn FnMut(&[u8])) -> End {
        while length > 0 {
            if self.ahead.is_empty() && !self.more().is_ok_and(|count| count > 0) {
                return End::Broken;
            }
            let count = usize::try_from(length).unwrap_or(usize::MAX).min(self.ahead.len());
            sink(&self.ahead[..count]);
            self.ahead.drain(..count);
            length -= count as u64;
        }
        End::Complete
    }

    /// A chunked body: what is in the chunks goes to `sink`; the trailer fields are returned.
    pub(crate) fn chunked(&mut self, sink: &mut dyn FnMut(&[u8])) -> (End, Vec<(String, String)>) {
        let broken = (End::Broken, Vec::new());
        loop {
            let Some(line) = self.line() else { return broken };
            let size = line.split(';').next().unwrap_or_default().trim();
            let Ok(size) = u64::from_str_radix(size, 16) else { return broken };
            if size == 0 {
                let mut trailers = Vec::new();
                loop {
                    match self.line() {
                        None => return (End::Broken, trailers),
                        Some(line) if line.is_empty() => return (End::Complete, trailers),
                        Some(line) => trailers.push(field(&line)),
                    }
                }
            }
            if self.sized(size, sink) == End::Broken || self.line().as_deref() != Some("") {
                return broken;
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = find(&self.ahead, b"\r\n") {
                let line: Vec<u8> = self.ahead.drain(..at + 2).collect();
                return Some(latin1(&line[..at]));
            }
            if !self.more().is_ok_and(|count| count > 0) {
                return None;
            }
        }
    }

    /// Up to the end of the connection. A reset is an end that is no end.
    pub(crate) fn until_closed(&mut self, sink: &mut dyn FnMut(&[u8])) -> End {
        loop {
            sink(&self.ahead);
            self.ahead.clear();
            match self.more() {
                Ok(0) => return End::Complete,
                Ok(_) => {}
                Err(_) => return End::Broken,
            }
        }
    }
}

impl Head {
    fn parse(raw: Vec<u8>) -> Self {
        let text = latin1(&raw);
        let mut lines = text.trim_end_matches("\r\n").split("\r\n").map(str::to_owned);
        let line = lines.next().unwrap_or_default();
        let fields = lines.map(|line| field(&line)).collect();
        Self { line, fields, raw }
    }

    /// The values of the fields of that name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of the only field of that name; `None` if there is none.
    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} stands {} times in {self:?}", all.len());
        all.first().copied()
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.all("transfer-encoding").iter().any(|value| value.eq_ignore_ascii_case("chunked"))
    }
}

/// Bytes as characters of the same number, so that nothing is lost.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())
}

pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
