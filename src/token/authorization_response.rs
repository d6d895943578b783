//! The authorization response of the upstream: tokens that come through the browser, in the query or fragment
//! of a redirect (OAuth 2.0 Multiple Response Type Encoding Practices §2.1) or in the form of a page that posts
//! itself (OAuth 2.0 Form Post Response Mode §2).
//!
//! Only the value of a token is ever replaced. Where a redirect leads, what else it says, and every other byte
//! of a page stay: nothing here can turn a response into another one's.

use super::form_post;
use super::hashes::Beside;
use super::kind::TokenKind;
use super::response::UpstreamToken;
use percent_encoding::{percent_decode, percent_decode_str};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// An authorization response of the upstream, with the tokens in it. Never to be made from anything that a
/// client sent.
pub struct AuthorizationResponse<'t> {
    text: &'t [u8],
    found: Vec<Found<'t>>,
}

/// Without its text.
impl fmt::Debug for AuthorizationResponse<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AuthorizationResponse")
            .field("found", &self.found)
            .finish_non_exhaustive()
    }
}

/// A parameter with a token.
#[derive(Debug)]
pub(super) struct Found<'t> {
    /// Where its value stands, as it is written there.
    pub(super) span: Range<usize>,
    pub(super) token: UpstreamToken<'t>,
}

impl<'t> AuthorizationResponse<'t> {
    /// Reads the value of a `Location` field; `None` if it brings no token.
    ///
    /// `request_query` is the query of the request that it answers: a token that stood there already was not
    /// made by the provider now, and is none of its response.
    pub fn from_location(location: &'t str, request_query: &str) -> Option<Self> {
        let (before, fragment) = location.split_once('#').unwrap_or((location, ""));
        let (path, query) = before.split_once('?').unwrap_or((before, ""));
        let mut found = parameters(query, path.len() + 1);
        found.extend(parameters(fragment, before.len() + 1));
        Self::new(location.as_bytes(), found, request_query)
    }

    /// Reads a page; `None` if no form of it brings a token. `request_query` as above.
    pub fn from_page(html: &'t [u8], request_query: &str) -> Option<Self> {
        Self::new(html, form_post::hidden_inputs(html)?, request_query)
    }

    fn new(text: &'t [u8], parameters: Vec<Parameter<'t>>, request_query: &str) -> Option<Self> {
        let bearer = is_bearer(&parameters);
        let mut found: Vec<Found<'t>> = Vec::new();
        for kind in [TokenKind::AccessToken, TokenKind::IdToken, TokenKind::Jarm] {
            let mut named = parameters.iter().filter(|parameter| parameter.name == name_of(kind));
            // RFC 6749 §3.1: what stands twice says nothing that could be relied upon.
            let (Some(parameter), None) = (named.next(), named.next()) else { continue };
            let may_be_jws = parameter.value.bytes().filter(|byte| *byte == b'.').count() >= 2;
            let wanted = match kind {
                TokenKind::AccessToken => bearer && may_be_jws,
                TokenKind::Jarm => may_be_jws,
                _ => !parameter.value.is_empty(),
            };
            if wanted && !stood_in(request_query, &parameter.value) {
                let token = UpstreamToken::found(kind, parameter.value.clone());
                let token = if kind == TokenKind::IdToken {
                    token.with(beside(&parameters))
                } else {
                    token
                };
                found.push(Found { span: parameter.span.clone(), token });
            }
        }
        (!found.is_empty()).then_some(Self { text, found })
    }

