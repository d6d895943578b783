//! Signing: on threads of its own, so that no signature is made on an event loop.
//!
//! A change of threads and back costs more than a signature with ES256 takes, so where there is much to sign, the
//! change is shared: a worker hands over what its requests want signed once none of them can go on without, a thread
//! takes several orders at a time, and what it has signed comes back together.
//!
//! The threads give way: an event loop that has something to do takes their processor from them at once, so that a request
//! which passes waits neither for a signature nor for its turn among those that sign. What they are left with where event
//! loops leave nothing is small, but not nothing.

use crate::token::{ResignError, Unsigned};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};
use tracing::error;

/// The most orders that a thread takes at a time.
const AT_A_TIME: usize = 16;

/// How long a token that was signed may wait for others that the same thread took: with RSA and 2048 bits, for three.
const PATIENCE: Duration = Duration::from_millis(1);

/// How much less urgent these threads are than the others, in the steps of Linux (`nice`): with 12 of them, an event loop
/// that never rests leaves a fifteenth of its processor to the thread beside it. With less than 10, the kernel still lets
/// a thread that signs end its slice first, often enough to be seen in what passes.
const GIVE_WAY: i32 = 12;

type Signed = Result<String, ResignError>;

/// A token to be signed, and who waits for it.
struct Order {
    sign: Box<dyn FnOnce() -> Signed + Send>,
    client: oneshot::Sender<Signed>,
    desk: Arc<Desk>,
}

/// Where a worker gets back what was signed for it.
#[derive(Default)]
struct Desk {
    signed: Mutex<Vec<(oneshot::Sender<Signed>, Signed)>>,
    /// Something was signed, or is to be.
    bell: Notify,
}

/// The threads that sign, as many as there are workers: started when there is something to sign for them, and ended when
/// nobody could bring them anything any more.
pub(super) struct Signers(Arc<Office>);

struct Office {
    queue: Mutex<Queue>,
    news: Condvar,
    most_threads: usize,
}

#[derive(Default)]
struct Queue {
    orders: VecDeque<Order>,
    threads: usize,
    idle: usize,
    is_closed: bool,
}

/// One worker's way to the threads that sign.
pub(super) struct Signing {
    signers: Arc<Signers>,
    /// What is to be handed over.
    outgoing: RefCell<Vec<Order>>,
    desk: Arc<Desk>,
}

impl Signers {
    /// At most so many threads.
    pub(super) fn new(most_threads: usize) -> Arc<Self> {
        let (queue, news) = (Mutex::default(), Condvar::new());
        Arc::new(Self(Arc::new(Office { queue, news, most_threads })))
    }

    fn take(&self, orders: impl ExactSizeIterator<Item = Order>) {
        let mut queue = lock(&self.0.queue);
        let mut hands = orders.len();
        queue.orders.extend(orders);
        while hands > queue.idle && queue.threads < self.0.most_threads {
            if !self.hire(&mut queue) {
                break;
            }
            hands -= 1;
        }
        let wake = hands.min(queue.idle);
        drop(queue);
        (0..wake).for_each(|_| self.0.news.notify_one());
    }

    /// Starts another thread; false if the system gives none.
    fn hire(&self, queue: &mut Queue) -> bool {
        let office = Arc::clone(&self.0);
        let name = format!("signer-{}", queue.threads);
        match thread::Builder::new().name(name).spawn(move || office.work()) {
            Ok(_) => {
                queue.threads += 1;
                true
            }
            Err(problem) => {
                error!("can't start a thread that signs: {problem}");
                if queue.threads == 0 {
                    // Each of their clients learns that there is no signature.
                    queue.orders.clear();
                }
                false
            }
        }
    }
}

impl Drop for Signers {
    fn drop(&mut self) {
        lock(&self.0.queue).is_closed = true;
        self.0.news.notify_all();
    }
}

