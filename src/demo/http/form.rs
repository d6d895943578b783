//! `application/x-www-form-urlencoded`: queries and form bodies.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986 §2.3 is escaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The parameters of a query or a form body, in their order.
#[derive(Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `text`; what has no `=` is a parameter without a value.
    pub fn parse(text: &str) -> Self {
        let parameters = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            parameters
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    /// The parameter called `name`; `None` if it stands there twice (RFC 6749 §3.1, §3.2), too.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(own, _)| own == name);
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// `parameters` as a text.
    pub fn encode(parameters: &[(&str, &str)]) -> String {
        let pairs: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        pairs.join("&")
    }
}

/// `url` with `parameters` added to its query.
pub fn with_query(url: &str, parameters: &[(&str, &str)]) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{}", Form::encode(parameters))
}

fn encode(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, ESCAPED)
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_back_as_they_went() {
        let text = Form::encode(&[("state", "a+b c&d=é"), ("empty", "")]);
        let form = Form::parse(&text);
        assert_eq!(form.get("state"), Some("a+b c&d=é"));
        assert_eq!(form.get("empty"), Some(""));
        assert_eq!(form.get("missing"), None);
    }

    #[test]
    fn odd_texts_are_read_without_harm() {
        assert_eq!(Form::parse("a=1&a=2").get("a"), None);
        assert_eq!(Form::parse("&&a&=b&%").get("a"), Some(""));
        assert_eq!(Form::parse("a=%zz%ff").get("a"), Some("%zz\u{fffd}"));
        assert_eq!(Form::parse("a=b+c").get("a"), Some("b c"));
    }

    #[test]
    fn a_query_is_added_to_one_that_is_there() {
        assert_eq!(with_query("http://a/b", &[("c", "d")]), "http://a/b?c=d");
        assert_eq!(with_query("http://a/b?x=y", &[("c", "d")]), "http://a/b?x=y&c=d");
    }
}
