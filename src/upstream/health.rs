//! Which of the upstream's addresses answer, as far as the requests to them show.
//!
//! An address that fails is passed over for a while, if there is another one; then one request may try it, and
//! decides. Where there is no other, it is tried all the same, unless that costs each request a long wait.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Exchanges that fail one after the other before an address counts as ill. One may be the request's own fault.
const EXCHANGES: u32 = 3;
/// Connections that are waited for in vain before nobody waits any more.
const WAITS: u32 = 3;
/// How long an ill address is left alone; doubled with each failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// No more addresses of a name are looked at.
const MOST_ADDRESSES: usize = 8;

/// What is known of the addresses, shared by all who connect to them.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    book: Mutex<Book>,
    /// True while there is something in the book; so that success, the usual, costs no lock.
    has_failures: AtomicBool,
}

#[derive(Debug, Default)]
struct Book {
    failures: HashMap<SocketAddr, Failures>,
    turn: usize,
}

#[derive(Debug)]
struct Failures {
    connects: u32,
    /// Of those, how many were waited for in vain.
    waits: u32,
    exchanges: u32,
    /// Until then it is left alone.
    until: Instant,
}

/// How a connection or an exchange over it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Refused, unreachable, or no TLS.
    Connect,
    /// No connection in time.
    Wait,
    /// The exchange broke, or no answer came in time.
    Exchange,
}

impl Failures {
    fn is_ill(&self) -> bool {
        self.connects > 0 || self.exchanges >= EXCHANGES
    }
}

impl Health {
    /// In which order to try the addresses of a name at `now`; the error says for how long none is worth it.
    pub fn order(
        &self,
        resolved: impl Iterator<Item = SocketAddr>,
        now: Instant,
    ) -> Result<Vec<SocketAddr>, Duration> {
        let mut resolved: Vec<SocketAddr> = resolved.take(MOST_ADDRESSES).collect();
        if resolved.len() < 2 && !self.has_failures() {
            return Ok(resolved);
        }
        let mut book = self.book();
        // What a name no longer leads to is forgotten; so is what failed long ago.
        book.failures.retain(|address, failures| {
            resolved.contains(address) || now < failures.until + LONGEST_PAUSE
        });
        // Each connection begins with the next address, so that all get their share.
        book.turn = book.turn.wrapping_add(1);
        let turn = book.turn.checked_rem(resolved.len()).unwrap_or(0);
        resolved.rotate_left(turn);
        let is_ill =
            |address: &SocketAddr| book.failures.get(address).is_some_and(Failures::is_ill);
        let (ill, well): (Vec<_>, Vec<_>) = resolved.into_iter().partition(is_ill);
        let until = |address: &SocketAddr| book.failures.get(address).map(|known| known.until);
        let probe = ill.iter().find(|address| until(address).is_none_or(|until| until <= now));
        if let Some(probe) = probe.copied() {
            if let Some(failures) = book.failures.get_mut(&probe) {
                // Until it is known how this ends, nobody else tries.
                failures.until = now + pause(failures.connects + failures.exchanges);
            }
            return Ok(std::iter::once(probe).chain(well).collect());
        }
        if !well.is_empty() {
            return Ok(well);
        }
        let is_quick = |address: &&SocketAddr| {
            book.failures.get(address).is_none_or(|failures| failures.waits < WAITS)
        };
        let quick: Vec<_> = ill.iter().filter(is_quick).copied().collect();
        if quick.is_empty()
            && let Some(first) = ill.iter().filter_map(until).min()
        {
            return Err(first.saturating_duration_since(now));
        }
        Ok(quick)
    }

    /// Notes that something failed at an address.
    pub fn failed(&self, address: SocketAddr, failure: Failure, now: Instant) {
        let mut book = self.book();
        let failures = book.failures.entry(address).or_insert(Failures {
            connects: 0,
            waits: 0,
            exchanges: 0,
            until: now,
        });
        let was_ill = failures.is_ill();
        match failure {
            Failure::Connect => {
                failures.connects += 1;
                failures.waits = 0;
            }
            Failure::Wait => {
                failures.connects += 1;
                failures.waits += 1;
            }
            Failure::Exchange => failures.exchanges += 1,
        }
        failures.until = now + pause(failures.connects + failures.exchanges);
        if failures.is_ill() && !was_ill {
            warn!("the upstream's address {address} fails; others are preferred, if there are any");
        }
        self.0.has_failures.store(true, Ordering::Relaxed);
    }

