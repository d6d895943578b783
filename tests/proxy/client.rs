//! A client that sends exactly the bytes that it is given, and reads exactly what comes.

use crate::gate::BOUND;
use crate::http1::{End, Head, Reader, latin1};
use crate::wire::Wire;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};

/// One connection to kidstamp.
pub(crate) struct Client {
    wire: Wire,
    reader: Reader,
}

/// A response, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: Head,
    /// Without its framing.
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    pub(crate) end: End,
}

/// A socket on which nothing waits forever.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("kidstamp accepts connections");
    stream.set_read_timeout(Some(BOUND)).unwrap();
    stream.set_write_timeout(Some(BOUND)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(connect(address))
    }

    /// Over a connection that stands.
    pub(crate) fn over(wire: impl Into<Wire>) -> Self {
        let wire = wire.into();
        Self { reader: Reader::new(wire.clone()), wire }
    }

    /// Sends bytes. That the other side does not want them is seen by what it answers.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.wire.write_all(bytes.as_ref());
        self
    }

    /// The same connection, to be written to elsewhere.
    pub(crate) fn try_clone(&self) -> Self {
        Self::over(self.wire.clone())
    }

    /// Sends no more.
    pub(crate) fn finish(&mut self) -> &mut Self {
        self.wire.finish();
        self
    }

    /// The next response to anything but HEAD.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Response {
        self.try_response().expect("there is a response")
    }

    /// The next response to anything but HEAD; `None` if the connection ends before.
    pub(crate) fn try_response(&mut self) -> Option<Response> {
        let mut response = self.response_head()?;
        let mut body = Vec::new();
        (response.end, response.trailers) =
            self.body(&response, &mut |bytes| body.extend_from_slice(bytes));
        response.body = body;
        Some(response)
    }

    /// The head of the next response; also all of one to HEAD.
    pub(crate) fn response_head(&mut self) -> Option<Response> {
        let head = self.reader.head()?;
        let status = head.line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{:?} has no status", head.line));
        let (body, trailers) = (Vec::new(), Vec::new());
        Some(Response { status, head, body, trailers, end: End::Complete })
    }

    /// The body after [`Client::response_head`], given to `sink` as it comes.
    pub(crate) fn body(
        &mut self,
        response: &Response,
        sink: &mut dyn FnMut(&[u8]),
    ) -> (End, Vec<(String, String)>) {
        let head = &response.head;
        if response.status < 200 || matches!(response.status, 204 | 304) {
            (End::Complete, Vec::new())
        } else if head.is_chunked() {
            self.reader.chunked(sink)
        } else if let Some(length) = head.get("content-length") {
            (self.reader.sized(length.parse().expect("a length"), sink), Vec::new())
        } else {
            (self.reader.until_closed(sink), Vec::new())
        }
    }

    /// Exactly so many bytes of a body, as soon as they are there.
    pub(crate) fn bytes(&mut self, count: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.reader.sized(count, &mut |more| bytes.extend_from_slice(more));
        bytes
    }

    /// Waits until kidstamp closes the connection; what came before that.
    pub(crate) fn rest(&mut self) -> String {
        latin1(&self.reader.rest())
    }

    /// `GET path` under the provider's name, and its response.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: idp.test\r\n\r\n")).response()
    }

    /// `POST path` with a form, and its response.
    #[track_caller]
    pub(crate) fn post_form(&mut self, path: &str, form: &str) -> Response {
        let length = form.len();
        self.send(format!(
            "POST {path} HTTP/1.1\r\nHost: idp.test\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\n\r\n{form}"
        ))
        .response()
    }
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.get(name)
    }

    pub(crate) fn text(&self) -> String {
        latin1(&self.body)
    }

    /// Kidstamp's own answer with that status and that word.
    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, error: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let json: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(json["error"], error, "{json}");
        assert_eq!(json["request_id"].as_str().map(str::len), Some(32), "{json}");
        assert!(json["error_description"].as_str().is_some_and(|text| !text.is_empty()));
    }
}
