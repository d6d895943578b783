//! What HTTP/2 writes in one turn of a connection, gathered into one write.
//!
//! The library writes and flushes each response on its own, be many ready at once: each is a record of TLS and a
//! system call. Here what it writes waits until its turn is over, and no longer; where there is more than fits, what
//! is there goes first.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What waits at most: two full records of TLS.
const ROOM: usize = 32 << 10;

/// A stream that gathers what is written, for who writes.
pub(super) struct Gathered<S>(Rc<RefCell<Gathering<S>>>);

/// The same stream, for who knows when a turn is over.
pub(super) struct Sender<S>(Rc<RefCell<Gathering<S>>>);

/// Room that no connection uses at the moment: all of a worker share it, since hardly any needs it beyond its turn.
#[derive(Default)]
pub(super) struct Spare(Cell<Vec<u8>>);

struct Gathering<S> {
    stream: S,
    spare: Rc<Spare>,
    waiting: Vec<u8>,
    /// How much of that was written.
    written: usize,
    /// Something was written, but not flushed.
    unflushed: bool,
}

/// Both ends of `stream`.
pub(super) fn gather<S>(stream: S, spare: &Rc<Spare>) -> (Gathered<S>, Sender<S>) {
    let (spare, waiting) = (Rc::clone(spare), Vec::new());
    let gathering = Gathering { stream, spare, waiting, written: 0, unflushed: false };
    let gathering = Rc::new(RefCell::new(gathering));
    (Gathered(Rc::clone(&gathering)), Sender(gathering))
}

impl<S: AsyncWrite + Unpin> Sender<S> {
    /// Sends what waits. If the other end does not take it now, whoever asks is woken when it does.
    pub(super) fn poll_send(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_send(context)
    }
}

