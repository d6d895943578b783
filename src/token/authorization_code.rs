//! The code of an authorization response (RFC 6749 §4.1.2), wherever it comes: in the query or fragment of a redirect, or
//! in the form of a page that posts itself (OAuth 2.0 Form Post Response Mode §2).

use super::authorization_response::{Parameter, only, parameters, stood_in};
use super::form_post;

/// A code that the provider sends to a client, with the `state` beside it. It says nothing of itself in messages.
pub struct AuthorizationCode {
    /// `code`
    pub code: String,
    /// `state`, if there is one.
    pub state: Option<String>,
}

impl AuthorizationCode {
    /// Reads the value of a `Location` field; `None` if it brings no code, or more than one.
    ///
    /// `request_query` is the query of the request that it answers: a code that stood there already was not made by
    /// the provider now.
    pub fn in_location(location: &str, request_query: &str) -> Option<Self> {
        let (before, fragment) = location.split_once('#').unwrap_or((location, ""));
        let (_, query) = before.split_once('?').unwrap_or((before, ""));
        let parts = [parameters(query, 0), parameters(fragment, 0)];
        let mut parts = parts.iter().filter(|part| part.iter().any(|each| each.name == "code"));
        let (part, None) = (parts.next()?, parts.next()) else { return None };
        Self::among(part, request_query)
    }

    /// Reads a page. `request_query` as above.
    pub fn in_page(html: &[u8], request_query: &str) -> Option<Self> {
        Self::among(&form_post::hidden_inputs(html)?, request_query)
    }

    fn among(parameters: &[Parameter<'_>], request_query: &str) -> Option<Self> {
        let code = only(parameters, "code").filter(|code| !code.is_empty())?;
        if stood_in(request_query, code) {
            return None;
        }
        let states = parameters.iter().filter(|parameter| parameter.name == "state").count();
        let state = only(parameters, "state").map(str::to_owned);
        (states < 2).then(|| Self { code: code.to_owned(), state })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(location: &str, query: &str) -> Option<(String, Option<String>)> {
        AuthorizationCode::in_location(location, query).map(|found| (found.code, found.state))
    }

    #[test]
    fn a_code_is_found_with_its_state() {
        for location in [
            "https://rp.test/cb?code=abc&state=x%20y",
            "https://rp.test/cb?a=b&state=x+y&c%6fde=abc",
            "app:/cb#state=x+y&code=abc",
        ] {
            assert_eq!(found(location, "p=q"), Some(("abc".into(), Some("x y".into()))));
        }
        assert_eq!(found("https://rp.test/cb?code=abc#state=x", ""), Some(("abc".into(), None)));
        let page = r#"<form><input type=hidden name=code value=abc><input type=hidden name=state value="x"></form>"#;
        let found = AuthorizationCode::in_page(page.as_bytes(), "").unwrap();
        assert_eq!((found.code.as_str(), found.state.as_deref()), ("abc", Some("x")));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_code() {
        for location in [
            "https://rp.test/cb?code=abc&code=def&state=x",
            "https://rp.test/cb?code=abc&state=x&state=y",
            "https://rp.test/cb?code=abc&state=x#code=def",
            "https://rp.test/cb?code=&state=x",
            "https://rp.test/cb?state=x",
            "https://rp.test/cb?error=denied&state=x",
            "https://rp.test/code=abc",
            "",
        ] {
            assert_eq!(found(location, ""), None, "{location}");
        }
    }

    /// An open redirect of the provider's can't put another one's code into a response.
    #[test]
    fn a_code_that_the_browser_brought_is_none_of_the_provider() {
        let location = "https://rp.test/cb?code=stolen-code&state=mine";
        for query in [
            "to=https://rp.test/cb?code=stolen-code&state=mine",
            "to=https%3A%2F%2Frp.test%2Fcb%3Fcode%3Dstolen-code%26state%3Dmine",
            "to=https%253A%252F%252Frp.test%252Fcb%253Fcode%253Dstolen%2525%32%44code",
        ] {
            assert_eq!(found(location, query), None, "{query}");
        }
        let page = r#"<form><input type=hidden name=code value="stolen-code"></form>"#;
        assert!(AuthorizationCode::in_page(page.as_bytes(), "code=stolen%2Dcode").is_none());
    }
}
