//! The token response of the upstream (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3).

use super::hashes::Beside;
use super::kind::TokenKind;
use super::nonces::Nonce;
use crate::jose::CompactJws;
use crate::json::{self, Document, Edits, Kind, Limits, ParseError};
use memchr::memchr_iter;
use std::borrow::Cow;
use std::fmt;

/// A token response of the upstream, parsed. Never to be made from anything that a client sent.
#[derive(Debug)]
pub struct TokenResponse<'t> {
    document: Document<'t>,
}

/// A token that stood in a response of the upstream: only those are ever verified and signed anew.
pub struct UpstreamToken<'t> {
    text: Cow<'t, str>,
    kind: TokenKind,
    beside: Beside<'t>,
    /// New tokens for those inside of it, by kind.
    inside: Vec<(TokenKind, String)>,
}

/// Without the token, and what stands beside it and inside of it.
impl fmt::Debug for UpstreamToken<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("UpstreamToken").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Why a body is no token response whose tokens could be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableResponse {
    /// Not strict JSON.
    #[error("not JSON: {0}")]
    NotJson(#[from] ParseError),
    /// Not an object.
    #[error("not a JSON object")]
    NotAnObject,
}

impl UnreadableResponse {
    /// The word for metrics and logs; one of a fixed set.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotJson(ParseError { problem: json::Problem::DuplicateMember, .. }) => {
                "duplicate_member"
            }
            Self::NotJson(_) => "not_json",
            Self::NotAnObject => "not_an_object",
        }
    }
}

impl<'t> TokenResponse<'t> {
    /// Parses the complete body of a token response.
    pub fn parse(body: &'t [u8]) -> Result<Self, UnreadableResponse> {
        Self::of(Document::parse_bytes(body, Limits::DOCUMENT)?)
    }

    /// The same for a body that was read already.
    pub fn of(document: Document<'t>) -> Result<Self, UnreadableResponse> {
        if document.root().kind() != Kind::Object {
            return Err(UnreadableResponse::NotAnObject);
        }
        Ok(Self { document })
    }

    /// True if there is an access token or an ID token in it: it is no error, and no other document.
    pub fn has_token(&self) -> bool {
        let member = |name: &str| self.document.root().get(name);
        ["access_token", "id_token"]
            .into_iter()
            .filter_map(member)
            .any(|token| token.kind() == Kind::String)
    }

    /// The member `id_token`, if it is a string.
    pub fn id_token(&self) -> Option<UpstreamToken<'_>> {
        let text = |member: &str| self.document.root().get_str(member);
        let beside = Beside {
            access_token: text("access_token"),
            code: text("code"),
            state: text("state"),
            new_access_token: None,
            nonce: None,
        };
        self.token("id_token", TokenKind::IdToken).map(|token| token.with(beside))
    }

    /// The member `access_token`, if it may be a JWT and is bound to no key (RFC 9449 §5).
    pub fn access_token(&self) -> Option<UpstreamToken<'_>> {
        let token_type = self.document.root().get_str("token_type");
        let bearer = token_type.is_none_or(|name| name.eq_ignore_ascii_case("bearer"));
        self.token("access_token", TokenKind::AccessToken)
            .filter(|token| bearer && memchr_iter(b'.', token.text.as_bytes()).count() == 2)
    }

    fn token(&self, member: &str, kind: TokenKind) -> Option<UpstreamToken<'_>> {
        self.document.root().get_str(member).map(|text| UpstreamToken::found(kind, text))
    }

    /// The body with `tokens` in the places of those of the same kinds, with `id_token_kid` as a new member
    /// (unknown ones are ignored, RFC 6749 §5.1), and no other byte changed.
    pub fn with(&self, tokens: &[(TokenKind, String)], id_token_kid: Option<&str>) -> String {
        let mut edits = Edits::default();
        let root = self.document.root();
        for (kind, token) in tokens {
            if let Some(member) = root.get(kind.name()) {
                edits.replace(member, json::quote(token));
            }
        }
        if let Some(kid) = id_token_kid {
            edits.set_member(root, "id_token_kid", &json::quote(kid));
        }
        let text = self.document.text();
        json::apply(text, &edits.splices(&self.document)).unwrap_or_else(|_| text.to_owned())
    }
}

