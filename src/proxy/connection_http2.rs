//! A connection of HTTP/2: many requests at once, whose responses go out together as far as they are ready together.

use super::client::Client;
use super::connection::accounted;
use super::gather::{Sender, gather};
use super::handle::handle;
use super::http2;
use super::http2_guard::FrameGuard;
use super::watch::{Ending, Watch};
use super::worker::Current;
use http::Request;
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};

/// Serves HTTP/2 on a stream that is ready for it.
pub(super) async fn serve_http2<S>(
    stream: S,
    current: Rc<Current>,
    client: Rc<Client>,
    watch: Rc<Watch>,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    watch.multiplex();
    let (stream, sender, builder) = {
        let worker = current.get();
        let (stream, sender) = gather(FrameGuard::new(stream), &worker.spare);
        (stream, sender, http2::builder(&worker.config.server.limits))
    };
    let service = {
        let watch = Rc::clone(&watch);
        service_fn(move |mut request: Request<Incoming>| {
            let (worker, client) = (current.get(), Rc::clone(&client));
            let has_body = !request.body().is_end_stream();
            let (under_way, is_last) = watch.begin(&worker.config.server.limits, has_body);
            if is_last {
                watch.end(Ending::Gracefully);
            }
            // In a box, since the library moves it several times, and it is long.
            Box::pin(async move {
                http2::as_http1(&mut request);
                let response = handle(&worker, request, &client).await;
                Ok::<_, Infallible>(accounted(response, under_way))
            })
        })
    };
    let connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let turns = Turns { connection, sender };
    let _ = watch
        .drive(std::pin::pin!(turns), |turns| {
            turns.get_mut().connection.as_mut().graceful_shutdown();
        })
        .await;
}

/// A connection that sends at the end of each of its turns what it wrote in it.
struct Turns<C, S> {
    connection: C,
    sender: Sender<S>,
}

impl<C, S> Future for Turns<C, S>
where
    C: Future + Unpin,
    S: AsyncWrite + Unpin,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let ended = Pin::new(&mut self.connection).poll(context).map(|_| ());
        match self.sender.poll_send(context) {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(())) | Poll::Pending => ended,
        }
    }
}