    /// Notes that a connection to the address stands.
    pub fn connected(&self, address: SocketAddr) {
        self.forgive(address, |failures| {
            failures.connects = 0;
            failures.waits = 0;
        });
    }

    /// Notes that a response came from the address.
    pub fn answered(&self, address: SocketAddr) {
        self.forgive(address, |failures| failures.exchanges = 0);
    }

    fn forgive(&self, address: SocketAddr, what: impl FnOnce(&mut Failures)) {
        if !self.has_failures() {
            return;
        }
        let mut book = self.book();
        if let Some(failures) = book.failures.get_mut(&address) {
            let was_ill = failures.is_ill();
            what(failures);
            if was_ill && !failures.is_ill() {
                info!("the upstream's address {address} is well again");
            }
            if failures.connects == 0 && failures.exchanges == 0 {
                book.failures.remove(&address);
            }
        }
        self.0.has_failures.store(!book.failures.is_empty(), Ordering::Relaxed);
    }

    fn has_failures(&self) -> bool {
        self.0.has_failures.load(Ordering::Relaxed)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 443))
    }

    fn order(health: &Health, last: &[u8], now: Instant) -> Result<Vec<u8>, Duration> {
        let order = health.order(last.iter().map(|last| address(*last)), now)?;
        let last = |address: SocketAddr| match address.ip() {
            std::net::IpAddr::V4(ip) => ip.octets()[3],
            std::net::IpAddr::V6(_) => 0,
        };
        Ok(order.into_iter().map(last).collect())
    }

    fn sorted(mut order: Vec<u8>) -> Vec<u8> {
        order.sort_unstable();
        order
    }

    #[test]
    fn addresses_take_turns() {
        let (health, now) = (Health::default(), Instant::now());
        let first: Vec<u8> = (0..3).map(|_| order(&health, &[1, 2, 3], now).unwrap()[0]).collect();
        assert_eq!(sorted(first), [1, 2, 3]);
    }

    #[test]
    fn a_failing_address_is_passed_over_and_then_tried_by_one() {
        let (health, now) = (Health::default(), Instant::now());
        health.failed(address(1), Failure::Connect, now);
        for _ in 0..3 {
            assert_eq!(order(&health, &[1, 2], now).unwrap(), [2]);
        }
        let later = now + FIRST_PAUSE;
        assert_eq!(order(&health, &[1, 2], later).unwrap(), [1, 2], "half open: one request tries");
        assert_eq!(order(&health, &[1, 2], later).unwrap(), [2], "and only one");
        health.connected(address(1));
        assert_eq!(sorted(order(&health, &[1, 2], later).unwrap()), [1, 2]);
    }

    #[test]
    fn one_failed_exchange_says_nothing_and_three_do() {
        let (health, now) = (Health::default(), Instant::now());
        for count in 1..=EXCHANGES {
            health.failed(address(1), Failure::Exchange, now);
            assert_eq!(order(&health, &[1, 2], now).unwrap().contains(&1), count < EXCHANGES);
        }
        health.connected(address(1));
        assert_eq!(order(&health, &[1, 2], now).unwrap(), [2], "to connect is not to answer");
        health.answered(address(1));
        assert_eq!(sorted(order(&health, &[1, 2], now).unwrap()), [1, 2]);
    }

    #[test]
    fn the_only_address_is_tried_unless_that_costs_a_wait() {
        let (health, now) = (Health::default(), Instant::now());
        for _ in 0..9 {
            health.failed(address(1), Failure::Connect, now);
            health.failed(address(1), Failure::Exchange, now);
            assert_eq!(order(&health, &[1], now).unwrap(), [1], "a refusal costs nothing");
        }
        health.connected(address(1));
        health.answered(address(1));
        for _ in 0..WAITS {
            assert_eq!(order(&health, &[1], now).unwrap(), [1]);
            health.failed(address(1), Failure::Wait, now);
        }
        let wait = order(&health, &[1], now).unwrap_err();
        assert_eq!(wait, FIRST_PAUSE * 4);
        assert_eq!(order(&health, &[1], now + wait).unwrap(), [1], "half open");
        assert!(order(&health, &[1], now + wait).is_err());
    }

    #[test]
    fn a_name_that_leads_elsewhere_begins_anew() {
        let (health, now) = (Health::default(), Instant::now());
        for _ in 0..WAITS {
            health.failed(address(1), Failure::Wait, now);
        }
        assert!(order(&health, &[1], now).is_err());
        assert_eq!(order(&health, &[2], now).unwrap(), [2]);
        assert_eq!(order(&health, &[], now).unwrap(), Vec::<u8>::new());
    }
}
