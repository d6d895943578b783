//! A provider that answers as a healthy one does, until it is told to misbehave.

use crate::gate::{BOUND, Gate, eventually};
use crate::http1::{End, Head, Reader, latin1};
use crate::tokens::{self, Key};
use std::collections::HashMap;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// The provider, on a port of its own. Ends with the test.
pub(crate) struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<HashMap<String, Answer>>,
    requests: Mutex<Vec<Request>>,
    /// By connection: every byte that came over it, but the bodies that are only digested.
    received: Mutex<Vec<Vec<u8>>>,
    ended: AtomicBool,
}

/// A request, as it reached the provider.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The number of the connection.
    pub(crate) connection: usize,
    pub(crate) head: Head,
    /// Without its framing.
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    pub(crate) end: End,
}

/// How a path is answered: a sequence of deeds.
#[derive(Clone, Default)]
pub(crate) struct Answer {
    steps: Vec<Step>,
    /// Digest the request's body instead of keeping it, and answer with the digest.
    digests: bool,
    /// Begin before the request's body has come.
    early: bool,
}

#[derive(Clone)]
enum Step {
    Send(Vec<u8>),
    Repeat(Vec<u8>, usize),
    Trickle(Vec<u8>, usize),
    Wait(Gate),
    Open(Gate),
    Close,
    Reset,
}

impl Answer {
    /// Exactly these bytes.
    pub(crate) fn raw(bytes: impl AsRef<[u8]>) -> Self {
        Self::default().then(bytes)
    }

    /// 200 with this body.
    pub(crate) fn ok(content_type: &str, body: impl AsRef<[u8]>) -> Self {
        let length = body.as_ref().len();
        Self::raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        ))
        .then(body)
    }

    pub(crate) fn json(body: impl AsRef<[u8]>) -> Self {
        Self::ok("application/json", body)
    }

    /// Nothing; something may follow.
    pub(crate) fn nothing() -> Self {
        Self::default()
    }

    /// 200 with `BYTES SHA-256` of the request's body, which is not kept.
    pub(crate) fn digest() -> Self {
        Self { digests: true, ..Self::default() }
    }

    pub(crate) fn then(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.steps.push(Step::Send(bytes.as_ref().to_vec()));
        self
    }

    pub(crate) fn then_answer(mut self, answer: Self) -> Self {
        self.steps.extend(answer.steps);
        self
    }

    pub(crate) fn then_repeat(mut self, bytes: impl AsRef<[u8]>, times: usize) -> Self {
        self.steps.push(Step::Repeat(bytes.as_ref().to_vec(), times));
        self
    }

    /// The same piece so many times, slowly.
    pub(crate) fn then_trickle(mut self, bytes: impl AsRef<[u8]>, times: usize) -> Self {
        self.steps.push(Step::Trickle(bytes.as_ref().to_vec(), times));
        self
    }

    pub(crate) fn then_wait(mut self, gate: &Gate) -> Self {
        self.steps.push(Step::Wait(gate.clone()));
        self
    }

    /// Tells the test that it has come this far.
    pub(crate) fn then_open(mut self, gate: &Gate) -> Self {
        self.steps.push(Step::Open(gate.clone()));
        self
    }

    pub(crate) fn then_close(mut self) -> Self {
        self.steps.push(Step::Close);
        self
    }

    pub(crate) fn then_reset(mut self) -> Self {
        self.steps.push(Step::Reset);
        self
    }

    /// All of it, once the gate is open.
    pub(crate) fn after(mut self, gate: &Gate) -> Self {
        self.steps.insert(0, Step::Wait(gate.clone()));
        self
    }

    /// Without waiting for the request's body.
    pub(crate) fn early(mut self) -> Self {
        self.early = true;
        self
    }
}

