//! Whether the bridge is still needed: it can go once nothing was repaired and nothing turned back for a week, and
//! no re-signed token is alive any more.

use super::counters::Counters;
use crate::rules::Effect;
use crate::upstream::IssuerStatus;
use serde::Serialize;

/// How long there must be nothing to do, in seconds.
pub(super) const WEEK: i64 = 7 * 24 * 3_600;

/// What this process knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Sunset {
    /// The provider's documents are repaired, or a token or token response was within the last week.
    pub(super) repair: bool,
    /// A re-signed token came back within the last week.
    pub(super) restore: bool,
    /// A re-signed token has not expired yet.
    pub(super) live_tokens: bool,
    /// When this was last not so, or began to be watched, in seconds since 1970.
    pub(super) quiet_since: i64,
    /// True if the bridge can be taken away.
    pub(super) can_go: bool,
}

impl Sunset {
    /// As things are at `now`, of what has been seen since `started`.
    pub(super) fn new(
        counters: &Counters,
        statuses: &[IssuerStatus],
        started: i64,
        now: i64,
    ) -> Self {
        let moments = counters.moments();
        let mut findings = statuses.iter().flat_map(|status| &status.findings);
        let in_documents = findings.any(|finding| finding.effect != Effect::Kept);
        let is_recent = |time: i64| time > 0 && now - time < WEEK;
        let live_tokens = moments.live_until > now;
        let quiet_since = if in_documents || live_tokens {
            now
        } else {
            started.max(moments.repaired).max(moments.restored).max(moments.live_until)
        };
        let is_known = statuses.iter().all(|status| status.fetched.is_some());
        Self {
            repair: in_documents || is_recent(moments.repaired),
            restore: is_recent(moments.restored),
            live_tokens,
            quiet_since,
            can_go: is_known && now - quiet_since >= WEEK,
        }
    }

    /// Each reason for which the bridge may be needed, and whether it is.
    pub(super) fn reasons(&self) -> [(&'static str, bool); 3] {
        [("repair", self.repair), ("restore", self.restore), ("live_tokens", self.live_tokens)]
    }

    /// The same in words.
    pub(super) fn text(&self) -> &'static str {
        if self.can_go {
            "The bridge can go: for a week nothing was repaired and nothing turned back, and no re-signed token is \
             alive. Point the external name at the provider again, then take kidstamp away."
        } else if self.repair {
            "The bridge is needed: the provider's documents or tokens are being repaired."
        } else if self.restore || self.live_tokens {
            "The bridge is still needed: nothing is repaired any more, but tokens that kidstamp re-signed are alive, \
             or came back within the last week."
        } else {
            "There is nothing to do at the moment. The bridge can go once it has been so for a week."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Finding;
    use crate::token::Place;

    const START: i64 = 1_800_000_000;

    fn status(effect: Option<Effect>) -> Vec<IssuerStatus> {
        let finding = |effect| Finding {
            rule: "jwks/kid-missing",
            pointer: String::new(),
            detail: String::new(),
            effect,
            flaw: None,
        };
        let findings = effect.map(finding).into_iter().collect();
        vec![IssuerStatus { fetched: Some(START), findings, ..IssuerStatus::default() }]
    }

    fn at(counters: &Counters, effect: Option<Effect>, now: i64) -> Sunset {
        Sunset::new(counters, &status(effect), START, now)
    }

    #[test]
    fn a_repaired_document_needs_the_bridge_and_a_reported_one_does_not() {
        let counters = Counters::new(1);
        let needed = at(&counters, Some(Effect::Repaired), START + 2 * WEEK);
        assert!(needed.repair && !needed.can_go && needed.text().contains("is needed"));
        let quiet = at(&counters, Some(Effect::Kept), START + WEEK);
        assert!(!quiet.repair && quiet.can_go && quiet.text().contains("can go:"));
        assert!(!at(&counters, None, START + WEEK - 1).can_go, "not watched for long enough");
        let unknown = [IssuerStatus::default()];
        assert!(!Sunset::new(&counters, &unknown, START, START + 2 * WEEK).can_go);
    }

    #[test]
    fn tokens_have_to_die_out() {
        let counters = Counters::new(1);
        counters.worker(0).resigned(START + 10, Some(START + 3_610));
        let alive = at(&counters, None, START + 20);
        assert_eq!(alive.reasons(), [("repair", true), ("restore", false), ("live_tokens", true)]);
        let later = at(&counters, None, START + WEEK + 11);
        assert_eq!(later.reasons().map(|(_, is)| is), [false; 3]);
        assert!(!later.can_go, "the last one lived an hour longer");
        assert!(at(&counters, None, START + WEEK + 3_610).can_go);
        let late = START + 2 * WEEK;
        counters.worker(0).restored_at(Place::Query, late);
        let restored = at(&counters, None, late + 1);
        assert_eq!(restored.reasons().map(|(_, is)| is), [false, true, false]);
        assert!(restored.text().contains("still needed"));
    }
}
