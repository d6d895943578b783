//! Where clients come in: their connections are accepted, and served as soon as there is room for them.
//!
//! One future for as long as the worker accepts, so that what else the worker waits for is not set up anew for each
//! connection.

use super::listener::{Accepting, accept, accept_at_once};
use super::transport::Transport;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::warn;

/// Connections that are accepted in one go, before anything else is looked at.
const BATCH: usize = 64;
/// Between two words in the log about the limit of connections.
const FULL_INTERVAL: Duration = Duration::from_secs(60);

/// A worker's listener, and the seats of those that it lets in.
pub(super) struct Door {
    listener: Accepting,
    /// As many permits as connections may be served at once, in the whole process.
    seats: Arc<Semaphore>,
    /// Accepted, but more than may be served at a time.
    waiting: RefCell<Option<Transport>>,
}

impl Door {
    pub(super) fn new(listener: Accepting, seats: &Arc<Semaphore>) -> Self {
        Self { listener, seats: Arc::clone(seats), waiting: RefCell::default() }
    }

    /// Lets clients in until nobody polls this any more; of `limit` seats, the log speaks when they are all taken.
    pub(super) async fn admit(
        &self,
        serve: impl Fn(Transport, OwnedSemaphorePermit),
        limit: impl Fn() -> usize,
    ) {
        let mut told_full: Option<Instant> = None;
        loop {
            let accepted = accept(&self.listener).await;
            self.waiting.replace(Some(accepted));
            self.admit_those_who_wait(&serve, BATCH);
            if self.waiting.borrow().is_none() {
                continue;
            }
            if self.seats.available_permits() > 0 {
                tokio::task::yield_now().await;
            } else if told_full.is_none_or(|told| told.elapsed() >= FULL_INTERVAL) {
                told_full = Some(Instant::now());
                warn!(
                    "as many clients are connected as server.limits.connections allows ({}); others wait",
                    limit()
                );
            }
            let seat = Arc::clone(&self.seats).acquire_owned().await;
            if let (Ok(seat), Some(transport)) = (seat, self.waiting.take()) {
                serve(transport, seat);
            }
        }
    }

    /// Lets in who has connected already, so that they do not find a closed door, as far as there are seats.
    pub(super) fn close(self, serve: impl Fn(Transport, OwnedSemaphorePermit)) {
        let next = self.waiting.take().or_else(|| accept_at_once(&self.listener));
        self.waiting.replace(next);
        self.admit_those_who_wait(serve, usize::MAX);
    }

    /// At most so many; who comes after them, or finds no seat, waits on.
    fn admit_those_who_wait(&self, serve: impl Fn(Transport, OwnedSemaphorePermit), most: usize) {
        for _ in 0..most {
            let Some(transport) = self.waiting.take() else { return };
            let Ok(seat) = Arc::clone(&self.seats).try_acquire_owned() else {
                self.waiting.replace(Some(transport));
                return;
            };
            serve(transport, seat);
            self.waiting.replace(accept_at_once(&self.listener));
        }
    }
}
