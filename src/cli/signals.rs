//! The signals that end a program in order.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

/// SIGTERM and SIGINT, from the moment on at which this was made: one that comes while the one before is still
/// being acted on is not lost.
pub(super) struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    /// Begins to receive them; must be called inside a runtime.
    pub(super) fn receive() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Returns when the next one comes.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => info!("SIGTERM: ending"),
            _ = self.interrupt.recv() => info!("SIGINT: ending"),
        }
    }
}
