//! What a client of these tests speaks through: a socket, as it is or with TLS.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

/// One end of a connection; clones share it.
#[derive(Clone)]
pub(crate) enum Wire {
    Plain(Arc<TcpStream>),
    Unix(Arc<UnixStream>),
    Tls(Arc<Mutex<StreamOwned<ClientConnection, TcpStream>>>),
}

impl Wire {
    /// Sends no more.
    pub(crate) fn finish(&self) {
        let _ = match self {
            Self::Plain(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
            Self::Tls(stream) => {
                let mut stream = stream.lock().unwrap();
                stream.conn.send_close_notify();
                stream.flush()
            }
        };
    }
}

impl From<TcpStream> for Wire {
    fn from(stream: TcpStream) -> Self {
        Self::Plain(Arc::new(stream))
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.as_ref().read(buffer),
            Self::Unix(stream) => stream.as_ref().read(buffer),
            Self::Tls(stream) => stream.lock().unwrap().read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.as_ref().write(bytes),
            Self::Unix(stream) => stream.as_ref().write(bytes),
            Self::Tls(stream) => stream.lock().unwrap().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.as_ref().flush(),
            Self::Unix(stream) => stream.as_ref().flush(),
            Self::Tls(stream) => stream.lock().unwrap().flush(),
        }
    }
}
