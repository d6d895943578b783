//! Bodies in both directions: nothing, bytes, or a stream that is passed on frame by frame.

use super::deadline::{Deadline, Deadlines};
use super::pool::Lease;
use super::trace::Trace;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tracing::warn;

/// A body on its way.
#[derive(Default)]
pub(super) enum Body {
    /// No body.
    #[default]
    Empty,
    /// Bytes that are at hand.
    Full(Bytes),
    /// A stream, passed on as it comes. In a box, since bodies are moved several times on their way.
    Streaming(Box<Streaming>),
    /// What came of a stream before it broke: passed on so far, then broken likewise.
    Broken(Broken),
}

/// A stream from the other side.
pub(super) struct Streaming {
    /// Bytes that were read ahead.
    ahead: Option<Bytes>,
    incoming: Incoming,
    from: From,
    pause: Pause,
}

/// Where a stream comes from.
enum From {
    Client(Rc<Upload>),
    /// The connection is free again with the last byte.
    Upstream(Lease, Trace),
    /// From a connection that has been given back, or closed.
    Nowhere,
}

/// How far a client's body is, seen from where its response is waited for.
pub(super) struct Upload {
    deadlines: Rc<Deadlines>,
    idle: Duration,
    broken: Cell<bool>,
    stalled: Cell<bool>,
    moved: Cell<bool>,
    waiting: Cell<bool>,
}

impl Upload {
    /// True if the body broke, which is the client's fault and not the upstream's.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// True if the client sent nothing for too long, though it was waited for.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled.get()
    }

    /// True if the client did not bring its body to an end.
    pub(super) fn has_failed(&self) -> bool {
        self.is_broken() || self.is_stalled()
    }

    /// True if the body went on since this was asked last.
    pub(super) fn has_moved(&self) -> bool {
        self.moved.take()
    }

    /// True while all that came has been taken, and more is to come.
    pub(super) fn waits_for_client(&self) -> bool {
        self.waiting.get()
    }
}

/// A pause in a stream, which must not be too long.
#[derive(Default)]
struct Pause {
    /// Made when there is a first one: most bodies have none.
    deadline: Option<Deadline>,
    is_going_on: bool,
}

impl Pause {
    /// Ready once it was too long.
    fn poll_over(&mut self, from: &From, context: &Context<'_>) -> Poll<()> {
        let (make, due): (&dyn Fn() -> Deadline, &dyn Fn(Instant) -> Instant) = match from {
            From::Client(upload) => (&|| upload.deadlines.add(), &|now| now + upload.idle),
            From::Upstream(lease, _) => (&|| lease.deadline(), &|now| lease.patience(now)),
            From::Nowhere => return Poll::Pending,
        };
        let deadline = self.deadline.get_or_insert_with(make);
        if !std::mem::replace(&mut self.is_going_on, true) {
            deadline.set(due(Instant::now()));
        }
        deadline.poll_passed(context)
    }

    /// True if there was a pause.
    fn was_any(&self) -> bool {
        self.deadline.is_some()
    }

    /// Something came.
    fn end(&mut self) {
        if std::mem::take(&mut self.is_going_on)
            && let Some(deadline) = &self.deadline
        {
            deadline.rest();
        }
    }
}

/// The end of a stream that broke.
#[derive(Default)]
pub(super) struct Broken {
    /// Bytes that were read before it broke.
    ahead: Option<Bytes>,
    /// Raised once there was time to send what came before.
    paused: bool,
}

/// A stream that did not come to its end: the other side broke off, or sent what is no HTTP.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off")]
pub(super) struct BrokenOff;

impl Body {
    /// A client's body in which there may be pauses of `idle`, and how far it is; `None` for a request without one.
    pub(super) fn of_client(
        incoming: Incoming,
        deadlines: &Rc<Deadlines>,
        idle: Duration,
    ) -> (Self, Option<Rc<Upload>>) {
        if incoming.is_end_stream() {
            return (Self::Empty, None);
        }
        let upload = Rc::new(Upload {
            deadlines: Rc::clone(deadlines),
            idle,
            broken: Cell::default(),
            stalled: Cell::default(),
            moved: Cell::default(),
            waiting: Cell::default(),
        });
        (Self::streaming(incoming, From::Client(Rc::clone(&upload))), Some(upload))
    }

    /// An upstream's body, with the connection that it comes over.
    pub(super) fn of_upstream(incoming: Incoming, lease: Lease, trace: Trace) -> Self {
        if incoming.is_end_stream() {
            lease.give_back(true);
            return Self::Empty;
        }
        Self::streaming(incoming, From::Upstream(lease, trace))
    }

    fn streaming(incoming: Incoming, from: From) -> Self {
        let pause = Pause::default();
        Self::Streaming(Box::new(Streaming { ahead: None, incoming, from, pause }))
    }

