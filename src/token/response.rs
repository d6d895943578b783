//! The token response of the upstream (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3).

use crate::json::{self, Document, Edits, Kind, Limits, ParseError};
use std::borrow::Cow;

/// A token response of the upstream, parsed. Never to be made from anything that a client sent.
#[derive(Debug)]
pub struct TokenResponse<'t> {
    document: Document<'t>,
}

/// A token that stood in a response of the upstream: only those are ever verified and signed anew.
#[derive(Debug)]
pub struct UpstreamToken<'t> {
    text: Cow<'t, str>,
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
        let document = Document::parse_bytes(body, Limits::DOCUMENT)?;
        if document.root().kind() != Kind::Object {
            return Err(UnreadableResponse::NotAnObject);
        }
        Ok(Self { document })
    }

    /// The member `id_token`, if it is a string.
    pub fn id_token(&self) -> Option<UpstreamToken<'_>> {
        self.document.root().get_str("id_token").map(|text| UpstreamToken { text })
    }

    /// The body with `token` for an `id_token`, and no other byte changed.
    pub fn with_id_token(&self, token: &str) -> String {
        let mut edits = Edits::default();
        if let Some(member) = self.document.root().get("id_token") {
            edits.replace(member, json::quote(token));
        }
        let text = self.document.text();
        json::apply(text, &edits.splices(&self.document)).unwrap_or_else(|_| text.to_owned())
    }
}

impl UpstreamToken<'_> {
    /// The token.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// For tests of this module, which have no upstream.
    #[cfg(test)]
    pub(super) fn for_test(text: &str) -> UpstreamToken<'_> {
        UpstreamToken { text: Cow::Borrowed(text) }
    }
}
