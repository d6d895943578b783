//! A connection of a client while nothing is asked on it: it keeps its socket, and none of the buffers that HTTP
//! needs. Most connections are idle most of the time.

use super::watch::{Ending, Watch};
use bytes::{Buf as _, Bytes};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// Of the next request, how much is read before there is anything to read it with. Most heads are shorter.
const FIRST_BYTES: usize = 2 << 10;

/// A stream that HTTP can be taken off from and put on again: what was read and not used comes first.
pub(super) struct Restful<S> {
    stream: S,
    unread: Bytes,
    farewell: Farewell,
    watch: Rc<Watch>,
}

/// How a stream ends in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    /// By being closed, which happens as soon as HTTP is at its end.
    Silent,
    /// With words of its own, such as TLS's `close_notify`.
    Spoken,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Restful<S> {
    pub(super) fn new(stream: S, farewell: Farewell, watch: &Rc<Watch>) -> Self {
        Self { stream, unread: Bytes::new(), farewell, watch: Rc::clone(watch) }
    }

    /// The stream itself; nothing of it may be unread.
    pub(super) fn into_inner(self) -> S {
        debug_assert!(self.unread.is_empty());
        self.stream
    }

    /// Waits until there is a reason to put HTTP on again; false if the connection is at its end instead. `unread` is
    /// what HTTP had read and not used.
    pub(super) async fn rest(&mut self, unread: Bytes) -> bool {
        if !unread.is_empty() {
            self.unread = unread;
            self.watch.receive();
            return true;
        }
        // Though empty, it may keep the buffer that it was cut from.
        drop(unread);
        let watch = &Rc::clone(&self.watch);
        let has_more = std::future::poll_fn(|context| match watch.poll_ending(context) {
            Some(Ending::Now) => Poll::Ready(None),
            Some(Ending::Gracefully) => Poll::Ready(Some(false)),
            Some(Ending::AfterNext) | None => self.poll_more(context).map(Some),
        });
        match has_more.await {
            Some(false) if self.farewell == Farewell::Spoken => {
                let _ = watch.drive(std::pin::pin!(self.stream.shutdown()), |_| {}).await;
                false
            }
            has_more => has_more == Some(true),
        }
    }

    /// Reads what there is; false at the end.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let mut bytes = [MaybeUninit::uninit(); FIRST_BYTES];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
        self.unread = Bytes::copy_from_slice(buffer.filled());
        Poll::Ready(read.is_ok() && !self.unread.is_empty())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Restful<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let length = self.unread.len().min(buffer.remaining());
        buffer.put_slice(self.unread.get(..length).unwrap_or_default());
        self.unread.advance(length);
        if self.unread.is_empty() {
            // An empty one could keep what it was cut from.
            self.unread = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Restful<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// HTTP flushes when it has written all that it had.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready() {
            self.watch.flush();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.farewell {
            Farewell::Silent => Poll::Ready(Ok(())),
            Farewell::Spoken => Pin::new(&mut self.stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::watch::{Driven, LULL, Watches, Watching};
    use super::*;
    use crate::config::{self, Limits, Override, Overrides};
    use http::{Request, Response};
    use http_body::Body as _;
    use hyper::body::Incoming;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use std::cell::Cell;
    use std::convert::Infallible;
    use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};

    fn limits() -> Limits {
        let flag = |name, text: &str| Some(Override::from_flag(name, text));
        let overrides = Overrides {
            upstream: flag("--upstream", "http://127.0.0.1:1411"),
            ephemeral_key: flag("--ephemeral-key", "true"),
            ..Overrides::default()
        };
        config::load(&overrides, &[]).unwrap().server.limits
    }

    /// Serves a connection that answers with the path that it was asked for, and counts how often it rested.
    async fn serve(mut stream: Restful<DuplexStream>, watch: Rc<Watch>, rests: Rc<Cell<usize>>) {
        let limits = limits();
        loop {
            let service = service_fn(|request: Request<Incoming>| {
                let (under_way, _) = watch.begin(&limits, !request.body().is_end_stream());
                async move {
                    let path = request.uri().path().to_owned();
                    drop(under_way);
                    Ok::<_, Infallible>(Response::new(path))
                }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let mut connection = Box::pin(connection);
            let driven = watch.drive(connection.as_mut(), |_| {}).await;
            let Driven::Idle = driven else { return };
            rests.set(rests.get() + 1);
            let parts = Pin::into_inner(connection).into_parts();
            stream = parts.io.into_inner();
            if !stream.rest(parts.read_buf).await {
                return;
            }
            watch.rouse();
        }
    }

    struct Served {
        client: DuplexStream,
        watches: Watches,
        watch: Watching,
        rests: Rc<Cell<usize>>,
        task: tokio::task::JoinHandle<()>,
    }

    impl Served {
        fn start(farewell: Farewell) -> Self {
            let (client, server) = duplex(1 << 10);
            let watches = Watches::new(limits());
            let (watch, rests) = (watches.add(), Rc::default());
            let stream = Restful::new(server, farewell, &watch);
            let task = serve(stream, Rc::clone(&watch), Rc::clone(&rests));
            Self { client, watches, watch, rests, task: tokio::task::spawn_local(task) }
        }

        async fn ask(&mut self, head: &str, path: &str) {
            self.client.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            while !answer.ends_with(&format!("\r\n\r\n{path}")) {
                let byte = self.client.read_u8().await.expect("it is still open");
                answer.push(char::from(byte));
            }
        }

        /// Waits until the connection has rested `times` in all.
        async fn rested(&self, times: usize) {
            while self.rests.get() < times {
                tokio::time::sleep(LULL).await;
                self.watches.lull();
                tokio::task::yield_now().await;
            }
        }
    }

    fn on_a_worker(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, test);
    }

    #[test]
    fn a_connection_that_rested_goes_on() {
        on_a_worker(async {
            let mut served = Served::start(Farewell::Silent);
            // Before its first request, too.
            served.rested(1).await;
            served.ask("GET /one HTTP/1.1\r\n\r\n", "/one").await;
            served.rested(2).await;
            let long = format!("GET /two HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(3 * FIRST_BYTES));
            served.ask(&long, "/two").await;
            served.rested(3).await;
            drop(served.client);
            served.task.await.unwrap();
        });
    }

    #[test]
    fn what_came_with_the_request_before_is_not_lost() {
        on_a_worker(async {
            let mut served = Served::start(Farewell::Silent);
            served.ask("GET /one HTTP/1.1\r\n\r\nGET /tw", "/one").await;
            // There is half a head, so HTTP is put on again at once, and stays.
            served.rested(1).await;
            for _ in 0..5 {
                tokio::time::sleep(LULL).await;
                served.watches.lull();
            }
            assert_eq!(served.rests.get(), 1);
            served.ask("o HTTP/1.1\r\n\r\n", "/two").await;
        });
    }

    #[test]
    fn a_body_that_may_not_have_been_read_whole_keeps_http_on() {
        on_a_worker(async {
            let mut served = Served::start(Farewell::Silent);
            served.ask("POST /one HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc", "/one").await;
            for _ in 0..5 {
                tokio::time::sleep(LULL).await;
                served.watches.lull();
            }
            assert_eq!(served.rests.get(), 0);
            served.ask("GET /two HTTP/1.1\r\n\r\n", "/two").await;
            served.rested(1).await;
        });
    }

    #[test]
    fn a_resting_connection_ends_when_it_is_told_to() {
        for (farewell, ending) in [
            (Farewell::Silent, Ending::Now),
            (Farewell::Silent, Ending::Gracefully),
            (Farewell::Spoken, Ending::Gracefully),
        ] {
            on_a_worker(async {
                let mut served = Served::start(farewell);
                served.ask("GET /one HTTP/1.1\r\n\r\n", "/one").await;
                served.rested(1).await;
                served.watch.end(Ending::AfterNext);
                tokio::task::yield_now().await;
                assert!(!served.task.is_finished(), "a request may be on its way");
                served.watch.end(ending);
                served.task.await.unwrap();
                let mut rest = Vec::new();
                served.client.read_to_end(&mut rest).await.unwrap();
                assert_eq!(rest, b"");
            });
        }
    }
}