    /// Reads the body to its end, if that comes within `limit` bytes. Otherwise what was read stands before
    /// the rest, and nothing is lost.
    pub(super) async fn read(self, limit: usize) -> ReadAhead {
        let mut streaming = match self {
            Self::Empty => return ReadAhead::Whole(Bytes::new()),
            Self::Full(bytes) => return ReadAhead::Whole(bytes),
            Self::Broken(_) => return ReadAhead::Rest(self),
            Self::Streaming(streaming) => streaming,
        };
        let mut chunks = Chunks::default();
        if streaming.size_hint().lower() > limit as u64 {
            return ReadAhead::Rest(Self::Streaming(streaming));
        }
        loop {
            let frame = std::future::poll_fn(|context| streaming.poll_frame(context)).await;
            match frame {
                None => return ReadAhead::Whole(chunks.join()),
                Some(Ok(frame)) => {
                    // Trailers of a body that is rewritten describe what it was: they go.
                    if let Ok(data) = frame.into_data() {
                        chunks.push(data);
                    }
                    if chunks.bytes > limit {
                        streaming.ahead = Some(chunks.join());
                        return ReadAhead::Rest(Self::Streaming(streaming));
                    }
                }
                Some(Err(_)) => {
                    let ahead = Some(chunks.join());
                    return ReadAhead::Rest(Self::Broken(Broken { ahead, paused: false }));
                }
            }
        }
    }
}

/// What came of reading a body ahead.
pub(super) enum ReadAhead {
    /// All of it.
    Whole(Bytes),
    /// It is too long, or broke: a body that gives what was read, and then the rest or the break.
    Rest(Body),
}

/// The pieces of a body; one piece is the body without a copy.
#[derive(Default)]
struct Chunks {
    first: Bytes,
    more: Vec<Bytes>,
    bytes: usize,
}

impl Chunks {
    fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        if self.first.is_empty() {
            self.first = piece;
        } else {
            self.more.push(piece);
        }
    }

    fn join(self) -> Bytes {
        if self.more.is_empty() {
            return self.first;
        }
        let mut all = Vec::with_capacity(self.bytes);
        all.extend_from_slice(&self.first);
        self.more.iter().for_each(|piece| all.extend_from_slice(piece));
        all.into()
    }
}

impl Streaming {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if let Some(bytes) = self.ahead.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let Self { incoming, from, .. } = &mut *self;
        let polled = match from {
            From::Upstream(lease, _) => {
                lease.poll_after(context, |context| Pin::new(&mut *incoming).poll_frame(context))
            }
            From::Client(_) | From::Nowhere => Pin::new(incoming).poll_frame(context),
        };
        let mut frame = match polled {
            Poll::Ready(frame) => frame.map(|frame| frame.map_err(|_| BrokenOff)),
            Poll::Pending => {
                if let From::Client(upload) = &self.from {
                    upload.waiting.set(true);
                }
                let Self { from, pause, .. } = &mut *self;
                ready!(pause.poll_over(from, context));
                from.stall();
                Some(Err(BrokenOff))
            }
        };
        self.pause.end();
        if let From::Client(upload) = &self.from {
            upload.moved.set(true);
            upload.waiting.set(false);
            upload.broken.set(matches!(frame, Some(Err(_))));
            if let Some(Ok(Some(trailers))) =
                frame.as_mut().map(|frame| frame.as_mut().map(Frame::trailers_mut))
            {
                // Fields that no client may set.
                super::headers::strip_spoofed(trailers);
            }
            return Poll::Ready(frame);
        }
        if matches!(frame, Some(Err(_))) {
            // A connection on which a body broke is in no known state.
            self.from = From::Nowhere;
        } else if (frame.is_none() || self.incoming.is_end_stream())
            && let From::Upstream(lease, _) = std::mem::replace(&mut self.from, From::Nowhere)
        {
            lease.give_back(!self.pause.was_any());
        }
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.ahead.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let rest = self.incoming.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(ahead + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(ahead + upper);
        }
        hint
    }
}

impl From {
    /// Notes that there was nothing for too long.
    fn stall(&self) {
        match self {
            Self::Client(upload) => upload.stalled.set(true),
            Self::Upstream(lease, trace) => {
                lease.count_stall();
                warn!(
                    trace_id = %trace,
                    "the upstream stalled in the middle of a response: it is cut off there; see \
                     upstream.timeouts.body_idle and total"
                );
            }
            Self::Nowhere => {}
        }
    }
}

impl Broken {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if let Some(bytes) = self.ahead.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        // A failed body makes hyper drop what it has not sent yet, be it the head: it sends that when a body
        // lets it wait.
        if !std::mem::replace(&mut self.paused, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(BrokenOff)))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut *self {
            Self::Streaming(streaming) => {
                let frame = ready!(streaming.poll_frame(context));
                if !matches!(frame, Some(Err(_))) {
                    return Poll::Ready(frame);
                }
                *self = Self::Broken(Broken::default());
                self.poll_frame(context)
            }
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Broken(broken) => broken.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Streaming(streaming) => {
                streaming.ahead.is_none() && streaming.incoming.is_end_stream()
            }
            Self::Broken(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streaming(streaming) => streaming.size_hint(),
            Self::Broken(_) => SizeHint::default(),
        }
    }
}