impl<'t> UpstreamToken<'t> {
    /// For the parsers of other responses; a token must have stood in one of the upstream.
    pub(super) fn found(kind: TokenKind, text: Cow<'t, str>) -> Self {
        Self { text, kind, beside: Beside::default(), inside: Vec::new() }
    }

    /// The same, with what stands beside it.
    pub(super) fn with(self, beside: Beside<'t>) -> Self {
        Self { beside, ..self }
    }

    /// The same, with the nonce of its login.
    pub fn with_nonce(mut self, nonce: Nonce) -> Self {
        self.beside.nonce = Some(nonce);
        self
    }

    /// What stands beside it in its response.
    pub(super) fn beside(&self) -> &Beside<'t> {
        &self.beside
    }

    /// The same token, where the access token beside it becomes `new`.
    pub fn beside_new_access_token(&self, new: &str) -> UpstreamToken<'_> {
        let beside = Beside { new_access_token: Some(new.to_owned()), ..self.beside.clone() };
        UpstreamToken::found(self.kind, Cow::Borrowed(&self.text)).with(beside)
    }

    /// The same token, where those inside of it become `new`.
    pub fn with_inside(&self, new: Vec<(TokenKind, String)>) -> UpstreamToken<'_> {
        UpstreamToken { inside: new, ..UpstreamToken::found(self.kind, Cow::Borrowed(&self.text)) }
    }

    /// The new tokens for those inside of it.
    pub(super) fn inside(&self) -> &[(TokenKind, String)] {
        &self.inside
    }

    /// The text of an authorization response that is a JWT (JARM §2.1), which may hold tokens as a token response does.
    /// Nobody has checked it.
    pub fn response_inside(&self) -> Option<Vec<u8>> {
        let jws = CompactJws::parse(&self.text).ok()?;
        (self.kind == TokenKind::Jarm).then(|| jws.payload().to_vec())
    }

    /// What it is, by the place where it stood.
    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    /// The issuer that it names, which nobody has checked.
    pub fn claimed_issuer(&self) -> Option<String> {
        let jws = CompactJws::parse(&self.text).ok()?;
        let claims = Document::parse_bytes(jws.payload(), Limits::TOKEN).ok()?;
        Some(claims.root().get_str("iss")?.into_owned())
    }

    /// True if it says that it is for `audience`, which nobody has checked.
    pub fn claims_audience(&self, audience: &str) -> bool {
        let payload = CompactJws::parse(&self.text).map(|jws| jws.payload().to_vec());
        payload.is_ok_and(|payload| {
            let claims = Document::parse_bytes(&payload, Limits::TOKEN);
            claims.is_ok_and(|claims| {
                let aud = claims.root().get("aud");
                aud.is_some_and(|aud| {
                    aud.is_str(audience) || aud.elements().any(|one| one.is_str(audience))
                })
            })
        })
    }

    /// True if it holds the hash of the access token beside it (OpenID Connect Core §3.1.3.6), which must then
    /// stay the same, or be hashed anew.
    pub fn has_at_hash(&self) -> bool {
        self.has_claim("at_hash")
    }

    /// True if it holds a nonce, which nobody has checked.
    pub fn has_nonce(&self) -> bool {
        self.has_claim("nonce")
    }

    fn has_claim(&self, name: &str) -> bool {
        let payload = CompactJws::parse(&self.text).map(|jws| jws.payload().to_vec());
        payload.is_ok_and(|payload| {
            let claims = Document::parse_bytes(&payload, Limits::TOKEN);
            claims.is_ok_and(|claims| claims.root().get(name).is_some())
        })
    }

    /// The token.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// For tests of this module, which have no upstream.
    #[cfg(test)]
    pub(super) fn for_test(text: &str) -> UpstreamToken<'_> {
        UpstreamToken::found(TokenKind::IdToken, Cow::Borrowed(text))
    }

    /// The same, beside an access token.
    #[cfg(test)]
    pub(super) fn beside_access_token(self, access_token: &'t str) -> Self {
        self.with(Beside { access_token: Some(Cow::Borrowed(access_token)), ..Beside::default() })
    }
}
