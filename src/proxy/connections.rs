//! The connections of clients that a worker has open: when the last one has ended, and what became of one that
//! panicked.

use crate::admin::WorkerCounters;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;
use tracing::error;

/// How many connections are open.
pub(super) struct Connections(Rc<Inner>);

struct Inner {
    counters: Arc<WorkerCounters>,
    open: Cell<usize>,
    none: Notify,
}

/// One of them, for as long as it is kept: by the task that serves the connection.
pub(super) struct Open(Rc<Inner>);

impl Connections {
    pub(super) fn new(counters: &Arc<WorkerCounters>) -> Self {
        let (counters, open, none) = (Arc::clone(counters), Cell::default(), Notify::new());
        Self(Rc::new(Inner { counters, open, none }))
    }

    /// Another one.
    pub(super) fn open(&self) -> Open {
        self.0.open.set(self.0.open.get() + 1);
        Open(Rc::clone(&self.0))
    }

    /// Until none is open.
    pub(super) async fn ended(&self) {
        while self.0.open.get() > 0 {
            self.0.none.notified().await;
        }
    }
}

impl Drop for Open {
    /// A panic ends the connection that it happened on, and nothing else: the event loop stops it at the task.
    fn drop(&mut self) {
        let Inner { counters, open, none } = &*self.0;
        if std::thread::panicking() {
            counters.panicked();
            error!("a connection ended in a panic, which is a bug of kidstamp; others go on");
        }
        open.set(open.get().saturating_sub(1));
        if open.get() == 0 {
            none.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Counters;

    #[test]
    fn threat_50_a_panic_ends_one_connection_and_is_counted() {
        let counters = Counters::new(1);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let connections = Connections::new(&counters.worker(0));
            let (broken, whole) = (connections.open(), connections.open());
            let broken = tokio::task::spawn_local(async move {
                let _open = broken;
                tokio::task::yield_now().await;
                panic!("a connection");
            });
            let whole = tokio::task::spawn_local(async move {
                let _open = whole;
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
            });
            connections.ended().await;
            assert!(broken.await.is_err_and(|error| error.is_panic()));
            assert!(whole.await.is_ok(), "the other one goes on");
        });
        assert_eq!(counters.panics(), 1);
    }
}
