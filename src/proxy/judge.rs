//! What is to become of one token: decided with the keys of the moment, and then done.
//!
//! A token that no known key verifies waits for fresh ones, within bounds. The signature itself is made on a thread of its
//! own (`signing.rs`), never on an event loop.

use super::asked::Asked;
use super::worker::Worker;
use crate::admin::TokenOutcome;
use crate::clock;
use crate::config::OnFailure;
use crate::rules::Finding;
use crate::token::{
    Annotation, Decided, Decision, Mode, PassReason, ResignError, ResignReason, TokenKind,
    Unsigned, Unverified, UpstreamToken, decide,
};
use crate::upstream::{Snapshot, Treatment, Wanted};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{error, warn};

/// How long a token waits for fresh keys, if no known one verifies it.
const PATIENCE: Duration = Duration::from_secs(3);

/// The issuer at a place in the configuration, and who asked for a token of it.
#[derive(Clone, Copy)]
pub(super) struct Whose<'w> {
    pub(super) issuer: usize,
    pub(super) asked: &'w Asked,
}

pub(super) enum New {
    /// A token, the `kid` of the key that signed it, and why.
    Token(String, String, ResignReason),
    Annotation(Annotation),
    Claims(String),
}

/// Why a token passes, and whether the response with it is refused for that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passed {
    pub(super) reason: &'static str,
    pub(super) rejects: bool,
}

impl Passed {
    /// Its hash stands in an ID token that stays.
    pub(super) const BY_HASH: Self = Self { reason: "at_hash", rejects: false };
}

/// What is to become of a token, with what the rules found in it; nothing is counted, told or signed yet.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    findings: Vec<Finding>,
    /// What fails is refused.
    rejects: bool,
}

