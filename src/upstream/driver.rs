//! What moves the bytes of a connection of HTTP/1 to the provider.
//!
//! The HTTP library wants each connection polled. In a task of its own, it would have to be woken for each request, and
//! wake the request's task for each step of the answer; so whoever waits for something on a connection moves it along
//! in its own task. What nobody waits for can still have a task ([`Driver::run`]).

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// The moving half of a connection.
pub struct Driver {
    /// Ends with the connection.
    connection: Pin<Box<dyn Future<Output = ()>>>,
    has_ended: bool,
    bell: Arc<Bell>,
    /// Rings that.
    waker: Waker,
    /// Whom it wakes, as far as is known here.
    listener: Waker,
}

/// Rings when there is something to move. While the connection is being polled, nobody has to be woken for that.
struct Bell {
    state: AtomicU8,
    listener: Mutex<Waker>,
}

const POLLING: u8 = 1;
const RANG: u8 = 2;

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.fetch_or(RANG, Ordering::AcqRel) & POLLING == 0 {
            self.listener.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
        }
    }
}

impl Driver {
    /// For `connection`, which ends when the other side has, or nobody can ask for anything any more.
    pub(super) fn new(connection: impl Future<Output = ()> + 'static) -> Self {
        let listener = Waker::noop();
        let bell =
            Arc::new(Bell { state: AtomicU8::default(), listener: Mutex::new(listener.clone()) });
        Self {
            connection: Box::pin(connection),
            has_ended: false,
            waker: Waker::from(Arc::clone(&bell)),
            bell,
            listener: listener.clone(),
        }
    }

    /// Moves what can be moved, and then polls `work`, which waits for what comes of it.
    ///
    /// If that is ready, whatever happened meanwhile wakes nobody: who wants more of the connection has to ask again.
    pub fn poll_for<T>(
        &mut self,
        context: &mut Context<'_>,
        work: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.wake_from_now_on(context.waker());
        self.bell.state.store(POLLING, Ordering::Release);
        let mut own = Context::from_waker(&self.waker);
        self.has_ended = self.has_ended || self.connection.as_mut().poll(&mut own).is_ready();
        let polled = work(&mut own);
        let rang = self.bell.state.swap(0, Ordering::AcqRel) & RANG != 0;
        if rang && polled.is_pending() {
            context.waker().wake_by_ref();
        }
        polled
    }

    /// What comes of `work`, which waits for something on this connection alone.
    pub async fn drive<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|context| self.poll_for(context, |own| work.as_mut().poll(own))).await
    }

    /// True if the connection has come to its end; otherwise `waker` is woken when something happens on it.
    pub fn has_ended(&mut self, waker: &Waker) -> bool {
        let _ = self.poll_for(&mut Context::from_waker(waker), |_| Poll::Ready(()));
        self.has_ended
    }

    /// Whatever happens on the connection wakes `waker` from now on.
    pub fn wake_from_now_on(&mut self, waker: &Waker) {
        if !self.listener.will_wake(waker) {
            self.listener.clone_from(waker);
            self.bell.listener.lock().unwrap_or_else(PoisonError::into_inner).clone_from(waker);
        }
    }

    /// The rest of the connection, in a task of its own on this thread.
    pub fn run(self) {
        if !self.has_ended {
            tokio::task::spawn_local(self.connection);
        }
    }
}
