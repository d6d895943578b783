//! What moves the bytes of a connection of HTTP/1 to the provider.
//!
//! The HTTP library wants each connection polled. In a task of its own, it would have to be woken for each request, and
//! wake the request's task for each step of the answer; so whoever waits for something on a connection moves it along
//! in its own task. What nobody waits for can still have a task ([`Driver::run`]).

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, RawWakerVTable, Wake, Waker};

/// The moving half of a connection.
pub struct Driver {
    /// Ends with the connection.
    connection: Pin<Box<dyn Future<Output = ()>>>,
    has_ended: bool,
    bell: Arc<Bell>,
    /// Rings that.
    waker: Waker,
    /// Which waker listens to the bell: it is kept there, so this one is no other's.
    listener: Option<(*const (), &'static RawWakerVTable)>,
}

/// Rings when there is something to move.
#[derive(Default)]
struct Bell {
    state: AtomicU8,
    /// Whom the connection's last request woke.
    listener: Mutex<Option<Waker>>,
    /// Who is woken while the connection has no request.
    keeper: OnceLock<Waker>,
}

/// The connection is being polled: nobody has to be woken for what happens in between.
const POLLED: u8 = 1;
/// It rang meanwhile.
const RANG: u8 = 2;
/// It has no request.
const IDLE: u8 = 4;

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let state = self.state.fetch_or(RANG, Ordering::AcqRel);
        if state & POLLED != 0 {
            return;
        }
        if state & IDLE != 0 {
            self.keeper.get().inspect(|keeper| keeper.wake_by_ref());
        } else {
            let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
            listener.as_ref().inspect(|listener| listener.wake_by_ref());
        }
    }
}

impl Driver {
    /// For `connection`, which ends when the other side has, or nobody can ask for anything any more.
    pub(super) fn new(connection: impl Future<Output = ()> + 'static) -> Self {
        let bell = Arc::<Bell>::default();
        Self {
            connection: Box::pin(connection),
            has_ended: false,
            waker: Waker::from(Arc::clone(&bell)),
            bell,
            listener: None,
        }
    }

    /// Something is done to the connection that rings, and then it is polled: nobody has to be woken for that.
    pub(super) fn expect_ringing(&self) {
        self.bell.state.store(POLLED, Ordering::Release);
    }

    /// Moves what can be moved, and then polls `work`, which waits for what comes of it.
    ///
    /// If that is ready, whatever happened meanwhile wakes nobody: who wants more of the connection has to ask again.
    pub fn poll_for<T>(
        &mut self,
        context: &mut Context<'_>,
        work: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let who = (context.waker().data(), context.waker().vtable());
        if self.listener != Some(who) {
            self.listener = Some(who);
            let mut listener = self.bell.listener.lock().unwrap_or_else(PoisonError::into_inner);
            *listener = Some(context.waker().clone());
        }
        self.advance();
        let polled = work(&mut Context::from_waker(&self.waker));
        let rang = self.bell.state.swap(0, Ordering::AcqRel) & RANG != 0;
        if rang && polled.is_pending() {
            context.waker().wake_by_ref();
        }
        polled
    }

    /// The same where `work` may well be ready, since much was moved at once before.
    pub fn poll_after<T>(
        &mut self,
        context: &mut Context<'_>,
        mut work: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.expect_ringing();
        match work(&mut Context::from_waker(&self.waker)) {
            Poll::Pending => self.poll_for(context, work),
            ready @ Poll::Ready(_) => {
                self.bell.state.store(0, Ordering::Release);
                ready
            }
        }
    }

    /// The connection has no request: whatever happens on it wakes `keeper`, who has to be the same each time.
    pub fn idle(&self, keeper: &Waker) {
        self.bell.keeper.get_or_init(|| keeper.clone());
        self.bell.state.store(IDLE, Ordering::Release);
    }

    /// True if a connection without a request has come to its end.
    pub fn has_ended(&mut self) -> bool {
        self.advance();
        self.bell.state.store(IDLE, Ordering::Release);
        self.has_ended
    }

    /// Moves what can be moved; whoever calls says afterwards who is woken from now on.
    fn advance(&mut self) {
        self.expect_ringing();
        let mut own = Context::from_waker(&self.waker);
        self.has_ended = self.has_ended || self.connection.as_mut().poll(&mut own).is_ready();
    }

    /// The rest of the connection, in a task of its own on this thread.
    pub fn run(self) {
        if !self.has_ended {
            tokio::task::spawn_local(self.connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Count {
        fn new() -> (Arc<Self>, Waker) {
            let count = Arc::<Self>::default();
            (Arc::clone(&count), Waker::from(count))
        }

        fn get(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    /// A driver, and the waker that its connection was polled with last.
    fn driver() -> (Driver, Arc<Mutex<Option<Waker>>>) {
        let registered = Arc::<Mutex<Option<Waker>>>::default();
        let there = Arc::clone(&registered);
        let connection = poll_fn(move |context| {
            *there.lock().unwrap() = Some(context.waker().clone());
            Poll::Pending
        });
        (Driver::new(connection), registered)
    }

    fn ring(registered: &Mutex<Option<Waker>>) {
        registered.lock().unwrap().as_ref().unwrap().wake_by_ref();
    }

    #[test]
    fn what_happens_wakes_who_waits() {
        let (mut driver, registered) = driver();
        for _ in 0..2 {
            let (count, waker) = Count::new();
            let mut context = Context::from_waker(&waker);
            assert!(driver.poll_for(&mut context, |_| Poll::<()>::Pending).is_pending());
            assert_eq!(count.get(), 0);
            ring(&registered);
            assert_eq!(count.get(), 1);
        }
    }

    #[test]
    fn what_happens_meanwhile_wakes_only_who_still_waits() {
        let (mut driver, registered) = driver();
        let (count, waker) = Count::new();
        let mut context = Context::from_waker(&waker);
        let ringing = |_: &mut Context<'_>| {
            ring(&registered);
            Poll::Ready(())
        };
        assert!(driver.poll_for(&mut context, ringing).is_ready());
        assert!(driver.poll_after(&mut context, ringing).is_ready());
        assert_eq!(count.get(), 0);
        driver.expect_ringing();
        ring(&registered);
        assert_eq!(count.get(), 0);
        let still_waiting = |_: &mut Context<'_>| {
            ring(&registered);
            Poll::<()>::Pending
        };
        assert!(driver.poll_for(&mut context, still_waiting).is_pending());
        assert_eq!(count.get(), 1);
    }

    #[test]
    fn without_a_request_the_keeper_is_woken() {
        let (mut driver, registered) = driver();
        let ((count, waker), (kept, keeper)) = (Count::new(), Count::new());
        let mut context = Context::from_waker(&waker);
        assert!(driver.poll_for(&mut context, |_| Poll::Ready(())).is_ready());
        driver.idle(&keeper);
        ring(&registered);
        assert_eq!((count.get(), kept.get()), (0, 1));
        assert!(!driver.has_ended());
        ring(&registered);
        assert_eq!((count.get(), kept.get()), (0, 2));
        // With the next request it is that one's again.
        assert!(driver.poll_for(&mut context, |_| Poll::<()>::Pending).is_pending());
        ring(&registered);
        assert_eq!((count.get(), kept.get()), (1, 2));
    }

    #[test]
    fn the_end_is_seen() {
        let mut driver = Driver::new(async {});
        assert!(driver.has_ended());
        assert!(driver.has_ended(), "and the connection is not polled again");
    }
}
