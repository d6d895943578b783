//! Connections to the upstream that wait for their next request.
//!
//! Nothing moves them meanwhile, but one task of the worker is woken by whichever the upstream ends, and closes that:
//! it would be useless to whoever takes it.

use super::pool::Connection;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// The idle connections of one worker.
pub(super) struct Idle {
    /// The one that was given back last stands last.
    connections: Rc<RefCell<VecDeque<Kept>>>,
    capacity: usize,
    /// How long a connection is kept on which nothing happens.
    longest: Duration,
    /// Wakes the keeper.
    keeper: Waker,
    bell: Arc<Bell>,
    /// The task of the keeper, who closes those that have ended; started with the first of them.
    keeping: Cell<Option<AbortHandle>>,
}

/// A connection that waits.
struct Kept {
    connection: Box<Connection>,
    since: Instant,
}

#[derive(Default)]
struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

impl Idle {
    pub(super) fn new(capacity: usize, longest: Duration) -> Self {
        let bell = Arc::<Bell>::default();
        Self {
            connections: Rc::default(),
            capacity,
            longest,
            keeper: Waker::from(Arc::clone(&bell)),
            bell,
            keeping: Cell::default(),
        }
    }

    /// The one that was given back last of those that are good.
    pub(super) fn take(
        &self,
        now: Instant,
        is_good: impl Fn(&Connection) -> bool,
    ) -> Option<Box<Connection>> {
        let mut connections = self.connections.borrow_mut();
        while let Some(Kept { connection, since }) = connections.pop_back() {
            if now < since + self.longest && is_good(&connection) {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps `connection`, if there is room.
    pub(super) fn put(&self, connection: Box<Connection>, now: Instant) {
        let mut connections = self.connections.borrow_mut();
        // Those in front have not been needed for longest.
        while connections.front().is_some_and(|kept| now >= kept.since + self.longest) {
            connections.pop_front();
        }
        if connections.len() < self.capacity {
            connection.idle(&self.keeper);
            connections.push_back(Kept { connection, since: now });
            drop(connections);
            self.keep();
        }
    }

    fn keep(&self) {
        let keeping = self.keeping.take().unwrap_or_else(|| {
            let (connections, bell) = (Rc::clone(&self.connections), Arc::clone(&self.bell));
            let keeping = tokio::task::spawn_local(async move {
                loop {
                    bell.0.notified().await;
                    connections.borrow_mut().retain_mut(|kept| !kept.connection.has_ended());
                }
            });
            keeping.abort_handle()
        });
        self.keeping.set(Some(keeping));
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        if let Some(keeping) = self.keeping.take() {
            keeping.abort();
        }
    }
}