    /// The tokens: an access token before an ID token, which may hold its hash.
    pub fn tokens(&self) -> impl Iterator<Item = &UpstreamToken<'t>> {
        self.found.iter().map(|found| &found.token)
    }

    /// The response with new tokens in the places of those of the same kinds, and no other byte changed.
    pub fn with(&self, tokens: &[(TokenKind, String)]) -> Vec<u8> {
        let mut changes: Vec<(&Range<usize>, &str)> = self
            .found
            .iter()
            .filter_map(|found| {
                let (_, new) = tokens.iter().find(|(kind, _)| *kind == found.token.kind())?;
                Some((&found.span, new.as_str()))
            })
            .collect();
        changes.sort_by_key(|(span, _)| span.start);
        let mut new = Vec::with_capacity(self.text.len());
        let mut end = 0;
        for (span, token) in changes {
            new.extend_from_slice(self.text.get(end..span.start).unwrap_or_default());
            new.extend_from_slice(token.as_bytes());
            end = span.end;
        }
        new.extend_from_slice(self.text.get(end..).unwrap_or_default());
        new
    }
}

/// A parameter of the response, wherever it was found.
pub(super) struct Parameter<'t> {
    /// Decoded.
    pub(super) name: Cow<'t, str>,
    /// Decoded.
    pub(super) value: Cow<'t, str>,
    /// Where the value stands, as it is written.
    pub(super) span: Range<usize>,
}

/// The parameter in which a token of `kind` comes.
fn name_of(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Jarm => "response",
        other => other.name(),
    }
}

/// What an ID token of the response may hold hashes of; what stands twice says nothing.
fn beside<'t>(parameters: &[Parameter<'t>]) -> Beside<'t> {
    let only = |name: &str| {
        let mut named = parameters.iter().filter(|parameter| parameter.name == name);
        let (only, None) = (named.next()?, named.next()) else { return None };
        Some(only.value.clone())
    };
    Beside {
        access_token: only("access_token"),
        code: only("code"),
        state: only("state"),
        new_access_token: None,
        nonce: None,
    }
}

/// False for the types of tokens that are bound to a key (RFC 9449 §5): those are never touched.
fn is_bearer(parameters: &[Parameter<'_>]) -> bool {
    parameters
        .iter()
        .filter(|parameter| parameter.name == "token_type")
        .all(|parameter| parameter.value.eq_ignore_ascii_case("bearer"))
}

/// The parameters of `part` (`application/x-www-form-urlencoded`), which begins at the offset `start`.
pub(super) fn parameters(part: &str, mut start: usize) -> Vec<Parameter<'_>> {
    let mut parameters = Vec::new();
    for field in part.split('&') {
        if let Some((name, value)) = field.split_once('=') {
            let value_start = start + name.len() + 1;
            let span = value_start..value_start + value.len();
            if let (Some(name), Some(value)) = (decoded(name), decoded(value)) {
                parameters.push(Parameter { name, value, span });
            }
        }
        start += field.len() + 1;
    }
    parameters
}

/// A name or value as it was before encoding, which makes a plus of a blank.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return percent_decode_str(text).decode_utf8().ok();
    }
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8().ok()?.into_owned();
    Some(Cow::Owned(decoded))
}