impl<S: AsyncWrite + Unpin> Gathering<S> {
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.waiting.get(self.written..) {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
            self.unflushed = true;
        }
        self.written = 0;
        if self.waiting.capacity() > 0 {
            self.waiting.clear();
            self.spare.0.set(std::mem::take(&mut self.waiting));
        }
        if self.unflushed {
            // TLS takes bytes that the socket has not taken yet.
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// How many bytes more may wait; more than none, once it is ready.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.waiting.len() >= ROOM {
            ready!(self.poll_send(context))?;
        }
        Poll::Ready(Ok(ROOM - self.waiting.len()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut gathering = self.0.borrow_mut();
        let room = ready!(gathering.poll_room(context))?;
        if gathering.waiting.capacity() == 0 {
            gathering.waiting = gathering.spare.0.take();
        }
        let mut taken = 0;
        for slice in slices {
            let count = slice.len().min(room - taken);
            gathering.waiting.extend_from_slice(slice.get(..count).unwrap_or_default());
            taken += count;
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// It is the end of the turn that flushes.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathering = self.0.borrow_mut();
        ready!(gathering.poll_send(context))?;
        Pin::new(&mut gathering.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::Waker;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter, duplex};

    /// Writes that reached the stream, which takes at most `takes` bytes at a time.
    #[derive(Default)]
    struct Sink {
        writes: Vec<Vec<u8>>,
        flushes: usize,
        takes: usize,
        is_full: bool,
    }

    impl AsyncWrite for Sink {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.is_full {
                return Poll::Pending;
            }
            let count = bytes.len().min(self.takes);
            self.writes.push(bytes[..count].to_vec());
            Poll::Ready(Ok(count))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.flushes += 1;
            if self.is_full { Poll::Pending } else { Poll::Ready(Ok(())) }
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn sink(takes: usize) -> (Gathered<Sink>, Sender<Sink>) {
        gather(Sink { takes, ..Sink::default() }, &Rc::default())
    }

    fn write(stream: &mut Gathered<Sink>, bytes: &[u8]) -> Poll<usize> {
        let mut context = Context::from_waker(Waker::noop());
        let (head, tail) = bytes.split_at(bytes.len() / 2);
        let slices = [IoSlice::new(head), IoSlice::new(tail)];
        let written = Pin::new(&mut *stream).poll_write_vectored(&mut context, &slices);
        assert!(Pin::new(stream).poll_flush(&mut context).is_ready());
        written.map(Result::unwrap)
    }

    fn send(sender: &Sender<Sink>) -> Poll<io::Result<()>> {
        sender.poll_send(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn what_a_turn_writes_is_one_write() {
        let (mut stream, sender) = sink(usize::MAX);
        for response in [&b"first"[..], b"second", b"third"] {
            assert_eq!(write(&mut stream, response), Poll::Ready(response.len()));
        }
        assert!(sender.0.borrow().stream.writes.is_empty());
        assert!(matches!(send(&sender), Poll::Ready(Ok(()))));
        assert!(matches!(send(&sender), Poll::Ready(Ok(()))));
        assert_eq!(sender.0.borrow().stream.writes, [b"firstsecondthird".to_vec()]);
        assert_eq!(sender.0.borrow().stream.flushes, 1);
    }

    #[test]
    fn what_is_not_taken_waits_and_no_more_than_there_is_room_for_is_accepted() {
        let (mut stream, sender) = sink(10_000);
        sender.0.borrow_mut().stream.is_full = true;
        let all = [7; ROOM + 1_000];
        assert_eq!(write(&mut stream, &all), Poll::Ready(ROOM));
        assert_eq!(write(&mut stream, &all), Poll::Pending);
        assert!(send(&sender).is_pending());
        sender.0.borrow_mut().stream.is_full = false;
        assert_eq!(write(&mut stream, &all[ROOM..]), Poll::Ready(1_000));
        assert!(matches!(send(&sender), Poll::Ready(Ok(()))));
        let sizes: Vec<_> = sender.0.borrow().stream.writes.iter().map(Vec::len).collect();
        assert_eq!(sizes, [10_000, 10_000, 10_000, ROOM - 30_000, 1_000]);
    }

    #[test]
    fn a_stream_that_takes_nothing_any_more_is_an_error() {
        let (mut stream, sender) = sink(0);
        assert_eq!(write(&mut stream, b"x"), Poll::Ready(1));
        assert!(matches!(send(&sender), Poll::Ready(Err(_))));
    }

    #[test]
    fn bytes_that_were_taken_but_not_flushed_are_flushed_later() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (near, mut far) = duplex(4);
            let (mut stream, sender) = gather(BufWriter::new(near), &Rc::default());
            stream.write_all(b"12345678").await.unwrap();
            let pending = sender.poll_send(&mut Context::from_waker(Waker::noop()));
            assert!(pending.is_pending() && sender.0.borrow().waiting.is_empty());
            let mut received = [0; 8];
            let (sent, read) = tokio::join!(
                poll_fn(|context| sender.poll_send(context)),
                far.read_exact(&mut received)
            );
            assert!(sent.is_ok() && read.is_ok());
            assert_eq!(&received, b"12345678");
        });
    }

    #[test]
    fn the_room_is_kept_by_the_worker_and_not_by_each_connection() {
        let spare = Rc::new(Spare::default());
        let sink = || Sink { takes: usize::MAX, ..Sink::default() };
        let ((mut one, first), (mut other, second)) =
            (gather(sink(), &spare), gather(sink(), &spare));
        assert_eq!(write(&mut one, &[1; 5_000]), Poll::Ready(5_000));
        assert_eq!(write(&mut other, &[2; 10]), Poll::Ready(10));
        assert!(send(&second).is_ready() && send(&first).is_ready());
        assert_eq!(second.0.borrow().stream.writes, [vec![2; 10]]);
        let (kept, room) = (first.0.borrow().waiting.capacity(), spare.0.take().capacity());
        assert!(kept == 0 && room >= 5_000);
    }

    #[test]
    fn a_shutdown_sends_what_waits() {
        let (mut stream, sender) = sink(usize::MAX);
        assert_eq!(write(&mut stream, b"goodbye"), Poll::Ready(7));
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut stream).poll_shutdown(&mut context).is_ready());
        assert_eq!(sender.0.borrow().stream.writes, [b"goodbye".to_vec()]);
    }
}
