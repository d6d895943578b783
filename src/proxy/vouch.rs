//! Vouching for the tokens of a response: each is decided upon, and signed anew where that is called for.
//!
//! What can't be judged passes, and is counted with the reason. The signature itself is made on the runtime's
//! pool of blocking threads, never on its event loop.

use super::asked::Asked;
use super::body::Body;
use super::error::Refusal;
use super::worker::Worker;
use crate::admin::TokenOutcome;
use crate::clock;
use crate::config::OnFailure;
use crate::rules::Finding;
use crate::token::{
    Annotation, Decided, Decision, Mode, PassReason, ResignReason, TokenKind, TokenResponse,
    Unsigned, Unverified, UpstreamToken, decide,
};
use crate::upstream::{Snapshot, Treatment, Wanted};
use http::Response;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// How long a token waits for fresh keys, if no known one verifies it.
const PATIENCE: Duration = Duration::from_secs(3);

/// A response with what was done about its tokens in a word for the log; or why it is refused.
pub(super) type Treated = Result<(Response<Body>, Option<&'static str>), Refusal>;

/// What becomes of the tokens of one response.
#[derive(Debug, Default)]
pub(super) struct Vouched {
    /// The new tokens, by their kinds.
    pub(super) tokens: Vec<(TokenKind, String)>,
    /// What is to be said of those that stay.
    annotations: Vec<(TokenKind, Annotation)>,
    /// The claims of a token that goes on without its signature.
    pub(super) claims: Option<String>,
    /// Some token can't be vouched for, and such a response is to be refused.
    rejected: bool,
    /// What was done in a word, for the log; the last token's.
    pub(super) word: Option<&'static str>,
}

impl Vouched {
    /// Nothing is to be changed or said.
    pub(super) fn nothing(word: Option<&'static str>) -> Self {
        Self { word, ..Self::default() }
    }

    /// Takes what became of a token, and counts it.
    fn take(&mut self, worker: &Worker, kind: TokenKind, new: Result<New, Passed>) {
        let (outcome, reason, word) = match new {
            Ok(New::Token(token, reason)) => {
                self.tokens.push((kind, token));
                (TokenOutcome::Resigned, reason, "resigned")
            }
            Ok(New::Annotation(annotation)) => {
                self.annotations.push((kind, annotation));
                (TokenOutcome::Annotated, "mode", "annotated")
            }
            Ok(New::Claims(claims)) => {
                self.claims = Some(claims);
                (TokenOutcome::Unwrapped, "mode", "unwrapped")
            }
            Err(Passed { reason, rejects: true }) => {
                self.rejected = true;
                (TokenOutcome::Rejected, reason, reason)
            }
            Err(Passed { reason, rejects: false }) => (TokenOutcome::Passed, reason, reason),
        };
        worker.counters.token(kind, outcome, reason);
        self.word = Some(word);
    }

    /// The refusal of the whole response, if one of its tokens calls for it.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if self.rejected { Err(Refusal::Token) } else { Ok(()) }
    }

    /// The `kid` to tell of the ID token, where it was only to be annotated.
    pub(super) fn id_token_kid(&self) -> Option<&str> {
        let mut annotations = self.annotations.iter();
        annotations
            .find(|(kind, _)| *kind == TokenKind::IdToken)
            .map(|(_, annotation)| annotation.kid.as_str())
    }

    /// Writes the annotations into the fields of the response; nobody else may have written such.
    pub(super) fn annotate(&self, headers: &mut HeaderMap) {
        for kind in TokenKind::ALL {
            headers.remove(field_of(kind));
        }
        for (kind, annotation) in &self.annotations {
            if let Some(value) = field_value(annotation) {
                headers.insert(field_of(*kind), value);
            }
        }
    }
}

fn field_of(kind: TokenKind) -> HeaderName {
    HeaderName::from_static(match kind {
        TokenKind::IdToken => "kidstamp-id-token",
        TokenKind::AccessToken => "kidstamp-access-token",
        TokenKind::UserInfo => "kidstamp-userinfo",
        TokenKind::Introspection => "kidstamp-introspection",
        TokenKind::Jarm => "kidstamp-jarm",
        TokenKind::LogoutToken => "kidstamp-logout-token",
    })
}

/// Parameters as RFC 8941 §3.1.2 writes them; a `kid` that its strings can't hold is left out.
fn field_value(annotation: &Annotation) -> Option<HeaderValue> {
    let alg = annotation.alg.name();
    let writable = annotation.kid.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    let text = if writable {
        let kid = annotation.kid.replace('\\', "\\\\").replace('"', "\\\"");
        format!("verified; kid=\"{kid}\"; alg=\"{alg}\"")
    } else {
        format!("verified; alg=\"{alg}\"")
    };
    HeaderValue::from_str(&text).ok()
}

