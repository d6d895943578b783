//! The end: first no readiness, then no new connections, then no open ones.

use tokio::sync::watch;

/// How far the end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Serving.
    Serving,
    /// Still accepting, though load balancers are told not to send anything.
    Unready,
    /// No new connections; requests under way are finished.
    Closing,
}

/// Leads all workers to the end.
#[derive(Debug, Clone)]
pub(super) struct Drain(watch::Sender<Phase>);

/// A worker's view of it.
#[derive(Debug, Clone)]
pub(super) struct Draining(watch::Receiver<Phase>);

impl Drain {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Phase::Serving))
    }

    pub(super) fn subscribe(&self) -> Draining {
        Draining(self.0.subscribe())
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.0.send_replace(phase);
    }

    pub(super) fn is_serving(&self) -> bool {
        *self.0.borrow() == Phase::Serving
    }
}

impl Draining {
    /// Until load balancers are told not to send anything.
    pub(super) async fn unready(&mut self) {
        let _ = self.0.wait_for(|phase| *phase >= Phase::Unready).await;
    }

    /// Until no new connection is to be accepted.
    pub(super) async fn closed_to_new(&mut self) {
        // The sender lives as long as the process; without it there is nothing to serve either.
        let _ = self.0.wait_for(|phase| *phase == Phase::Closing).await;
    }
}
