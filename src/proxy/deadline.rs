//! Deadlines of what is under way with the upstream.
//!
//! Nearly every exchange is over long before it would be late, so none gets a timer of its own: a deadline is an
//! entry in a list of the worker, and one task sleeps until the earliest of them.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Between two looks at the list, at the least.
const GRAIN: Duration = Duration::from_millis(5);

/// The deadlines of one worker.
#[derive(Default)]
pub(super) struct Deadlines {
    entries: RefCell<Vec<Entry>>,
    /// Entries that nobody uses.
    free: RefCell<Vec<usize>>,
    /// When the list is looked at next; `None` if there is nothing to wait for.
    next: Cell<Option<Instant>>,
    sooner: Notify,
}

#[derive(Default)]
struct Entry {
    due: Option<Instant>,
    has_passed: bool,
    waker: Option<Waker>,
}

/// One deadline, in the list until this is dropped.
pub(super) struct Deadline {
    all: Rc<Deadlines>,
    place: usize,
}

impl Deadlines {
    pub(super) fn new() -> Rc<Self> {
        Rc::default()
    }

    /// A deadline that is not set yet.
    pub(super) fn add(self: &Rc<Self>) -> Deadline {
        let place = self.free.borrow_mut().pop().unwrap_or_else(|| {
            let mut entries = self.entries.borrow_mut();
            entries.push(Entry::default());
            entries.len() - 1
        });
        Deadline { all: Rc::clone(self), place }
    }

    /// Wakes whoever waits for a deadline that passes; runs as long as the worker.
    pub(super) async fn run(self: Rc<Self>) {
        loop {
            match self.next.get() {
                None => self.sooner.notified().await,
                Some(next) => tokio::select! {
                    () = tokio::time::sleep_until(next.into()) => {}
                    () = self.sooner.notified() => continue,
                },
            }
            self.look(Instant::now());
        }
    }

    fn look(&self, now: Instant) {
        let mut earliest: Option<Instant> = None;
        for entry in self.entries.borrow_mut().iter_mut() {
            match entry.due {
                Some(due) if due <= now => {
                    entry.due = None;
                    entry.has_passed = true;
                    if let Some(waker) = entry.waker.take() {
                        waker.wake();
                    }
                }
                Some(due) => earliest = Some(earliest.map_or(due, |earliest| earliest.min(due))),
                None => {}
            }
        }
        self.next.set(earliest.map(|earliest| earliest.max(now + GRAIN)));
    }
}

impl Deadline {
    /// Passes at `due`, and not at whatever was set before.
    pub(super) fn set(&self, due: Instant) {
        if let Some(entry) = self.all.entries.borrow_mut().get_mut(self.place) {
            entry.due = Some(due);
            entry.has_passed = false;
        }
        if self.all.next.get().is_none_or(|next| due < next) {
            self.all.next.set(Some(due));
            self.all.sooner.notify_one();
        }
    }

    /// Does not pass at all, until it is set.
    pub(super) fn rest(&self) {
        if let Some(entry) = self.all.entries.borrow_mut().get_mut(self.place) {
            entry.due = None;
            entry.has_passed = false;
        }
    }

    /// Ready once the deadline has passed.
    pub(super) fn poll_passed(&self, context: &Context<'_>) -> Poll<()> {
        let mut entries = self.all.entries.borrow_mut();
        let Some(entry) = entries.get_mut(self.place) else { return Poll::Pending };
        if entry.has_passed {
            return Poll::Ready(());
        }
        if !entry.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            entry.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// What `work` gives or, whenever the deadline passes before, what `late` says: an end, or nothing if it set
    /// a new deadline.
    pub(super) async fn bound<T>(
        &self,
        work: impl Future<Output = T>,
        mut late: impl FnMut(&Self) -> Option<T>,
    ) -> T {
        let mut work = std::pin::pin!(work);
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            while self.poll_passed(context).is_ready() {
                self.rest();
                if let Some(end) = late(self) {
                    return Poll::Ready(end);
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if let Some(entry) = self.all.entries.borrow_mut().get_mut(self.place) {
            *entry = Entry::default();
        }
        self.all.free.borrow_mut().push(self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::{LocalSet, spawn_local};

    /// Runs `test` beside the task that watches the deadlines.
    fn watched<F: Future>(test: impl FnOnce(Rc<Deadlines>) -> F) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let deadlines = Deadlines::new();
            spawn_local(Rc::clone(&deadlines).run());
            test(deadlines).await;
        });
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    #[test]
    fn each_passes_in_its_time() {
        watched(async |deadlines: Rc<Deadlines>| {
            let (far, near) = (deadlines.add(), deadlines.add());
            far.set(Instant::now() + Duration::from_secs(3_600));
            near.set(soon());
            let word = near.bound(std::future::pending(), |_| Some("late")).await;
            assert_eq!(word, "late");
            assert!(far.poll_passed(&Context::from_waker(Waker::noop())).is_pending());
        });
    }

    #[test]
    fn work_that_is_done_in_time_is_not_late() {
        watched(async |deadlines: Rc<Deadlines>| {
            let deadline = deadlines.add();
            deadline.set(Instant::now() + Duration::from_secs(3_600));
            assert_eq!(deadline.bound(async { "done" }, |_| Some("late")).await, "done");
        });
    }

    #[test]
    fn what_is_set_anew_passes_later() {
        watched(async |deadlines: Rc<Deadlines>| {
            let deadline = deadlines.add();
            deadline.set(soon());
            let mut times = 0;
            let late = |deadline: &Deadline| {
                times += 1;
                deadline.set(soon());
                (times == 3).then_some(times)
            };
            assert_eq!(deadline.bound(std::future::pending(), late).await, 3);
        });
    }

    #[test]
    fn a_place_is_used_again() {
        watched(async |deadlines: Rc<Deadlines>| {
            let first = deadlines.add();
            let place = first.place;
            first.set(Instant::now());
            drop(first);
            let second = deadlines.add();
            assert_eq!(second.place, place);
            second.set(Instant::now() + Duration::from_secs(3_600));
            deadlines.look(Instant::now());
            assert!(second.poll_passed(&Context::from_waker(Waker::noop())).is_pending());
        });
    }
}
