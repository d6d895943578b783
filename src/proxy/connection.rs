//! One connection of a client, from the first byte to the last.

use super::body::{Body, BrokenOff};
use super::client::Client;
use super::connection_http2::serve_http2;
use super::connections::Open;
use super::handle::handle;
use super::proxy_protocol::{self, Source};
use super::rest::{Farewell, Restful};
use super::stream::Watched;
use super::tls::{FrontTls, HTTP2};
use super::transport::Transport;
use super::watch::{Driven, UnderWay, Watch, Watching};
use super::worker::{Current, Worker};
use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::server::TlsStream;
use tracing::debug;

/// The longest piece that the body of a request is read in; hyper begins with 8 KiB and comes to this where as much is
/// there. Sockets hold more than a mebibyte of a large upload, and the fewer the pieces, the less it costs. About as
/// much of a response may wait for a client that is slow.
const MAX_REQUEST_PIECE: usize = 1 << 20;

/// Serves the connection to its end, for as long as which it has its seat.
pub(super) async fn serve(
    mut transport: Transport,
    current: Rc<Current>,
    watch: Watching,
    _seated: (OwnedSemaphorePermit, Open),
) {
    let worker = current.get();
    let server = &worker.config.server;
    let mut address = transport.peer();
    if server.proxy_protocol {
        // Whoever may write to a Unix socket was let in by its rights.
        let peer = Client::new(address, &server.trusted_proxies, &worker.last_address);
        if address.is_some() && !peer.is_trusted() {
            return;
        }
        match watch.greet(Box::pin(proxy_protocol::read(&mut transport))).await {
            Some(Ok(Source::Client(client))) => address = Some(client),
            Some(Ok(Source::Itself)) => {}
            Some(Err(error)) => {
                debug!("a proxy was cut off: {error}");
                return;
            }
            None => return,
        }
    }
    let client = Client::new(address, &server.trusted_proxies, &worker.last_address);
    if worker.tls.is_some() {
        return Box::pin(serve_tls(transport, client, worker, current, Rc::clone(&watch))).await;
    }
    drop(worker);
    let stream = Watched::new(transport, Rc::clone(&watch));
    let stream = Restful::new(stream, Farewell::Silent, &watch);
    serve_http1(stream, &current, &Rc::new(client), &watch).await;
}

/// The same for a connection that begins with TLS.
async fn serve_tls(
    transport: Transport,
    mut client: Client,
    worker: Rc<Worker>,
    current: Rc<Current>,
    watch: Rc<Watch>,
) {
    let Some(tls) = &worker.tls else { return };
    let greeting = Box::pin(handshake(tls, transport, &worker, &watch));
    let Some(Some(stream)) = watch.greet(greeting).await else {
        return;
    };
    tls.introduce(stream.get_ref().1, &mut client);
    let client = Rc::new(client);
    match stream.get_ref().1.alpn_protocol() {
        Some(HTTP2) => Box::pin(serve_http2(stream, current, client, watch)).await,
        _ => {
            let stream = Restful::new(stream, Farewell::Spoken, &watch);
            drop(worker);
            Box::pin(serve_http1(stream, &current, &client, &watch)).await;
        }
    }
}

/// Ends TLS; `None` if the client would not.
async fn handshake(
    tls: &FrontTls,
    transport: Transport,
    worker: &Worker,
    watch: &Rc<Watch>,
) -> Option<TlsStream<Watched<Transport>>> {
    // Who connects and says nothing takes no place from those who do.
    transport.has_bytes().await.ok()?;
    let _place = worker.handshakes.acquire().await.ok()?;
    watch.shake_hands();
    let stream = Watched::new(transport, Rc::clone(watch));
    // Whatever is wrong is between the client and its certificates or versions: there is nobody here to tell.
    tls.acceptor().accept(stream).await.ok()
}

/// Serves HTTP/1 on a stream that is ready for it.
pub(super) async fn serve_http1<S>(
    mut stream: Restful<S>,
    current: &Current,
    client: &Rc<Client>,
    watch: &Rc<Watch>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let mut builder = http1::Builder::new();
        {
            let server = &current.get().config.server;
            let max_head = server.limits.header_bytes;
            builder
                // Who takes too long is found by the watch.
                .header_read_timeout(None)
                .max_header_size(max_head)
                .max_buf_size(MAX_REQUEST_PIECE.max(max_head))
                .preserve_header_case(server.preserve_header_case);
        }
        let service = service_fn(|request: Request<Incoming>| {
            let (worker, client) = (current.get(), Rc::clone(client));
            let has_body = !request.body().is_end_stream();
            let (under_way, is_last) = watch.begin(&worker.config.server.limits, has_body);
            async move {
                let mut response = handle(&worker, request, &client).await;
                if is_last {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(accounted(response, under_way))
            }
        });
        // In a box, which a connection that rests does without.
        let mut connection = Box::pin(builder.serve_connection(TokioIo::new(stream), service));
        let driven = watch.drive(connection.as_mut(), http1::Connection::graceful_shutdown).await;
        // A client that breaks off or sends what is no HTTP has been answered as far as it can be.
        let is_idle = match driven {
            Driven::Idle => true,
            Driven::Ended(Ok(())) => false,
            Driven::Ended(Err(_)) | Driven::Cut => return,
        };
        let tunnel = client.tunnel.take();
        if !is_idle && tunnel.is_none() {
            return;
        }
        let http1::Parts { io, read_buf, .. } = Pin::into_inner(connection).into_parts();
        stream = io.into_inner();
        if let Some(tunnel) = tunnel {
            return Box::pin(tunnel.run(stream.into_inner(), read_buf, watch)).await;
        }
        if !stream.rest(read_buf).await {
            return;
        }
        watch.rouse();
    }
}

/// A response, under way until its body has been sent or given up.
pub(super) fn accounted(response: Response<Body>, under_way: UnderWay) -> Response<Accounted> {
    response.map(|body| Accounted { body, _under_way: under_way })
}

/// The body of a request that is under way.
pub(super) struct Accounted {
    body: Body,
    _under_way: UnderWay,
}

impl HttpBody for Accounted {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what a function of four arguments returns.
    fn size_of_result<A, B, C, D, R>(_: impl Fn(A, B, C, D) -> R) -> usize {
        size_of::<R>()
    }

    #[test]
    fn a_connection_takes_little_while_nothing_is_asked_on_it() {
        // Kept for each connection, for as long as it is open.
        let size = size_of_result(serve) + size_of::<Watch>() + size_of::<Client>();
        assert!(size <= 1400, "{size} bytes: box what few connections need");
    }
}
