//! Counting on the way of a request: each worker has counters of its own, which are added up when somebody asks.

use crate::clock;
use crate::rules::{Effect, Finding};
use crate::token::{Place, TokenKind};
use crate::upstream::Endpoint;
use http::StatusCode;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the classes of `kidstamp_request_duration_seconds`, in microseconds.
pub(super) const BOUNDS_US: [u64; 10] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000];

const FIRST_CODE: usize = 100;
const CODES: usize = 500;
const CLASSES: usize = BOUNDS_US.len() + 1;

/// What happened to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenOutcome {
    /// It passed.
    Passed,
    /// It passed with word of the key that signed it.
    Annotated,
    /// It was re-signed.
    Resigned,
    /// It was re-signed, but can't be restored.
    WithoutCarrier,
    /// Only its claims went on.
    Unwrapped,
    /// The response with it was refused.
    Rejected,
}

impl TokenOutcome {
    /// As it stands in the metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Passed => "pass",
            Self::Annotated => "annotate",
            Self::Resigned => "resign",
            Self::WithoutCarrier => "no_carrier",
            Self::Unwrapped => "unwrap",
            Self::Rejected => "reject",
        }
    }
}

/// Why the upstream gave no response, or not all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamFailure {
    /// No connection.
    Connect,
    /// It was not tried, since it has not answered lately.
    Unhealthy,
    /// The exchange broke.
    Broken,
    /// No head of a response in time.
    FirstByte,
    /// A pause in a response was too long.
    BodyIdle,
    /// No place was free.
    Busy,
}

impl UpstreamFailure {
    /// As it stands in the metrics.
    fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Unhealthy => "unhealthy",
            Self::Broken => "broken",
            Self::FirstByte => "first_byte",
            Self::BodyIdle => "body_idle",
            Self::Busy => "busy",
        }
    }
}

/// The counters of all workers.
#[derive(Debug)]
pub struct Counters {
    workers: Vec<Arc<WorkerCounters>>,
    /// New configurations that are in effect, and that were refused.
    reloads: [AtomicU64; 2],
}

/// The counters of one worker: written by its thread alone, so that no two cores wait for one line of memory.
#[derive(Debug)]
pub struct WorkerCounters {
    requests: Box<[AtomicU64]>,
    durations: Box<[AtomicU64]>,
    microseconds: Box<[AtomicU64]>,
    /// Rare enough for a lock.
    rare: Mutex<Rare>,
    repaired: AtomicI64,
    restored: AtomicI64,
    live_until: AtomicI64,
}

/// When things happened last, in seconds since 1970; 0 is never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Moments {
    /// A token was re-signed, or a token response repaired.
    pub(super) repaired: i64,
    /// A re-signed token came back.
    pub(super) restored: i64,
    /// When the last of the re-signed tokens expires.
    pub(super) live_until: i64,
}

/// What is counted by words.
#[derive(Debug, Default, Clone)]
pub(super) struct Rare {
    pub(super) tokens: BTreeMap<(TokenKind, TokenOutcome, &'static str), u64>,
    pub(super) restores: BTreeMap<&'static str, u64>,
    pub(super) findings: BTreeMap<&'static str, u64>,
    pub(super) upstream_failures: BTreeMap<&'static str, u64>,
    pub(super) panics: u64,
}

impl Counters {
    /// For `workers` workers.
    pub fn new(workers: usize) -> Self {
        let workers = (0..workers).map(|_| Arc::new(WorkerCounters::default())).collect();
        Self { workers, reloads: Default::default() }
    }

