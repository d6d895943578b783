//! Listening sockets: one a worker on the same address, so that the kernel deals out the connections.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tracing::warn;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;

/// Binds `count` sockets to `address`; with port 0, all to the same free port.
///
/// Must be called inside a runtime.
pub(super) fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    // Sockets that share a port would also share it with another process of the same user, which would take
    // half of the connections: so that it must be free is seen with a socket that shares nothing.
    if address.port() != 0 {
        drop(socket(address, false)?);
    }
    let first = socket(address, true)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..count {
        listeners.push(socket(address, true)?);
    }
    Ok(listeners)
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for the connections of the process before.
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(shared)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// The next connection. Where the system has no descriptors left, waits until there may be some.
pub(super) async fn accept(listener: &tokio::net::TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                warn!("a connection can't be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Errors of a connection that was gone before it was accepted.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}
