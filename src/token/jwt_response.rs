//! A response of the upstream that is one JWT: userinfo (OpenID Connect Core §5.3.2), introspection (RFC 9701 §5).

use super::kind::TokenKind;
use super::response::UpstreamToken;
use std::borrow::Cow;

/// The body of such a response. Never to be made from anything that a client sent.
#[derive(Debug)]
pub struct JwtResponse<'t> {
    /// Blanks before and after the token, which some providers send.
    around: (&'t str, &'t str),
    token: UpstreamToken<'t>,
}

impl<'t> JwtResponse<'t> {
    /// Reads the complete body; `None` if it can't be a token.
    pub fn parse(kind: TokenKind, body: &'t [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let blank = |character: char| character.is_ascii_whitespace();
        let token = text.trim_matches(blank);
        let (before, after) = text.split_once(token).filter(|_| !token.is_empty())?;
        let token = UpstreamToken::found(kind, Cow::Borrowed(token));
        Some(Self { around: (before, after), token })
    }

    /// The token.
    pub fn token(&self) -> &UpstreamToken<'t> {
        &self.token
    }

    /// The body with `token` in its place.
    pub fn with(&self, token: &str) -> String {
        [self.around.0, token, self.around.1].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_around_a_token_stay() {
        let response = JwtResponse::parse(TokenKind::UserInfo, b"\r\n a.b.c \n").unwrap();
        assert_eq!(response.token().text(), "a.b.c");
        assert_eq!(response.with("d"), "\r\n d \n");
        for body in [&b""[..], b" \n", b"\xff"] {
            assert!(JwtResponse::parse(TokenKind::UserInfo, body).is_none());
        }
    }
}
