//! What the threads that serve know of the background: the current site, how it is doing, and how to ask for more.
//!
//! Whoever asks while a refresh is wanted or under way shares it.

use super::site::Site;
use crate::config::ValidConfig;
use crate::rules::Finding;
use arc_swap::ArcSwap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// What the other threads know of the background: the current site, and how to ask for more.
pub struct Refresher {
    /// The current site.
    pub site: ArcSwap<Site>,
    /// In the order of the configuration, with which it is replaced.
    pub(super) issuers: ArcSwap<Vec<Arc<Shared>>>,
}

/// What is shared of one issuer.
pub(super) struct Shared {
    /// Rung by whoever wants fresh documents.
    pub(super) wanted: Notify,
    pub(super) under_way: AtomicBool,
    /// How many attempts have ended.
    pub(super) attempts: watch::Sender<u64>,
    status: Mutex<IssuerStatus>,
}

/// How an issuer's documents are doing, for readiness and metrics.
#[derive(Debug, Clone, Default)]
pub struct IssuerStatus {
    /// The issuer, once it is known.
    pub issuer: Option<String>,
    /// When the last good documents came, in seconds since 1970.
    pub fetched: Option<i64>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// True if the provider answered the last attempt, with whatever.
    pub answered: bool,
    /// Attempts that succeeded, and that failed.
    pub attempts: (u64, u64),
    /// What the rules found in the current documents.
    pub findings: Vec<Finding>,
    /// Signing keys: `kid`, algorithm, state.
    pub keys: Vec<(String, &'static str, &'static str)>,
}

/// How a wish for a refresh ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// There was an attempt, successful or not.
    Attempted,
    /// There was one, but it had begun before: what it read may be older than the wish.
    AlreadyUnderWay,
    /// The time was up before.
    TimedOut,
}

impl Refresher {
    /// For the issuers of `config`, of which nothing is known yet.
    pub fn new(config: &ValidConfig) -> Self {
        let issuers = config.issuers.iter().map(|_| Arc::default()).collect();
        Self {
            site: ArcSwap::from_pointee(Site::new(config, &[])),
            issuers: ArcSwap::from_pointee(issuers),
        }
    }

    /// Asks for fresh documents of `issuer`, and waits at most `patience` for an attempt to end.
    pub async fn refresh(&self, issuer: usize, patience: Duration) -> Wanted {
        let Some(shared) = self.issuers.load().get(issuer).cloned() else {
            return Wanted::TimedOut;
        };
        let mut attempts = shared.attempts.subscribe();
        let under_way = shared.under_way.load(Ordering::Acquire);
        if !under_way {
            // One that ended just now had begun before.
            attempts.mark_unchanged();
            shared.wanted.notify_one();
        }
        match tokio::time::timeout(patience, attempts.changed()).await {
            Ok(Ok(())) if under_way => Wanted::AlreadyUnderWay,
            Ok(Ok(())) => Wanted::Attempted,
            _ => Wanted::TimedOut,
        }
    }

    /// Asks for the documents of every issuer that has none yet, and waits at most `patience` for each.
    ///
    /// Not where the provider does answer, but with documents that are of no use: waiting would not make them
    /// better, and requests that need no repair would come late for as long as that lasts.
    pub async fn refresh_missing(&self, patience: Duration) {
        for (index, shared) in self.issuers.load_full().iter().enumerate() {
            let status = shared.status();
            if status.fetched.is_none() && !status.answered {
                self.refresh(index, patience).await;
            }
        }
    }

    /// How each issuer's documents are doing.
    pub fn statuses(&self) -> Vec<IssuerStatus> {
        self.issuers.load().iter().map(|shared| shared.status()).collect()
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            wanted: Notify::new(),
            under_way: AtomicBool::new(false),
            attempts: watch::Sender::new(0),
            status: Mutex::default(),
        }
    }
}

impl Shared {
    fn status(&self) -> IssuerStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut IssuerStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