    /// Counts a new configuration, which may have been refused.
    pub fn reloaded(&self, is_in_effect: bool) {
        let [good, refused] = &self.reloads;
        let counter = if is_in_effect { good } else { refused };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// New configurations by what became of them.
    pub(super) fn reloads(&self) -> [(&'static str, u64); 2] {
        let [good, refused] = &self.reloads;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [("success", count(good)), ("refused", count(refused))]
    }

    /// Those of the worker `index`.
    pub fn worker(&self, index: usize) -> Arc<WorkerCounters> {
        self.workers.get(index).cloned().unwrap_or_default()
    }

    /// Requests by endpoint and status, those that there were.
    pub(super) fn requests(&self) -> Vec<(Endpoint, u16, u64)> {
        let mut counts = Vec::new();
        for endpoint in Endpoint::ALL {
            for code in 0..CODES {
                let count = self.sum(|worker| worker.requests.get(endpoint.index() * CODES + code));
                if count > 0 {
                    counts.push((endpoint, u16::try_from(FIRST_CODE + code).unwrap_or(0), count));
                }
            }
        }
        counts
    }

    /// Durations of one endpoint: requests by class, and the sum in microseconds.
    pub(super) fn durations(&self, endpoint: Endpoint) -> ([u64; CLASSES], u64) {
        let class =
            |class| self.sum(|worker| worker.durations.get(endpoint.index() * CLASSES + class));
        (std::array::from_fn(class), self.sum(|worker| worker.microseconds.get(endpoint.index())))
    }

    /// What is counted by words, added up.
    pub(super) fn rare(&self) -> Rare {
        let mut total = Rare::default();
        for worker in &self.workers {
            let rare = worker.rare.lock().unwrap_or_else(PoisonError::into_inner);
            for (labels, count) in &rare.tokens {
                *total.tokens.entry(*labels).or_default() += count;
            }
            for (place, count) in &rare.restores {
                *total.restores.entry(place).or_default() += count;
            }
            for (rule, count) in &rare.findings {
                *total.findings.entry(rule).or_default() += count;
            }
            total.panics += rare.panics;
            for (reason, count) in &rare.upstream_failures {
                *total.upstream_failures.entry(reason).or_default() += count;
            }
        }
        total
    }

    /// Connections that a panic ended.
    pub fn panics(&self) -> u64 {
        self.rare().panics
    }

    /// When things happened last.
    pub(super) fn moments(&self) -> Moments {
        let latest = |moment: fn(&WorkerCounters) -> &AtomicI64| {
            let moments = self.workers.iter().map(|worker| moment(worker).load(Ordering::Relaxed));
            moments.max().unwrap_or_default()
        };
        Moments {
            repaired: latest(|worker| &worker.repaired),
            restored: latest(|worker| &worker.restored),
            live_until: latest(|worker| &worker.live_until),
        }
    }

    fn sum<'c>(&'c self, counter: impl Fn(&'c WorkerCounters) -> Option<&'c AtomicU64>) -> u64 {
        let counts = self.workers.iter().filter_map(|worker| counter(worker));
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

impl Default for WorkerCounters {
    fn default() -> Self {
        let zeros = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        let endpoints = Endpoint::ALL.len();
        Self {
            requests: zeros(endpoints * CODES),
            durations: zeros(endpoints * CLASSES),
            microseconds: zeros(endpoints),
            rare: Mutex::default(),
            repaired: AtomicI64::default(),
            restored: AtomicI64::default(),
            live_until: AtomicI64::default(),
        }
    }
}

impl WorkerCounters {
    /// Counts a request that was answered.
    pub fn request(&self, endpoint: Endpoint, status: StatusCode, elapsed: Duration) {
        let code = usize::from(status.as_u16()).saturating_sub(FIRST_CODE);
        increase(self.requests.get(endpoint.index() * CODES + code.min(CODES - 1)), 1);
        let microseconds = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let class = BOUNDS_US.iter().take_while(|bound| microseconds > **bound).count();
        increase(self.durations.get(endpoint.index() * CLASSES + class), 1);
        increase(self.microseconds.get(endpoint.index()), microseconds);
    }

    /// Counts what happened to a token, and why: a word of a fixed set.
    pub fn token(&self, kind: TokenKind, outcome: TokenOutcome, reason: &'static str) {
        let mut rare = self.rare.lock().unwrap_or_else(PoisonError::into_inner);
        *rare.tokens.entry((kind, outcome, reason)).or_default() += 1;
    }

    /// Counts what the rules found in a token, or in the response that brought it.
    pub fn findings(&self, findings: &[Finding]) {
        if findings.is_empty() {
            return;
        }
        if findings.iter().any(|finding| finding.effect == Effect::Repaired) {
            self.repaired.fetch_max(clock::now(), Ordering::Relaxed);
        }
        let mut rare = self.rare.lock().unwrap_or_else(PoisonError::into_inner);
        for finding in findings {
            *rare.findings.entry(finding.rule).or_default() += 1;
        }
    }

    /// Counts a failure of the upstream.
    pub fn upstream_failure(&self, failure: UpstreamFailure) {
        let mut rare = self.rare.lock().unwrap_or_else(PoisonError::into_inner);
        *rare.upstream_failures.entry(failure.name()).or_default() += 1;
    }

    /// Counts a panic, which ended one connection.
    pub fn panicked(&self) {
        self.rare.lock().unwrap_or_else(PoisonError::into_inner).panics += 1;
    }

    /// Notes that a token that expires then was re-signed at `now`.
    pub fn resigned(&self, now: i64, expires: Option<i64>) {
        self.repaired.fetch_max(now, Ordering::Relaxed);
        self.live_until.fetch_max(expires.unwrap_or(now), Ordering::Relaxed);
    }

    /// Counts a restored token.
    pub fn restored(&self, place: Place) {
        self.restored_at(place, clock::now());
    }

    pub(super) fn restored_at(&self, place: Place, now: i64) {
        self.restored.fetch_max(now, Ordering::Relaxed);
        let mut rare = self.rare.lock().unwrap_or_else(PoisonError::into_inner);
        *rare.restores.entry(place.name()).or_default() += 1;
    }
}

/// Only one thread writes, so a load and a store do, which cost less than a locked addition.
fn increase(counter: Option<&AtomicU64>, by: u64) {
    if let Some(counter) = counter {
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_added_up() {
        let counters = Counters::new(2);
        counters.worker(0).request(Endpoint::Token, StatusCode::OK, Duration::from_micros(100));
        counters.worker(1).request(Endpoint::Token, StatusCode::OK, Duration::from_micros(101));
        counters.worker(1).request(
            Endpoint::Other,
            StatusCode::from_u16(999).unwrap(),
            Duration::from_secs(9),
        );
        assert_eq!(counters.requests(), [(Endpoint::Token, 200, 2), (Endpoint::Other, 599, 1)]);
        let (classes, sum) = counters.durations(Endpoint::Token);
        assert_eq!((classes[0], classes[1], sum), (1, 1, 201));
        counters.worker(0).token(TokenKind::IdToken, TokenOutcome::Passed, "mode");
        counters.worker(1).token(TokenKind::IdToken, TokenOutcome::Passed, "mode");
        assert_eq!(counters.rare().tokens[&(TokenKind::IdToken, TokenOutcome::Passed, "mode")], 2);
    }
}
