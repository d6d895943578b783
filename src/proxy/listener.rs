//! Listening sockets: bound here, or taken over from who started this process.

use super::transport::Transport;
use crate::config::Listen;
use socket2::SockRef;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::TcpSocket;
use tracing::warn;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;

/// A listening socket of one worker.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The same, in an event loop.
pub(super) enum Accepting {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

/// A socket in the file system, whose file goes with it.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Its device and inode: another process may have put its own there since.
    identity: Option<(u64, u64)>,
}

/// Binds `count` sockets to an address; with port 0, all to the same free port.
///
/// Must be called inside a runtime.
pub(super) fn bind(
    address: &Listen,
    mode: u32,
    count: usize,
) -> io::Result<(Vec<Listener>, Option<SocketFile>)> {
    match address {
        Listen::Tcp(address) => {
            let listeners = bind_tcp(*address, count)?;
            Ok((listeners.into_iter().map(Listener::Tcp).collect(), None))
        }
        Listen::Unix(path) => {
            let (listener, file) = bind_unix(path, mode)?;
            Ok((share(Listener::Unix(listener), count)?, Some(file)))
        }
    }
}

/// One a worker on the same address, so that the kernel deals out the connections.
pub(super) fn bind_tcp(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    // Sockets that share a port would also share it with another process of the same user, which would take
    // half of the connections: so that it must be free is seen with a socket that shares nothing. It does not listen:
    // whoever connected to it would be cut off when it goes.
    if address.port() != 0 {
        drop(bound(address, false)?);
    }
    let listening = |address| bound(address, true)?.listen(BACKLOG)?.into_std();
    let first = listening(address)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..count {
        listeners.push(listening(address)?);
    }
    Ok(listeners)
}

fn bound(address: SocketAddr, shared: bool) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for the connections of the process before.
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(shared)?;
    // Answers must not wait for a full segment. What is accepted inherits the option.
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// A socket at `path`, in place of one that nobody listens on any more. It is made beside it and moved there, so
/// that nobody ever finds it with other rights.
fn bind_unix(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "something else than a socket has this path",
            ));
        }
        Ok(_) if UnixStream::connect(path).is_ok() => return Err(io::ErrorKind::AddrInUse.into()),
        _ => {}
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(name);
    // What a process of the same number left behind.
    let _ = fs::remove_file(&beside);
    let listener = UnixListener::bind(&beside)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(mode))?;
    fs::rename(&beside, path)?;
    listener.set_nonblocking(true)?;
    Ok((listener, SocketFile { path: path.to_owned(), identity: SocketFile::identity(path) }))
}

/// One socket for several workers: whoever comes first accepts.
fn share(listener: Listener, count: usize) -> io::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for _ in 1..count {
        listeners.push(match &listener {
            Listener::Tcp(listener) => Listener::Tcp(listener.try_clone()?),
            Listener::Unix(listener) => Listener::Unix(listener.try_clone()?),
        });
    }
    listeners.push(listener);
    Ok(listeners)
}

impl SocketFile {
    fn identity(path: &Path) -> Option<(u64, u64)> {
        fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && Self::identity(&self.path) == self.identity {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Listener {
    /// Where it listens, as the system has it.
    pub(super) fn address(&self) -> Option<Listen> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok().map(Listen::Tcp),
            Self::Unix(listener) => {
                let address = listener.local_addr().ok()?;
                Some(Listen::Unix(address.as_pathname()?.to_owned()))
            }
        }
    }

    /// Must be called inside a runtime.
    pub(super) fn into_accepting(self) -> io::Result<Accepting> {
        Ok(match self {
            Self::Tcp(listener) => Accepting::Tcp(tokio::net::TcpListener::from_std(listener)?),
            Self::Unix(listener) => Accepting::Unix(tokio::net::UnixListener::from_std(listener)?),
        })
    }
}

/// Sockets that were bound by who started this process: systemd, or an older kidstamp's parent. They stay open
/// while one kidstamp takes over from another, so that no connection is refused.
#[derive(Debug, Default)]
pub struct Inherited {
    listen: Option<Listener>,
    admin: Option<TcpListener>,
}

/// Why sockets can't be taken over.
#[derive(Debug, thiserror::Error)]
#[error(
    "LISTEN_FDS: socket {index} {problem}; the first is for clients (TCP or Unix), a second for the admin listener (TCP)"
)]
pub struct InheritError {
    index: usize,
    problem: String,
}