impl Upstream {
    /// One RSA key without `kid`, tokens without `kid`, the issuer `https://idp.test`.
    pub(crate) fn start() -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// On a listener that is there already, but was not served yet.
    pub(crate) fn at(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let upstream = Self { address, shared: Arc::default() };
        upstream.on("/.well-known/openid-configuration", Answer::json(tokens::discovery()));
        upstream.publish(&[Key::idp().jwk("")]);
        upstream.issue(&tokens::id_token());
        let shared = Arc::clone(&upstream.shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                thread::spawn(move || Connection::new(stream.unwrap(), shared).serve());
            }
        });
        upstream
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers `path`, whatever the query, like this from now on.
    pub(crate) fn on(&self, path: &str, answer: Answer) -> &Self {
        self.shared.answers.lock().unwrap().insert(path.to_owned(), answer);
        self
    }

    /// Publishes these keys.
    pub(crate) fn publish(&self, jwks: &[String]) -> &Self {
        self.on("/jwks.json", Answer::json(format!("{{\"keys\":[{}]}}", jwks.join(","))))
    }

    /// Answers at the token endpoint with this ID token.
    pub(crate) fn issue(&self, id_token: &str) -> &Self {
        self.on("/token", Answer::json(tokens::token_response(id_token)))
    }

    /// The requests so far, but kidstamp's own.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let requests = self.shared.requests.lock().unwrap();
        requests.iter().filter(|request| !request.is_own()).cloned().collect()
    }

    /// Kidstamp's own requests for a document.
    pub(crate) fn fetches_of(&self, path: &str) -> Vec<Request> {
        let requests = self.shared.requests.lock().unwrap();
        requests.iter().filter(|r| r.is_own() && r.path() == path).cloned().collect()
    }

    /// The one request so far that was passed on.
    #[track_caller]
    pub(crate) fn request(&self) -> Request {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "one request at the upstream: {requests:?}");
        requests.into_iter().next().unwrap()
    }

    /// Everything that came over any connection.
    pub(crate) fn received(&self) -> String {
        latin1(&self.shared.received.lock().unwrap().concat())
    }

    /// Waits until these bytes have come.
    #[track_caller]
    pub(crate) fn await_bytes(&self, bytes: &str) {
        eventually("the upstream gets the bytes", || self.received().contains(bytes).then_some(()));
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Request {
    pub(crate) fn target(&self) -> &str {
        self.head.line.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.get(name)
    }

    /// What is passed on has kidstamp's `Via`; what it fetches itself has none.
    fn is_own(&self) -> bool {
        !self.head.all("via").iter().any(|via| via.contains("kidstamp"))
    }
}

struct Connection {
    stream: TcpStream,
    reader: Reader,
    shared: Arc<Shared>,
    number: usize,
}

impl Connection {
    fn new(stream: TcpStream, shared: Arc<Shared>) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(BOUND)).unwrap();
        let number = {
            let mut received = shared.received.lock().unwrap();
            received.push(Vec::new());
            received.len() - 1
        };
        Self { reader: Reader::new(stream.try_clone().unwrap()), stream, shared, number }
    }

    fn serve(mut self) {
        while let Some(head) = self.reader.head() {
            self.note(&head.raw);
            let mut request = Request {
                connection: self.number,
                head,
                body: Vec::new(),
                trailers: Vec::new(),
                end: End::Complete,
            };
            let mut answer = self.answer(&request);
            if !answer.early {
                if let Some(digest) = self.read_body(&mut request, answer.digests) {
                    answer.steps = Answer::ok("text/plain", digest).steps;
                }
                self.shared.requests.lock().unwrap().push(request.clone());
                if request.end == End::Broken {
                    return;
                }
            } else {
                self.shared.requests.lock().unwrap().push(request.clone());
            }
            let goes_on = self.perform(&answer.steps);
            if !goes_on {
                return;
            }
            if answer.early {
                self.read_body(&mut request, false);
            }
        }
    }

    fn answer(&self, request: &Request) -> Answer {
        let set = self.shared.answers.lock().unwrap().get(request.path()).cloned();
        set.unwrap_or_else(|| {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n";
            let is_head = request.head.line.starts_with("HEAD ");
            Answer::raw(head).then(if is_head { "" } else { "ok" })
        })
    }

    fn read_body(&mut self, request: &mut Request, digests: bool) -> Option<String> {
        let shared = Arc::clone(&self.shared);
        let number = self.number;
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        let mut length = 0_u64;
        let body = &mut request.body;
        let mut sink = |bytes: &[u8]| {
            if digests {
                context.update(bytes);
                length += bytes.len() as u64;
            } else {
                body.extend_from_slice(bytes);
                shared.received.lock().unwrap()[number].extend_from_slice(bytes);
            }
        };
        if request.head.is_chunked() {
            (request.end, request.trailers) = self.reader.chunked(&mut sink);
        } else if let Some(text) = request.head.all("content-length").first() {
            request.end = self.reader.sized(text.parse().unwrap(), &mut sink);
        }
        digests.then(|| format!("{length} {}", tokens::hex(context.finish().as_ref())))
    }

    fn note(&self, bytes: &[u8]) {
        self.shared.received.lock().unwrap()[self.number].extend_from_slice(bytes);
    }

    /// Does the steps; false once the connection is at its end.
    fn perform(&mut self, steps: &[Step]) -> bool {
        let mut goes_on = true;
        for step in steps {
            let written = match step {
                Step::Send(bytes) => self.stream.write_all(bytes),
                Step::Repeat(bytes, times) => {
                    (0..*times).try_for_each(|_| self.stream.write_all(bytes))
                }
                Step::Trickle(bytes, times) => (0..*times).try_for_each(|_| {
                    thread::sleep(std::time::Duration::from_millis(20));
                    self.stream.write_all(bytes)
                }),
                Step::Wait(gate) => {
                    gate.wait();
                    Ok(())
                }
                Step::Open(gate) => {
                    gate.open();
                    Ok(())
                }
                Step::Close => {
                    let _ = self.stream.shutdown(std::net::Shutdown::Both);
                    goes_on = false;
                    Ok(())
                }
                Step::Reset => {
                    let stream = self.stream.try_clone().unwrap();
                    let socket = tokio::net::TcpSocket::from_std_stream(stream);
                    socket.set_zero_linger().unwrap();
                    return false;
                }
            };
            if written.is_err() {
                return false;
            }
        }
        goes_on
    }
}