pub(super) enum Verdict {
    /// The number is how long a token with a carrier may be, where it is to have one.
    Resign(Arc<Snapshot>, Option<usize>, Unsigned, ResignReason),
    Annotate(Annotation),
    Unwrap(String),
    Pass(Arc<Snapshot>, PassReason),
    /// Without a look at it.
    Unseen(&'static str),
}

/// The new token and why, or what to say of the old one, or why it just passes.
pub(super) async fn vouch_for(
    worker: &Worker,
    whose: Whose<'_>,
    token: &UpstreamToken<'_>,
) -> Result<New, Passed> {
    finish(worker, token.kind(), judge(worker, whose, token).await).await
}

/// Decides on a token; waits for fresh keys if no known one verifies it.
pub(super) async fn judge(worker: &Worker, whose: Whose<'_>, token: &UpstreamToken<'_>) -> Judged {
    let Whose { issuer, asked } = whose;
    let everyone = &worker.config.tokens;
    let unseen = |reason| Judged {
        verdict: Verdict::Unseen(reason),
        findings: Vec::new(),
        rejects: rejects(everyone.modes.of(token.kind()), everyone.on_failure),
    };
    let mut deadline = None;
    let mut refreshes = 2;
    loop {
        let now = clock::now();
        let Some(snapshot) = worker.refresher.site.load().snapshot(issuer) else {
            return unseen("no_snapshot");
        };
        if !snapshot.is_usable(now) {
            return unseen("stale");
        }
        let treatments = &snapshot.treatments;
        let asked = asked.client(|client| treatments.knows(client));
        let Treatment { trust, bridge, modes, on_failure, .. } = treatments.of_token(token, asked);
        let mode = modes.of(token.kind());
        let rejects = rejects(mode, *on_failure);
        let carrier = bridge.carrier.then_some(bridge.max_token_bytes);
        let Decided { decision, findings } = decide(trust, bridge, mode, token, now);
        let verdict = match decision {
            Decision::Pass(PassReason::Unverified(Unverified::Signature)) if refreshes > 0 => {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
                let patience = deadline.saturating_duration_since(Instant::now());
                refreshes = match worker.refresher.refresh(issuer, patience).await {
                    // It may have read the keys before the one of this token was among them.
                    Wanted::AlreadyUnderWay => refreshes - 1,
                    Wanted::Attempted | Wanted::TimedOut => 0,
                };
                continue;
            }
            Decision::Resign(unsigned, reason) => {
                Verdict::Resign(snapshot, carrier, unsigned, reason)
            }
            Decision::Annotate(annotation) => Verdict::Annotate(annotation),
            Decision::Unwrap(claims) => Verdict::Unwrap(claims),
            Decision::Pass(reason) => Verdict::Pass(snapshot, reason),
        };
        return Judged { verdict, findings, rejects };
    }
}

/// Does what was decided.
pub(super) async fn finish(
    worker: &Worker,
    kind: TokenKind,
    Judged { verdict, findings, rejects }: Judged,
) -> Result<New, Passed> {
    worker.counters.findings(&findings);
    match verdict {
        Verdict::Resign(snapshot, carrier, unsigned, reason) => {
            let kid = unsigned.kid().to_owned();
            match sign(worker, &snapshot, carrier, kind, unsigned).await {
                Ok(signed) => Ok(New::Token(signed, kid, reason)),
                Err(reason) => Err(Passed { reason, rejects }),
            }
        }
        Verdict::Annotate(annotation) => Ok(New::Annotation(annotation)),
        Verdict::Unwrap(claims) => Ok(New::Claims(claims)),
        Verdict::Pass(snapshot, reason) => {
            tell_pass(&snapshot, kind, reason);
            Err(Passed { reason: reason.name(), rejects: rejects && reason.is_failure() })
        }
        Verdict::Unseen(reason) => Err(Passed { reason, rejects }),
    }
}

/// Signs; `carrier` is how long a token with a carrier may be, where it is to have one.
async fn sign(
    worker: &Worker,
    snapshot: &Arc<Snapshot>,
    carrier: Option<usize>,
    kind: TokenKind,
    unsigned: Unsigned,
) -> Result<String, &'static str> {
    let (issuer, title) = (snapshot.metadata.issuer.as_str(), kind.title());
    if let Some(max_token_bytes) = carrier.filter(|_| !unsigned.is_carried()) {
        worker.counters.token(kind, TokenOutcome::WithoutCarrier, "too_long");
        warn!(
            issuer,
            "a re-signed {title} would be longer than tokens.max_token_bytes ({max_token_bytes}) with its carrier: it \
             goes without, so the provider will refuse it when it comes back"
        );
    }
    let expires = unsigned.expires();
    match worker.signing.sign(unsigned).await {
        Ok(token) => {
            worker.counters.resigned(clock::now(), expires);
            Ok(token)
        }
        Err(ResignError) => {
            error!(issuer, "the signature could not be made: the {title} passes as it came");
            Err("signing_failed")
        }
    }
}

/// What an operator should do about a token that passes though relying parties may refuse it.
fn tell_pass(snapshot: &Snapshot, kind: TokenKind, reason: PassReason) {
    let (issuer, title) = (snapshot.metadata.issuer.as_str(), kind.title());
    match reason {
        PassReason::Mode | PassReason::Acceptable => {}
        PassReason::NoKeyForAlg(alg) => warn!(
            issuer,
            "an {alg} {title} passes as it came, since there is no bridge key for {alg}; make one with: kidstamp \
             keys generate --alg {alg} --dir DIR"
        ),
        PassReason::NoKeyForMac(mac) => warn!(
            issuer,
            "an {} {title} passes as it came, since there is no bridge key with its hash function, or none of \
             client.alg; make one with: kidstamp keys generate --alg {} --dir DIR",
            mac.name(),
            mac.instead().name()
        ),
        PassReason::Unpublished => {
            warn!(issuer, "a {title} passes as it came: the key that signed it is not published");
        }
        PassReason::Unverified(problem) => {
            warn!(issuer, reason = reason.name(), "a {title} passes as it came: {problem}");
        }
    }
}

/// True if what can't be vouched for is refused: only where somebody wants it vouched for.
pub(super) fn rejects(mode: Mode, on_failure: OnFailure) -> bool {
    on_failure == OnFailure::Reject && matches!(mode, Mode::Auto | Mode::Resign | Mode::Json)
}
