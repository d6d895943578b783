//! The `iss` parameter of an authorization response (RFC 9207): the third place where an issuer names itself.
//!
//! A relying party compares it to the issuer that it was set up with. Where the configuration gives the provider another
//! name for relying parties, this one has to follow, or its defence against mix-ups refuses the login.

use super::authorization_response::{Parameter, parameters};
use super::form_post;
use std::ops::Range;

/// The `Location` with the `issuer` in the place of an alias of it; `None` where nothing is to be changed.
///
/// `request_query` is the query of the request that it answers: what stood there already was not said by the
/// provider now. A redirect without `code` or `error` (RFC 9207 §2) is no authorization response.
pub fn repair_issuer_parameter(
    location: &str,
    request_query: &str,
    issuer: &str,
    aliases: &[String],
) -> Option<String> {
    let (before, fragment) = location.split_once('#').unwrap_or((location, ""));
    let (path, query) = before.split_once('?').unwrap_or((before, ""));
    let found = [parameters(query, path.len() + 1), parameters(fragment, before.len() + 1)];
    // Both at once would be read differently by different relying parties.
    let mut parts = found.iter().filter(|part| part.iter().any(|each| each.name == "iss"));
    let (part, None) = (parts.next()?, parts.next()) else { return None };
    let span = alias_among(part, request_query, issuer, aliases)?;
    let (start, end) = (location.get(..span.start)?, location.get(span.end..)?);
    let encoded = percent_encoding::utf8_percent_encode(issuer, percent_encoding::NON_ALPHANUMERIC);
    Some(format!("{start}{encoded}{end}"))
}

/// The page that posts itself (OAuth 2.0 Form Post Response Mode §2) with the `issuer` in the place of an alias of it;
/// `None` where nothing is to be changed. `request_query` as above.
pub fn repair_issuer_in_page(
    html: &[u8],
    request_query: &str,
    issuer: &str,
    aliases: &[String],
) -> Option<Vec<u8>> {
    let inputs = form_post::hidden_inputs(html)?;
    let span = alias_among(&inputs, request_query, issuer, aliases)?;
    let (start, end) = (html.get(..span.start)?, html.get(span.end..)?);
    Some([start, as_attribute(issuer).as_bytes(), end].concat())
}

/// Where the alias stands among the parameters of an authorization response.
fn alias_among(
    parameters: &[Parameter<'_>],
    request_query: &str,
    issuer: &str,
    aliases: &[String],
) -> Option<Range<usize>> {
    let mut named = parameters.iter().filter(|each| each.name == "iss");
    let (iss, None) = (named.next()?, named.next()) else { return None };
    let is_response = parameters.iter().any(|each| ["code", "error"].contains(&&*each.name));
    let is_alias = aliases.iter().any(|alias| *alias == iss.value);
    let was_asked = super::authorization_response::parameters(request_query, 0)
        .iter()
        .any(|each| each.name == "iss");
    let is_repaired = is_response && is_alias && !was_asked && iss.value != issuer;
    is_repaired.then(|| iss.span.clone())
}

/// A text as the value of an attribute, in quotes or without.
fn as_attribute(text: &str) -> String {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "-._~:/".contains(sign);
    text.chars()
        .map(|sign| if plain(sign) { sign.to_string() } else { format!("&#{};", u32::from(sign)) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_19_the_parameter_follows_the_issuer() {
        let aliases = ["https://idp.test/".to_owned()];
        let repaired =
            |location: &str| repair_issuer_parameter(location, "x=1", "https://idp.test", &aliases);
        const NEW: &str = "https%3A%2F%2Fidp%2Etest";
        for (before, after) in [
            (
                "https://rp.test/cb?code=a&iss=https%3A%2F%2Fidp.test%2F&state=b",
                "https://rp.test/cb?code=a&iss=NEW&state=b",
            ),
            (
                "https://rp.test/cb?code=a&iss=https://idp.test/",
                "https://rp.test/cb?code=a&iss=NEW",
            ),
            (
                "https://rp.test/cb?error=x&iss=https://idp.test/",
                "https://rp.test/cb?error=x&iss=NEW",
            ),
            ("app:/cb#code=a&iss=https://idp.test/", "app:/cb#code=a&iss=NEW"),
        ] {
            assert_eq!(repaired(before), Some(after.replace("NEW", NEW)));
        }
        for kept in [
            "https://rp.test/cb?code=a&iss=https://idp.test",
            "https://rp.test/cb?code=a&iss=https://other.test/",
            "https://rp.test/cb?iss=https://idp.test/",
            "https://rp.test/cb?code=a&iss=https://idp.test/&iss=https://idp.test/",
            "https://rp.test/cb?code=a&iss=https://idp.test/#code=a&iss=https://idp.test/",
            "https://rp.test/cb?code=a#iss=https://idp.test/",
            "https://idp.test/?code=a",
            "",
        ] {
            assert_eq!(repaired(kept), None, "{kept}");
        }
        let location = "https://rp.test/cb?code=a&iss=https://idp.test/";
        let asked = "iss=https%3A%2F%2Fidp.test%2F";
        assert_eq!(repair_issuer_parameter(location, asked, "https://idp.test", &aliases), None);
    }

    #[test]
    fn threat_19_so_does_that_of_a_page() {
        let aliases = ["https://idp.test/".to_owned()];
        let repaired = |page: &str, query: &str| {
            let new =
                repair_issuer_in_page(page.as_bytes(), query, "https://idp.test/a?b=c&d", &aliases);
            new.map(|new| String::from_utf8(new).unwrap())
        };
        const NEW: &str = "https://idp.test/a&#63;b&#61;c&#38;d";
        for page in [
            r#"<form><input type="hidden" name="iss" value="OLD"/><input type="hidden" name="code" value="a"/></form>"#,
            "<FORM><INPUT TYPE=hidden NAME=error VALUE=x><INPUT VALUE=OLD TYPE=hidden NAME=iss></FORM>",
            "<title>\u{e9}</title><form><input type=hidden name=iss value='OLD'><input type=hidden name=code value=a></form>",
        ] {
            for old in ["https://idp.test/", "https&#x3A;//idp.test&#47;"] {
                let after = repaired(&page.replace("OLD", old), "x=1");
                assert_eq!(after, Some(page.replace("OLD", NEW)), "{old}");
            }
        }
        let page = |iss: &str, more: &str| {
            format!("<form><input type=hidden name=iss value='{iss}'>{more}</form>")
        };
        let code = "<input type=hidden name=code value=a>";
        let second = "<input type=hidden name=code value=a><input type=hidden name=iss value='https://idp.test/'>";
        for kept in [
            page("https://other.test/", code),
            page("https://idp.test/a?b=c&amp;d", code),
            page("https://idp.test/", ""),
            page("https://idp.test/", second),
            String::new(),
        ] {
            assert_eq!(repaired(&kept, ""), None, "{kept}");
        }
        assert_eq!(
            repaired(&page("https://idp.test/", code), "iss=https%3A%2F%2Fidp.test%2F"),
            None
        );
    }
}
