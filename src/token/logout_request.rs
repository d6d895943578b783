//! The logout request of the upstream (OpenID Connect Back-Channel Logout §2.5).
//!
//! It is the one message of the provider that is no response: the provider sends it to the relying party by
//! itself. Anyone can send such a request, so nothing is believed of it but what the signature of the provider
//! in it says; and it is read only on the paths that the operator chose for it.

use super::kind::TokenKind;
use super::response::UpstreamToken;
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// A logout request, parsed.
#[derive(Debug)]
pub struct LogoutRequest {
    token: UpstreamToken<'static>,
}

impl LogoutRequest {
    /// Reads the complete body of the request, a form; `None` if it does not hold one logout token.
    pub fn parse(form: &[u8]) -> Option<Self> {
        let mut tokens = form.split(|byte| *byte == b'&').filter_map(|field| {
            let equals = field.iter().position(|byte| *byte == b'=')?;
            let (name, value) = field.split_at_checked(equals)?;
            let name: Vec<u8> = percent_decode(name).collect();
            (name == b"logout_token").then_some(value.get(1..)?)
        });
        let (value, None) = (tokens.next()?, tokens.next()) else { return None };
        let token = percent_decode(value).decode_utf8().ok()?.into_owned();
        Some(Self { token: UpstreamToken::found(TokenKind::LogoutToken, Cow::Owned(token)) })
    }

    /// The token.
    pub fn token(&self) -> &UpstreamToken<'static> {
        &self.token
    }

    /// The body of a request with `token`, and nothing else that the sender may have put there.
    pub fn form_with(token: &str) -> String {
        // Segments of base64url and dots need no encoding.
        format!("logout_token={token}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_holds_one_token() {
        let read = |form: &str| {
            LogoutRequest::parse(form.as_bytes()).map(|request| request.token.text().to_owned())
        };
        assert_eq!(read("logout_token=a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(read("x=y&logout%5Ftoken=a%2Eb.c&").as_deref(), Some("a.b.c"));
        for form in [
            "",
            "logout_token",
            "Logout_Token=a",
            "logout_token=a&logout_token=b",
            "logout_token=%ff",
        ] {
            assert_eq!(read(form), None, "{form}");
        }
        assert_eq!(LogoutRequest::form_with("a.b.c"), "logout_token=a.b.c");
    }
}