impl Inherited {
    /// What `LISTEN_FDS` and `LISTEN_PID` offer (`sd_listen_fds(3)`).
    pub fn from_environment() -> Result<Self, InheritError> {
        let mut offered = listenfd::ListenFd::from_env();
        let mut inherited = Self::default();
        for index in 0..offered.len() {
            let refuse = |problem: String| InheritError { index, problem };
            let tcp = offered.take_tcp_listener(index);
            match (index, tcp) {
                (0, Ok(listener)) => inherited.listen = listener.map(Listener::Tcp),
                (0, Err(_)) => {
                    let unix = offered.take_unix_listener(index);
                    let unix = unix.map_err(|error| refuse(error.to_string()))?;
                    inherited.listen = unix.map(Listener::Unix);
                }
                (1, Ok(listener)) => inherited.admin = listener,
                (_, Ok(_)) => return Err(refuse("is one too many".to_owned())),
                (_, Err(error)) => return Err(refuse(error.to_string())),
            }
        }
        Ok(inherited)
    }

    /// The sockets for `count` workers, if there are such.
    pub(super) fn listeners(&mut self, count: usize) -> io::Result<Option<Vec<Listener>>> {
        let Some(listener) = self.listen.take() else { return Ok(None) };
        match &listener {
            Listener::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                SockRef::from(listener).set_tcp_nodelay(true)?;
            }
            Listener::Unix(listener) => listener.set_nonblocking(true)?,
        }
        share(listener, count).map(Some)
    }

    pub(super) fn admin(&mut self) -> io::Result<Option<TcpListener>> {
        let Some(listener) = self.admin.take() else { return Ok(None) };
        listener.set_nonblocking(true)?;
        Ok(Some(listener))
    }
}

/// The next connection. Where the system has no descriptors left, waits until there may be some.
pub(super) async fn accept(listener: &Accepting) -> Transport {
    loop {
        let accepted = match listener {
            Accepting::Tcp(listener) => {
                let accepted = listener.accept().await;
                accepted.map(|(socket, address)| Transport::Tcp(socket, address))
            }
            Accepting::Unix(listener) => {
                listener.accept().await.map(|(socket, _)| Transport::Unix(socket))
            }
        };
        match accepted {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                warn!("a connection can't be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The next connection, if one is there.
pub(super) fn accept_at_once(listener: &Accepting) -> Option<Transport> {
    let mut context = Context::from_waker(Waker::noop());
    let accepted = match listener {
        Accepting::Tcp(listener) => listener
            .poll_accept(&mut context)
            .map_ok(|(socket, address)| Transport::Tcp(socket, address)),
        Accepting::Unix(listener) => {
            listener.poll_accept(&mut context).map_ok(|(socket, _)| Transport::Unix(socket))
        }
    };
    match accepted {
        Poll::Ready(Ok(transport)) => Some(transport),
        _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    /// To an address that is free, from another one, so that nobody connects to himself.
    #[test]
    #[cfg(target_os = "linux")]
    fn who_connects_while_the_address_is_taken_is_not_cut_off() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let _inside = runtime.enter();
        for _ in 0..100 {
            let free = TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap();
            let (knocks, knocked) = std::sync::mpsc::channel();
            let clients = [(); 4].map(|()| {
                let knocks = knocks.clone();
                std::thread::spawn(move || {
                    let connect = || {
                        let _ = knocks.send(());
                        TcpStream::connect(free)
                    };
                    std::iter::repeat_with(connect).take(10_000_000).find_map(Result::ok)
                })
            });
            knocked.iter().take(20).for_each(drop);
            let listeners = bind_tcp(free, 2).unwrap();
            for client in clients {
                let client = client.join().unwrap().expect("somebody listens in the end");
                client.set_nonblocking(true).unwrap();
                let word = client.peek(&mut [0]).unwrap_err();
                assert_eq!(word.kind(), io::ErrorKind::WouldBlock, "{word}");
            }
            drop(listeners);
        }
    }

    #[test]
    fn an_address_that_is_taken_is_refused() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let _inside = runtime.enter();
        let listeners = bind_tcp("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let taken = listeners.first().unwrap().local_addr().unwrap();
        assert_eq!(bind_tcp(taken, 1).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