/// Counts a token that passes, with the reason; returns the word for the log.
pub(super) fn passed(worker: &Worker, kind: TokenKind, reason: &'static str) -> &'static str {
    worker.counters.token(kind, TokenOutcome::Passed, reason);
    reason
}

/// A response that should bring a token, but can't be looked into: it goes on as it is, or is refused.
pub(super) fn unseen(
    worker: &Worker,
    kind: TokenKind,
    treatment: Option<&Treatment>,
    response: Response<Body>,
    reason: &'static str,
) -> Treated {
    let tokens = &worker.config.tokens;
    let (mode, on_failure) = treatment.map_or((tokens.modes.of(kind), tokens.on_failure), |own| {
        (own.modes.of(kind), own.on_failure)
    });
    if rejects(mode, on_failure) {
        worker.counters.token(kind, TokenOutcome::Rejected, reason);
        return Err(Refusal::Token);
    }
    Ok((response, Some(passed(worker, kind, reason))))
}

/// True if what can't be vouched for is refused: only where somebody wants it vouched for.
fn rejects(mode: Mode, on_failure: OnFailure) -> bool {
    on_failure == OnFailure::Reject && matches!(mode, Mode::Auto | Mode::Resign | Mode::Json)
}

/// Decides on the tokens of one response of the issuer at that place in the configuration, which somebody `asked` for.
pub(super) async fn vouch<'r, 't: 'r>(
    worker: &Worker,
    issuer: usize,
    asked: &Asked,
    tokens: impl Iterator<Item = &'r UpstreamToken<'t>>,
) -> Vouched {
    let whose = Whose { issuer, asked };
    let mut vouched = Vouched::default();
    let tokens: Vec<&UpstreamToken<'t>> = tokens.collect();
    let hashing = tokens.iter().copied().find(|token| token.has_at_hash());
    for token in &tokens {
        let new = match (token.kind(), hashing) {
            (TokenKind::AccessToken, Some(hashing)) => {
                let [access_token, id_token] =
                    vouch_for_hashed(worker, whose, token, hashing).await;
                vouched.take(worker, TokenKind::AccessToken, access_token);
                vouched.take(worker, TokenKind::IdToken, id_token);
                continue;
            }
            (TokenKind::IdToken, Some(_))
                if tokens.iter().any(|token| token.kind() == TokenKind::AccessToken) =>
            {
                // With the access token that it holds the hash of.
                continue;
            }
            (TokenKind::Jarm, _) => vouch_for_response(worker, whose, token).await,
            _ => vouch_for(worker, whose, token).await,
        };
        vouched.take(worker, token.kind(), new);
    }
    vouched
}

/// Decides on an access token and the ID token that holds its hash: where the one changes, the other must follow. So
/// the access token is signed anew only where the ID token can be, too.
async fn vouch_for_hashed(
    worker: &Worker,
    whose: Whose<'_>,
    access_token: &UpstreamToken<'_>,
    id_token: &UpstreamToken<'_>,
) -> [Result<New, Passed>; 2] {
    let judged = judge(worker, whose, access_token).await;
    if !matches!(judged.verdict, Verdict::Resign(..)) {
        let access_token = finish(worker, TokenKind::AccessToken, judged).await;
        return [access_token, vouch_for(worker, whose, id_token).await];
    }
    // Any other text in the place of the access token tells whether the ID token can follow.
    let following = judge(worker, whose, &id_token.beside_new_access_token("")).await;
    if !matches!(following.verdict, Verdict::Resign(..)) {
        return [Err(Passed::BY_HASH), finish(worker, TokenKind::IdToken, following).await];
    }
    match finish(worker, TokenKind::AccessToken, judged).await {
        Ok(New::Token(new, reason)) => {
            let id_token = id_token.beside_new_access_token(&new);
            match vouch_for(worker, whose, &id_token).await {
                Ok(token @ New::Token(..)) => [Ok(New::Token(new, reason)), Ok(token)],
                // It holds the hash of the old access token still.
                other => [Err(Passed::BY_HASH), other],
            }
        }
        other => [other, vouch_for(worker, whose, id_token).await],
    }
}

/// Decides on an authorization response that is a JWT, and on the tokens inside of it: those are signed anew only where it
/// can be, too.
async fn vouch_for_response(
    worker: &Worker,
    whose: Whose<'_>,
    token: &UpstreamToken<'_>,
) -> Result<New, Passed> {
    let payload = token.response_inside().unwrap_or_default();
    let Ok(inside) = TokenResponse::parse(&payload) else {
        return vouch_for(worker, whose, token).await;
    };
    let (access_token, id_token) = (inside.access_token(), inside.id_token());
    let Some(one) = access_token.as_ref().or(id_token.as_ref()) else {
        return vouch_for(worker, whose, token).await;
    };
    // Any other text in the place of one of them tells whether the response can follow.
    let following = token.with_inside(vec![(one.kind(), String::new())]);
    if !matches!(judge(worker, whose, &following).await.verdict, Verdict::Resign(..)) {
        return vouch_for(worker, whose, token).await;
    }
    let tokens = access_token.iter().chain(&id_token);
    let inside = Box::pin(vouch(worker, whose.issuer, whose.asked, tokens)).await;
    let new = vouch_for(worker, whose, &token.with_inside(inside.tokens)).await;
    match new {
        Ok(_) if inside.rejected => Err(Passed { reason: "token_inside", rejects: true }),
        other => other,
    }
}

