//! The signals that a running kidstamp acts on.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

/// SIGTERM, SIGINT and SIGHUP, from the moment on at which this was made: one that comes while the one before is
/// still being acted on is not lost.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// To end in order.
    End,
    /// To read configuration, keys and certificates again.
    Reload,
}

impl Signals {
    /// Begins to receive them; must be called inside a runtime.
    pub(super) fn receive() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Returns when the next one comes.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => {
                info!("SIGTERM: ending");
                Wish::End
            }
            _ = self.interrupt.recv() => {
                info!("SIGINT: ending");
                Wish::End
            }
            _ = self.hang_up.recv() => {
                info!("SIGHUP: reading the configuration again");
                Wish::Reload
            }
        }
    }

    /// Returns when one comes that asks for the end.
    pub(super) async fn end(&mut self) {
        while self.next().await != Wish::End {}
    }
}
