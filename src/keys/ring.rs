//! The keys of one issuer, and what each of them is for at a given time.

use crate::jose::{Alg, SigningKey};
use crate::token::BridgeKey;
use std::sync::Arc;
use std::time::Duration;

/// A bridge key with the time from which it signs.
#[derive(Debug, Clone)]
pub struct RingKey {
    /// The key.
    pub key: Arc<BridgeKey>,
    /// From when, in seconds since 1970; `None` is always.
    pub active_from: Option<i64>,
    /// The name of its file, for people.
    pub name: String,
}

/// What a key is for at a given time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Published, not signing yet.
    Ahead,
    /// The key that signs.
    Active,
    /// Signing no more, but tokens of it may live.
    Retained,
    /// No longer published.
    Retired,
}

impl KeyState {
    /// As it stands in messages and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ahead => "ahead",
            Self::Active => "active",
            Self::Retained => "retained",
            Self::Retired => "retired",
        }
    }
}

/// The bridge keys of one issuer.
#[derive(Debug, Clone, Default)]
pub struct KeyRing {
    keys: Vec<RingKey>,
}

impl KeyRing {
    /// Makes a ring of `keys`, in any order.
    pub fn new(mut keys: Vec<RingKey>) -> Self {
        // Of two keys without a time the one whose name comes later signs, on every replica.
        keys.sort_by(|a, b| (a.active_from, &a.name).cmp(&(b.active_from, &b.name)));
        Self { keys }
    }

    /// One key for each of `algs`, gone with the process.
    pub fn ephemeral(algs: &[Alg]) -> Result<Self, crate::jose::KeyError> {
        let keys = algs.iter().map(|alg| {
            let key = Arc::new(BridgeKey::new(SigningKey::generate(*alg)?));
            Ok(RingKey { key, active_from: None, name: "ephemeral".to_owned() })
        });
        Ok(Self::new(keys.collect::<Result<_, _>>()?))
    }

    /// The keys of both rings.
    pub fn joined(&self, other: Self) -> Self {
        Self::new(self.keys.iter().cloned().chain(other.keys).collect())
    }

    /// The key IDs with the times from which the keys sign: what tells one ring from another.
    pub fn kids(&self) -> Vec<(&str, Option<i64>)> {
        self.keys.iter().map(|key| (key.key.kid(), key.active_from)).collect()
    }

    /// Every key with its state at `now`, oldest first.
    pub fn states(&self, now: i64, retain: Duration) -> impl Iterator<Item = (&RingKey, KeyState)> {
        self.keys.iter().map(move |key| (key, self.state(key, now, retain)))
    }

    /// The keys that sign at `now`: for each algorithm the newest activated one.
    pub fn active(&self, now: i64) -> Vec<Arc<BridgeKey>> {
        self.states(now, Duration::MAX)
            .filter(|(_, state)| *state == KeyState::Active)
            .map(|(key, _)| Arc::clone(&key.key))
            .collect()
    }

    /// The keys to publish at `now`, oldest first.
    pub fn published(&self, now: i64, retain: Duration) -> Vec<Arc<BridgeKey>> {
        self.states(now, retain)
            .filter(|(_, state)| *state != KeyState::Retired)
            .map(|(key, _)| Arc::clone(&key.key))
            .collect()
    }

    /// The next time after `now` at which any key's state changes.
    pub fn next_change(&self, now: i64, retain: Duration) -> Option<i64> {
        let times = self.keys.iter().filter_map(|key| key.active_from);
        times
            .flat_map(|from| [from, from.saturating_add(seconds(retain))])
            .filter(|time| *time > now)
            .min()
    }

    fn state(&self, key: &RingKey, now: i64, retain: Duration) -> KeyState {
        if key.active_from.is_some_and(|from| from > now) {
            return KeyState::Ahead;
        }
        let successor =
            self.keys.iter().skip_while(|other| !Arc::ptr_eq(&other.key, &key.key)).skip(1).find(
                |other| {
                    other.key.alg() == key.key.alg()
                        && other.active_from.is_none_or(|from| from <= now)
                },
            );
        match successor {
            None => KeyState::Active,
            // A successor without a time: nobody knows when this key stopped to sign.
            Some(RingKey { active_from: None, .. }) => KeyState::Retained,
            Some(RingKey { active_from: Some(from), .. }) if now - from < seconds(retain) => {
                KeyState::Retained
            }
            Some(_) => KeyState::Retired,
        }
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keys: &[(&str, Option<i64>)]) -> KeyRing {
        let keys = keys.iter().map(|(name, active_from)| RingKey {
            key: Arc::new(BridgeKey::new(SigningKey::generate(Alg::Es256).unwrap())),
            active_from: *active_from,
            name: (*name).to_owned(),
        });
        KeyRing::new(keys.collect())
    }

    fn states(ring: &KeyRing, now: i64) -> Vec<(&str, KeyState)> {
        ring.states(now, Duration::from_secs(100))
            .map(|(key, state)| (key.name.as_str(), state))
            .collect()
    }

    #[test]
    fn a_rotation() {
        use KeyState::{Active, Ahead, Retained, Retired};
        let ring = ring(&[("new", Some(1_000)), ("old", None)]);
        assert_eq!(states(&ring, 999), [("old", Active), ("new", Ahead)]);
        assert_eq!(states(&ring, 1_000), [("old", Retained), ("new", Active)]);
        assert_eq!(states(&ring, 1_099), [("old", Retained), ("new", Active)]);
        assert_eq!(states(&ring, 1_100), [("old", Retired), ("new", Active)]);
        let retain = Duration::from_secs(100);
        assert_eq!(ring.next_change(0, retain), Some(1_000));
        assert_eq!(ring.next_change(1_000, retain), Some(1_100));
        assert_eq!(ring.next_change(1_100, retain), None);
        assert_eq!(ring.published(0, retain).len(), 2);
        assert_eq!(ring.active(1_000).len(), 1);
    }

    #[test]
    fn without_times_the_later_name_signs() {
        let ring = ring(&[("a", None), ("b", None)]);
        assert_eq!(states(&ring, 0), [("a", KeyState::Retained), ("b", KeyState::Active)]);
    }

    #[test]
    fn algorithms_do_not_replace_each_other() {
        let ring = KeyRing::ephemeral(&[Alg::Es256, Alg::EdDsa]).unwrap();
        assert_eq!(ring.active(0).len(), 2);
    }
}
