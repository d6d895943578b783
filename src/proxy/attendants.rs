//! The tasks that connections are served by. A task whose connection has ended takes the next one: to set one up and to
//! clear it away costs more than to hand a connection over, and its memory is still in the processor's cache.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// The most tasks that wait for a connection: as many as may begin in one go, at a kibibyte and a half each.
const MOST_IDLE: usize = 64;

/// Tasks that do jobs, one after the other each.
pub(super) struct Attendants<J, S> {
    serve: S,
    idle: RefCell<Vec<Rc<Attendant<J>>>>,
}

/// One of them, as far as others see it.
struct Attendant<J> {
    job: Cell<Option<J>>,
    waker: Cell<Option<Waker>>,
}

impl<J: 'static, S: AsyncFn(J) + 'static> Attendants<J, S> {
    /// Jobs are done by `serve`.
    pub(super) fn new(serve: S) -> Rc<Self> {
        Rc::new(Self { serve, idle: RefCell::default() })
    }

    /// Has a job done by a task of its own, as soon as that has its turn.
    pub(super) fn take(self: &Rc<Self>, job: J) {
        let idle = self.idle.borrow_mut().pop();
        match idle {
            Some(attendant) => attendant.take(job),
            None => {
                tokio::task::spawn_local(Rc::clone(self).work(job));
            }
        }
    }

    /// A job that panics ends the task, and nothing else.
    async fn work(self: Rc<Self>, first: J) {
        let itself = Rc::new(Attendant { job: Cell::new(Some(first)), waker: Cell::default() });
        loop {
            (self.serve)(itself.next().await).await;
            let mut idle = self.idle.borrow_mut();
            if idle.len() >= MOST_IDLE {
                return;
            }
            idle.push(Rc::clone(&itself));
        }
    }
}

impl<J> Attendant<J> {
    fn take(&self, job: J) {
        self.job.set(Some(job));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    async fn next(&self) -> J {
        poll_fn(|context| match self.job.take() {
            Some(job) => Poll::Ready(job),
            None => {
                self.waker.set(Some(context.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::{Builder, LocalOptions};
    use tokio::sync::oneshot;
    use tokio::task::{Id, id, yield_now};

    type Job = (oneshot::Receiver<()>, oneshot::Sender<Id>);

    /// Waits until it may, and tells which task it was done by; panics if nobody lets it.
    async fn serve((go, done): Job) {
        go.await.expect("it may");
        done.send(id()).expect("somebody asks");
    }

    /// A job, and what lets it end.
    fn job() -> (Job, oneshot::Sender<()>, oneshot::Receiver<Id>) {
        let ((go, may), (done, by)) = (oneshot::channel(), oneshot::channel());
        ((may, done), go, by)
    }

    fn on_a_worker(test: impl Future<Output = ()>) {
        let runtime = Builder::new_current_thread().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(test);
    }

    #[test]
    fn a_task_takes_one_job_after_the_other() {
        on_a_worker(async {
            let attendants = Attendants::new(serve);
            let mut tasks = Vec::new();
            for _ in 0..3 {
                let (job, go, by) = job();
                attendants.take(job);
                go.send(()).unwrap();
                tasks.push(by.await.unwrap());
                yield_now().await;
            }
            assert!(tasks.iter().all(|task| *task == tasks[0]), "{tasks:?}");
        });
    }

    #[test]
    fn jobs_that_are_under_way_have_a_task_each() {
        on_a_worker(async {
            let attendants = Attendants::new(serve);
            let jobs: Vec<_> = (0..2 * MOST_IDLE).map(|_| job()).collect();
            let mut under_way = Vec::new();
            for (job, go, by) in jobs {
                attendants.take(job);
                under_way.push((go, by));
            }
            yield_now().await;
            // The last one first, so that none of them waits for another.
            let mut tasks = Vec::new();
            for (go, by) in under_way.into_iter().rev() {
                go.send(()).unwrap();
                tasks.push(by.await.unwrap());
            }
            let number = tasks.len();
            tasks.sort_by_key(ToString::to_string);
            tasks.dedup();
            assert_eq!(tasks.len(), number);
            yield_now().await;
            assert_eq!(attendants.idle.borrow().len(), MOST_IDLE);
        });
    }

    #[test]
    fn threat_50_a_panic_costs_one_job_and_its_task_is_never_used_again() {
        on_a_worker(async {
            let attendants = Attendants::new(serve);
            let (broken, go, by) = job();
            attendants.take(broken);
            drop(go);
            assert!(by.await.is_err(), "it panicked");
            yield_now().await;
            assert!(attendants.idle.borrow().is_empty());
            let (whole, go, by) = job();
            attendants.take(whole);
            go.send(()).unwrap();
            assert!(by.await.is_ok());
        });
    }
}
