//! Which key IDs are settled: in every relying party's cache by now.
//!
//! A token may only name a key that relying parties have. Some cache a set for minutes and never fetch it
//! again for an unknown `kid`, so a key counts only after it stood in each set published for long enough.

use std::collections::BTreeMap;
use std::time::Duration;

/// Since when each key ID has stood in every published set.
#[derive(Debug, Default)]
pub struct Publication {
    /// By `kid`: the thumbprint of the key under it, and the time of its first publication.
    since: BTreeMap<String, (String, i64)>,
    started: bool,
}

/// Before all times: for what was there when kidstamp came.
const ALWAYS: i64 = i64::MIN;

impl Publication {
    /// Notes that a set is published at `now`: its key IDs with the thumbprints of their keys, and whether
    /// the provider itself publishes the key under that ID.
    ///
    /// What the provider published when kidstamp started is what relying parties have: it counts as always there.
    pub fn publish<'k>(&mut self, now: i64, keys: impl Iterator<Item = (&'k str, &'k str, bool)>) {
        let first = !std::mem::replace(&mut self.started, true);
        let mut since = BTreeMap::new();
        for (kid, thumbprint, by_provider) in keys {
            let start = match self.since.get(kid) {
                Some((known, start)) if known == thumbprint => *start,
                _ if first && by_provider => ALWAYS,
                _ => now,
            };
            since.insert(kid.to_owned(), (thumbprint.to_owned(), start));
        }
        self.since = since;
    }

    /// True if `kid` has been published for at least `settle`.
    pub fn is_settled(&self, kid: &str, now: i64, settle: Duration) -> bool {
        self.since.get(kid).is_some_and(|(_, start)| now >= settled_at(*start, settle))
    }

    /// The next time after `now` at which a key ID settles.
    pub fn next_change(&self, now: i64, settle: Duration) -> Option<i64> {
        self.since
            .values()
            .map(|(_, start)| settled_at(*start, settle))
            .filter(|time| *time > now)
            .min()
    }
}

fn settled_at(start: i64, settle: Duration) -> i64 {
    start.saturating_add(i64::try_from(settle.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_secs(900);

    #[test]
    fn what_was_there_at_start_is_settled_and_the_rest_has_to_wait() {
        let mut publication = Publication::default();
        publication.publish(1_000, [("old", "T1", true), ("stamped", "T2", false)].into_iter());
        assert!(publication.is_settled("old", 1_000, SETTLE));
        assert!(!publication.is_settled("stamped", 1_899, SETTLE));
        assert!(publication.is_settled("stamped", 1_900, SETTLE));
        assert!(!publication.is_settled("unknown", 9_000, SETTLE));
        assert_eq!(publication.next_change(1_000, SETTLE), Some(1_900));
        assert_eq!(publication.next_change(1_900, SETTLE), None);
    }

    #[test]
    fn a_rotation_has_to_settle() {
        let mut publication = Publication::default();
        publication.publish(0, [("old", "T1", true)].into_iter());
        publication.publish(5_000, [("old", "T1", true), ("new", "T2", true)].into_iter());
        assert!(publication.is_settled("old", 5_000, SETTLE));
        assert!(!publication.is_settled("new", 5_000, SETTLE));
        publication.publish(5_500, [("new", "T2", true)].into_iter());
        assert!(publication.is_settled("new", 5_900, SETTLE));
        // Gone for one set, or another key under the name: from the start again.
        publication.publish(6_000, [("old", "T1", true), ("new", "T3", true)].into_iter());
        assert!(!publication.is_settled("old", 6_800, SETTLE));
        assert!(!publication.is_settled("new", 6_800, SETTLE));
    }
}