impl Office {
    /// The work of one thread.
    fn work(&self) {
        give_way();
        let mut orders = Vec::with_capacity(AT_A_TIME);
        let mut signed = Vec::with_capacity(AT_A_TIME);
        while self.wait(&mut orders) {
            let mut begun = Instant::now();
            for Order { sign, client, desk } in orders.drain(..) {
                // Nobody waits for the token of a client that has left.
                if client.is_closed() {
                    continue;
                }
                // A panic costs one token, and not the thread.
                let token = catch_unwind(AssertUnwindSafe(sign)).unwrap_or(Err(ResignError));
                signed.push((desk, client, token));
                let now = Instant::now();
                if now.duration_since(begun) >= PATIENCE {
                    deliver(&mut signed);
                    begun = now;
                }
            }
            deliver(&mut signed);
        }
    }

    /// Waits for orders and takes some of them: no more than its share, so that other threads have theirs. False if there
    /// will be none any more.
    fn wait(&self, into: &mut Vec<Order>) -> bool {
        let mut queue = lock(&self.queue);
        while queue.orders.is_empty() {
            if queue.is_closed {
                return false;
            }
            queue.idle += 1;
            queue = self.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
        let share = queue.orders.len().div_ceil(queue.threads.max(1)).min(AT_A_TIME);
        into.extend(queue.orders.drain(..share));
        true
    }
}

/// Makes the calling thread less urgent than the rest of the program; if the system has no way to do so, it stays as it is.
#[cfg(target_os = "linux")]
fn give_way() {
    use rustix::process::{getpriority_process, setpriority_process};
    // Of nobody in particular, Linux means the thread that asks. Less needs no right, and there is an end to it.
    let less = getpriority_process(None).map(|own| own.saturating_add(GIVE_WAY).min(19));
    if let Err(problem) = less.and_then(|less| setpriority_process(None, less)) {
        tracing::debug!("threads that sign are as urgent as event loops: {problem}");
    }
}

/// Elsewhere the priority of a process is that of all its threads.
#[cfg(not(target_os = "linux"))]
fn give_way() {}

/// Puts tokens on the desks of those who wait for them; the bell of each rings once.
fn deliver(signed: &mut Vec<(Arc<Desk>, oneshot::Sender<Signed>, Signed)>) {
    let mut signed = signed.drain(..).peekable();
    while let Some((desk, client, token)) = signed.next() {
        let mut at_the_desk = lock(&desk.signed);
        at_the_desk.push((client, token));
        while let Some((_, client, token)) = signed.next_if(|(next, ..)| Arc::ptr_eq(next, &desk)) {
            at_the_desk.push((client, token));
        }
        drop(at_the_desk);
        desk.bell.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Signing {
    /// For one worker; nothing is signed for it unless [`Signing::run`] runs beside its requests.
    pub(super) fn new(signers: &Arc<Signers>) -> Rc<Self> {
        let (signers, outgoing) = (Arc::clone(signers), RefCell::default());
        Rc::new(Self { signers, outgoing, desk: Arc::default() })
    }

    /// Has a token signed.
    pub(super) async fn sign(&self, unsigned: Unsigned) -> Signed {
        self.order(Box::new(|| unsigned.sign())).await
    }

    async fn order(&self, sign: Box<dyn FnOnce() -> Signed + Send>) -> Signed {
        let (client, token) = oneshot::channel();
        let desk = Arc::clone(&self.desk);
        self.outgoing.borrow_mut().push(Order { sign, client, desk });
        self.desk.bell.notify_one();
        token.await.unwrap_or(Err(ResignError))
    }

    /// Hands over what is to be signed, and hands out what was: woken after all requests that could go on when the bell
    /// rang, it has the orders of all of them.
    pub(super) async fn run(self: Rc<Self>) {
        let mut signed = Vec::new();
        loop {
            self.desk.bell.notified().await;
            let mut outgoing = self.outgoing.borrow_mut();
            if !outgoing.is_empty() {
                self.signers.take(outgoing.drain(..));
            }
            drop(outgoing);
            std::mem::swap(&mut *lock(&self.desk.signed), &mut signed);
            for (client, token) in signed.drain(..) {
                // Who has left does not miss it.
                let _ = client.send(token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::{Builder, LocalOptions};

    /// Runs `test` on an event loop with a worker's way to `threads` threads.
    fn with_signing(threads: usize, test: impl AsyncFnOnce(Rc<Signing>)) {
        let runtime = Builder::new_current_thread().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let signing = Signing::new(&Signers::new(threads));
            tokio::task::spawn_local(Rc::clone(&signing).run());
            test(signing).await;
        });
    }

    fn thread_name() -> String {
        thread::current().name().unwrap_or_default().to_owned()
    }

    #[test]
    fn no_signature_is_made_on_an_event_loop() {
        with_signing(2, async |signing| {
            let orders = (0..100).map(|number| {
                let signing = Rc::clone(&signing);
                let sign = move || Ok(format!("{number} by {}", thread_name()));
                tokio::task::spawn_local(async move { signing.order(Box::new(sign)).await })
            });
            for (number, order) in orders.collect::<Vec<_>>().into_iter().enumerate() {
                let signed = order.await.unwrap().unwrap();
                let by = signed.strip_prefix(&format!("{number} by ")).expect("its own");
                assert!(["signer-0", "signer-1"].contains(&by), "{by}");
            }
        });
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn threads_that_sign_give_way_to_event_loops() {
        let urgency = || rustix::process::getpriority_process(None).unwrap();
        with_signing(1, async |signing| {
            let before = urgency();
            for _ in 0..2 {
                let order = signing.order(Box::new(move || Ok(urgency().to_string())));
                assert_eq!(order.await.unwrap(), (before + GIVE_WAY).min(19).to_string());
            }
            assert_eq!(urgency(), before, "nobody else does");
        });
    }

    #[test]
    fn a_panic_and_a_failure_cost_one_token() {
        with_signing(1, async |signing| {
            assert!(signing.order(Box::new(|| panic!("a signature"))).await.is_err());
            assert!(signing.order(Box::new(|| Err(ResignError))).await.is_err());
            assert_eq!(signing.order(Box::new(|| Ok(thread_name()))).await.unwrap(), "signer-0");
        });
    }

    #[test]
    fn nothing_is_signed_for_who_has_left() {
        with_signing(1, async |signing| {
            let (hold, held) = std::sync::mpsc::channel::<()>();
            let first = Rc::clone(&signing);
            let first = tokio::task::spawn_local(async move {
                let sign = move || Ok(held.recv().is_ok().to_string());
                first.order(Box::new(sign)).await
            });
            let (left, signed) = std::sync::mpsc::channel();
            let second = Rc::clone(&signing);
            let second = tokio::task::spawn_local(async move {
                let sign = move || {
                    left.send(()).unwrap();
                    Err(ResignError)
                };
                second.order(Box::new(sign)).await
            });
            tokio::task::yield_now().await;
            second.abort();
            assert!(second.await.unwrap_err().is_cancelled());
            hold.send(()).unwrap();
            assert_eq!(first.await.unwrap().unwrap(), "true");
            assert!(signing.order(Box::new(|| Ok(String::new()))).await.is_ok());
            assert!(signed.recv().is_err(), "the order is gone, and was not done");
        });
    }

    #[test]
    fn the_threads_end_with_the_last_who_could_bring_them_something() {
        let signers = Signers::new(1);
        let office = Arc::downgrade(&signers.0);
        let runtime = Builder::new_current_thread().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let signing = Signing::new(&signers);
            let running = tokio::task::spawn_local(Rc::clone(&signing).run());
            assert!(signing.order(Box::new(|| Ok(String::new()))).await.is_ok());
            assert!(office.upgrade().is_some_and(|office| Arc::strong_count(&office) > 2));
            running.abort();
        });
        drop(runtime);
        drop(signers);
        while office.upgrade().is_some() {
            thread::yield_now();
        }
    }
}
