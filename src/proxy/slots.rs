//! How many requests may be at the upstream at once, and how many may wait for that.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use tokio::sync::oneshot;

/// The places of one worker.
pub(super) struct Slots {
    free: Cell<usize>,
    waiting: RefCell<VecDeque<oneshot::Sender<Slot>>>,
    longest_queue: usize,
}

/// A place, until this is dropped: then it is that of the one who has waited longest.
pub(super) struct Slot(Option<Rc<Slots>>);

/// All places are taken, and the queue for one is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Slots {
    pub(super) fn new(places: usize, longest_queue: usize) -> Rc<Self> {
        Rc::new(Self { free: Cell::new(places), waiting: RefCell::default(), longest_queue })
    }

    /// A place, if one is free.
    pub(super) fn take(self: &Rc<Self>) -> Option<Slot> {
        let free = self.free.get().checked_sub(1)?;
        self.free.set(free);
        Some(Slot(Some(Rc::clone(self))))
    }

    /// A place, once it is one's turn.
    pub(super) async fn wait(self: &Rc<Self>) -> Result<Slot, Full> {
        let receiver = {
            let mut waiting = self.waiting.borrow_mut();
            // Those who did not want to wait any longer.
            while waiting.front().is_some_and(oneshot::Sender::is_closed) {
                waiting.pop_front();
            }
            if waiting.len() >= self.longest_queue {
                return Err(Full);
            }
            let (sender, receiver) = oneshot::channel();
            waiting.push_back(sender);
            receiver
        };
        receiver.await.map_err(|_| Full)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(slots) = self.0.take() else { return };
        loop {
            let Some(next) = slots.waiting.borrow_mut().pop_front() else { break };
            match next.send(Self(Some(Rc::clone(&slots)))) {
                Ok(()) => return,
                // Nobody waits there any more; this must not come here again.
                Err(mut unwanted) => drop(unwanted.0.take()),
            }
        }
        slots.free.set(slots.free.get() + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn who_waits_gets_the_next_place_in_order() {
        let slots = Slots::new(1, 2);
        let first = slots.take().unwrap();
        assert!(slots.take().is_none());
        let (mut second, mut third) = (pin!(slots.wait()), pin!(slots.wait()));
        assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
        assert!(matches!(poll(pin!(slots.wait())), Poll::Ready(Err(Full))), "the queue is full");
        drop(first);
        assert!(poll(third.as_mut()).is_pending());
        let Poll::Ready(Ok(slot)) = poll(second.as_mut()) else {
            panic!("it is the second's turn")
        };
        drop(slot);
        assert!(matches!(poll(third.as_mut()), Poll::Ready(Ok(_))));
        assert!(slots.take().is_some(), "free again");
    }

    #[test]
    fn who_leaves_the_queue_takes_no_place_along() {
        let slots = Slots::new(1, 1);
        let first = slots.take().unwrap();
        {
            let mut gone = pin!(slots.wait());
            assert!(poll(gone.as_mut()).is_pending());
        }
        let mut next = pin!(slots.wait());
        assert!(poll(next.as_mut()).is_pending(), "there is room in the queue again");
        drop(first);
        assert!(matches!(poll(next.as_mut()), Poll::Ready(Ok(_))));
        // Given, but never fetched.
        let held = slots.take().unwrap();
        {
            let mut given = pin!(slots.wait());
            assert!(poll(given.as_mut()).is_pending());
            drop(held);
        }
        assert!(slots.take().is_some());
    }
}