/// The value of the parameter of that name; what stands twice says nothing.
pub(super) fn only<'p>(parameters: &'p [Parameter<'_>], name: &str) -> Option<&'p str> {
    let mut named = parameters.iter().filter(|parameter| parameter.name == name);
    let (only, None) = (named.next()?, named.next()) else { return None };
    Some(&only.value)
}

/// True if `token` stands in the query of the request, also where it was encoded more than once.
pub(super) fn stood_in(request_query: &str, token: &str) -> bool {
    /// A redirect URI within a request object's query, and one more for good measure.
    const LAYERS: usize = 4;
    let mut query = Cow::Borrowed(request_query.as_bytes());
    for _ in 0..LAYERS {
        if query.windows(token.len()).any(|window| window == token.as_bytes()) {
            return true;
        }
        let decoded: Vec<u8> = percent_decode(&query).collect();
        if *decoded == *query {
            return false;
        }
        query = Cow::Owned(decoded);
    }
    // Nobody encodes so often in earnest.
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(location: &str) -> Vec<TokenKind> {
        let response = AuthorizationResponse::from_location(location, "");
        response.iter().flat_map(|response| response.tokens().map(UpstreamToken::kind)).collect()
    }

    fn replaced(location: &str) -> String {
        let new = TokenKind::ALL.map(|kind| (kind, format!("NEW-{}", kind.name())));
        let response = AuthorizationResponse::from_location(location, "").unwrap();
        String::from_utf8(response.with(&new)).unwrap()
    }

    #[test]
    fn only_the_value_of_a_token_changes() {
        for (before, after) in [
            (
                "https://rp.test/cb#id_token=a.b.c&state=x%20y",
                "https://rp.test/cb#id_token=NEW-id_token&state=x%20y",
            ),
            (
                "https://rp.test:8443/cb?x=%2F&id_token=a.b.c",
                "https://rp.test:8443/cb?x=%2F&id_token=NEW-id_token",
            ),
            ("myapp:/cb#&&id_token=a%2Eb.c&", "myapp:/cb#&&id_token=NEW-id_token&"),
            ("/relative?a#b=c&%69d_token=a.b.c", "/relative?a#b=c&%69d_token=NEW-id_token"),
            (
                "https://rp.test/cb#code=c&id_token=a.b.c&access_token=d.e.f&token_type=bearer",
                "https://rp.test/cb#code=c&id_token=NEW-id_token&access_token=NEW-access_token&token_type=bearer",
            ),
            ("https://rp.test/cb?response=a.b.c", "https://rp.test/cb?response=NEW-jarm"),
            (
                "https://u:p@rp.test/a;b?c=?d&id_token=x#",
                "https://u:p@rp.test/a;b?c=?d&id_token=NEW-id_token#",
            ),
        ] {
            assert_eq!(replaced(before), after);
        }
    }

    #[test]
    fn what_is_no_token_of_the_response_is_not_found() {
        for location in [
            "",
            "https://rp.test/cb",
            "https://rp.test/id_token=a.b.c",
            "https://rp.test/cb?code=a.b.c&state=id_token=a.b.c",
            "https://rp.test/cb?Id_Token=a.b.c",
            "https://rp.test/cb#id_token=",
            "https://rp.test/cb#id_token",
            "https://rp.test/cb#id_token=a.b.c&id_token=d.e.f",
            "https://rp.test/cb?id_token=a.b.c#id_token=a.b.c",
            "https://rp.test/cb#access_token=opaque",
            "https://rp.test/cb#access_token=a.b.c&token_type=DPoP",
            "https://rp.test/cb?response=ok",
            "https://rp.test/cb#id_token=%ff",
        ] {
            assert_eq!(kinds(location), [], "{location}");
        }
        // An access token comes first, since an ID token may hold its hash.
        assert_eq!(
            kinds("a#id_token=x&access_token=d.e.f"),
            [TokenKind::AccessToken, TokenKind::IdToken]
        );
    }

    #[test]
    fn threat_01_what_the_client_sent_is_no_token_of_the_response() {
        let location = "https://rp.test/cb?id_token=aa.bb.cc";
        for query in [
            "redirect_uri=https://rp.test/cb?id_token=aa.bb.cc",
            "redirect_uri=https%3A%2F%2Frp.test%2Fcb%3Fid_token%3Daa.bb.cc",
            "redirect_uri=https%3A%2F%2Frp.test%2Fcb%3Fid_token%3Daa%252Ebb.c%2563",
            "id_token_hint=aa%2525252525252Ebb.cc",
        ] {
            assert!(AuthorizationResponse::from_location(location, query).is_none(), "{query}");
            let page = "<form><input type=hidden name=id_token value=aa.bb.cc></form>";
            assert!(AuthorizationResponse::from_page(page.as_bytes(), query).is_none(), "{query}");
        }
        assert!(AuthorizationResponse::from_location(location, "a=100%&b=%20aa.bb").is_some());
    }
}
