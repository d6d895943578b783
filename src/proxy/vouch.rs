//! Vouching for the tokens of a response: each is decided upon, and signed anew where that is called for; those that hang
//! together, together.
//!
//! What can't be judged passes, and is counted with the reason.

use super::asked::Asked;
use super::body::Body;
use super::error::Refusal;
use super::judge::{Judged, New, Passed, Verdict, Whose, finish, judge, rejects, vouch_for};
use super::worker::Worker;
use crate::admin::TokenOutcome;
use crate::token::{Annotation, TokenKind, TokenResponse, UpstreamToken};
use crate::upstream::Treatment;
use http::Response;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// A response with what was done about its tokens; or why it is refused.
pub(super) type Treated = Result<(Response<Body>, Option<Deed>), Refusal>;

/// What was done about the tokens of a response, for its line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deed {
    /// In a word; the last token's.
    pub(super) decision: &'static str,
    /// Why tokens were signed anew; the last one's.
    pub(super) reason: Option<&'static str>,
    /// The keys that signed tokens anew, or that are told to have signed them.
    pub(super) kid: Option<String>,
}

impl From<&'static str> for Deed {
    fn from(decision: &'static str) -> Self {
        Self { decision, reason: None, kid: None }
    }
}

impl Deed {
    /// Names a key; each once.
    fn name(&mut self, kid: String) {
        match &mut self.kid {
            Some(kids) if kids.split(' ').any(|one| one == kid) => {}
            Some(kids) => kids.extend([" ", &kid]),
            None => self.kid = Some(kid),
        }
    }
}

/// What becomes of the tokens of one response.
#[derive(Default)]
pub(super) struct Vouched {
    /// The new tokens, by their kinds.
    pub(super) tokens: Vec<(TokenKind, String)>,
    /// What is to be said of those that stay.
    annotations: Vec<(TokenKind, Annotation)>,
    /// The claims of a token that goes on without its signature.
    pub(super) claims: Option<String>,
    /// Some token can't be vouched for, and such a response is to be refused.
    rejected: bool,
    /// What was done, for the log.
    pub(super) deed: Option<Deed>,
}

impl Vouched {
    /// For tokens of no issuer in particular: nobody can judge them.
    pub(super) fn of_nobody(worker: &Worker, kinds: impl Iterator<Item = TokenKind>) -> Self {
        let everyone = &worker.config.tokens;
        let mut vouched = Self::default();
        for kind in kinds {
            let rejects = rejects(everyone.modes.of(kind), everyone.on_failure);
            vouched.take(worker, kind, Err(Passed { reason: "issuer", rejects }));
        }
        vouched
    }

    /// Takes what became of a token, and counts it.
    fn take(&mut self, worker: &Worker, kind: TokenKind, new: Result<New, Passed>) {
        let mut named = None;
        let (outcome, reason, decision) = match new {
            Ok(New::Token(token, kid, reason)) => {
                self.tokens.push((kind, token));
                named = Some(kid);
                (TokenOutcome::Resigned, reason.name(), "resigned")
            }
            Ok(New::Annotation(annotation)) => {
                named = Some(annotation.kid.clone());
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
        let deed = self.deed.get_or_insert(Deed::from(decision));
        deed.decision = decision;
        if outcome == TokenOutcome::Resigned {
            deed.reason = Some(reason);
        }
        if let Some(kid) = named {
            deed.name(kid);
        }
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
        if headers.keys().any(|name| name.as_str().starts_with("kidstamp-")) {
            for kind in TokenKind::ALL {
                headers.remove(field_of(kind));
            }
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
    Ok((response, Some(passed(worker, kind, reason).into())))
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
    let mut tokens: Vec<&UpstreamToken<'t>> = tokens.collect();
    // An ID token may hold the hash of the access token, and has to follow it then.
    tokens.sort_by_key(|token| token.kind() != TokenKind::AccessToken);
    let mut has_followed = false;
    for token in &tokens {
        let new = match token.kind() {
            TokenKind::AccessToken => {
                let judged = judge(worker, whose, token).await;
                let hashing = |token: &&&UpstreamToken<'t>| {
                    token.kind() == TokenKind::IdToken && token.has_at_hash()
                };
                let is_new = matches!(judged.verdict, Verdict::Resign(..));
                match tokens.iter().filter(|_| is_new).find(hashing) {
                    Some(id_token) => {
                        // Rare, and long: in a box, so that the others need not make room for it.
                        let both = Box::pin(vouch_for_hashed(worker, whose, judged, id_token));
                        let [access_token, id_token] = both.await;
                        vouched.take(worker, TokenKind::AccessToken, access_token);
                        vouched.take(worker, TokenKind::IdToken, id_token);
                        has_followed = true;
                        continue;
                    }
                    None => finish(worker, TokenKind::AccessToken, judged).await,
                }
            }
            TokenKind::IdToken if has_followed => continue,
            TokenKind::Jarm => Box::pin(vouch_for_response(worker, whose, token)).await,
            _ => vouch_for(worker, whose, token).await,
        };
        vouched.take(worker, token.kind(), new);
    }
    vouched
}

/// Decides on an ID token that holds the hash of an access token which is to be signed anew: where the one changes, the
/// other must follow. So the access token is signed anew only where the ID token can be, too.
async fn vouch_for_hashed(
    worker: &Worker,
    whose: Whose<'_>,
    access_token: Judged,
    id_token: &UpstreamToken<'_>,
) -> [Result<New, Passed>; 2] {
    // Any other text in the place of the access token tells whether the ID token can follow.
    let following = judge(worker, whose, &id_token.beside_new_access_token("")).await;
    if !matches!(following.verdict, Verdict::Resign(..)) {
        return [Err(Passed::BY_HASH), finish(worker, TokenKind::IdToken, following).await];
    }
    match finish(worker, TokenKind::AccessToken, access_token).await {
        Ok(New::Token(new, kid, reason)) => {
            let id_token = id_token.beside_new_access_token(&new);
            match vouch_for(worker, whose, &id_token).await {
                Ok(token @ New::Token(..)) => [Ok(New::Token(new, kid, reason)), Ok(token)],
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::Alg;

    #[test]
    fn threat_25_a_kid_is_written_as_a_string_or_not_at_all() {
        let value = |kid: &str| {
            let annotation = Annotation { kid: kid.to_owned(), alg: Alg::Rs256 };
            field_value(&annotation).unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(value("a-B_9"), r#"verified; kid="a-B_9"; alg="RS256""#);
        assert_eq!(value(r#"a"\"#), r#"verified; kid="a\"\\"; alg="RS256""#);
        for kid in ["a\r\nSet-Cookie: x", "\u{1b}[31m", "é", "\u{7f}"] {
            assert_eq!(value(kid), r#"verified; alg="RS256""#, "{kid:?}");
        }
    }
}