/// The issuer at a place in the configuration, and who asked for a token of it.
#[derive(Clone, Copy)]
struct Whose<'w> {
    issuer: usize,
    asked: &'w Asked,
}

#[derive(Debug)]
enum New {
    Token(String, &'static str),
    Annotation(Annotation),
    Claims(String),
}

/// Why a token passes, and whether the response with it is refused for that.
#[derive(Debug, Clone, Copy)]
struct Passed {
    reason: &'static str,
    rejects: bool,
}

impl Passed {
    /// Its hash stands in an ID token that stays.
    const BY_HASH: Self = Self { reason: "at_hash", rejects: false };
}

/// What is to become of a token, with what the rules found in it; nothing is counted, told or signed yet.
struct Judged {
    verdict: Verdict,
    findings: Vec<Finding>,
    /// What fails is refused.
    rejects: bool,
}

enum Verdict {
    /// The number is how long a token with a carrier may be, where it is to have one.
    Resign(Arc<Snapshot>, Option<usize>, Unsigned, ResignReason),
    Annotate(Annotation),
    Unwrap(String),
    Pass(Arc<Snapshot>, PassReason),
    /// Without a look at it.
    Unseen(&'static str),
}

/// The new token and why, or what to say of the old one, or why it just passes.
async fn vouch_for(
    worker: &Worker,
    whose: Whose<'_>,
    token: &UpstreamToken<'_>,
) -> Result<New, Passed> {
    finish(worker, token.kind(), judge(worker, whose, token).await).await
}

/// Decides on a token; waits for fresh keys if no known one verifies it.
async fn judge(worker: &Worker, whose: Whose<'_>, token: &UpstreamToken<'_>) -> Judged {
    let Whose { issuer, asked } = whose;
    let everyone = &worker.config.tokens;
    let unseen = |reason| Judged {
        verdict: Verdict::Unseen(reason),
        findings: Vec::new(),
        rejects: rejects(everyone.modes.of(token.kind()), everyone.on_failure),
    };
    let deadline = Instant::now() + PATIENCE;
    let mut refreshes = 2;
    loop {
        let Some(snapshot) = worker.refresher.site.load().snapshot(issuer) else {
            return unseen("no_snapshot");
        };
        if !snapshot.is_usable(clock::now()) {
            return unseen("stale");
        }
        let treatments = &snapshot.treatments;
        let asked = asked.client(|client| treatments.knows(client));
        let Treatment { trust, bridge, modes, on_failure, .. } = treatments.of_token(token, asked);
        let mode = modes.of(token.kind());
        let rejects = rejects(mode, *on_failure);
        let carrier = bridge.carrier.then_some(bridge.max_token_bytes);
        let Decided { decision, findings } = decide(trust, bridge, mode, token, clock::now());
        let verdict = match decision {
            Decision::Pass(PassReason::Unverified(Unverified::Signature)) if refreshes > 0 => {
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
async fn finish(
    worker: &Worker,
    kind: TokenKind,
    Judged { verdict, findings, rejects }: Judged,
) -> Result<New, Passed> {
    worker.counters.findings(&findings);
    match verdict {
        Verdict::Resign(snapshot, carrier, unsigned, reason) => {
            match sign(worker, &snapshot, carrier, kind, unsigned, reason).await {
                Ok(signed) => Ok(New::Token(signed, reason.name())),
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
    reason: ResignReason,
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
    let kid = unsigned.kid().to_owned();
    // As many signatures at once as there are cores; whoever comes later waits here, and not on an event loop.
    let permit = worker.signers.acquire().await.map_err(|_| "draining")?;
    let signed = tokio::task::spawn_blocking(move || unsigned.sign()).await;
    drop(permit);
    match signed {
        Ok(Ok(token)) => {
            info!(target: "kidstamp::token", issuer, kid, reason = reason.name(), "{title} re-signed");
            Ok(token)
        }
        Ok(Err(_)) | Err(_) => {
            error!(issuer, kid, "the signature could not be made: the {title} passes as it came");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::Alg;

    #[test]
    fn a_kid_is_written_as_a_string_or_not_at_all() {
        let value = |kid: &str| {
            let annotation = Annotation { kid: kid.to_owned(), alg: Alg::Rs256 };
            field_value(&annotation).unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(value("a-B_9"), r#"verified; kid="a-B_9"; alg="RS256""#);
        assert_eq!(value(r#"a"\"#), r#"verified; kid="a\"\\"; alg="RS256""#);
        for kid in ["a\r\nSet-Cookie: x", "\u{1b}[31m", "é", "\u{7f}"] {
            assert_eq!(value(kid), r#"verified; alg="RS256""#, "threat 25: {kid:?}");
        }
    }
}
