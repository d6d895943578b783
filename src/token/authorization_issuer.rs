//! The `iss` parameter of an authorization response (RFC 9207): the third place where an issuer names itself.
//!
//! A relying party compares it to the issuer that it was set up with. Where the configuration gives the provider another
//! name for relying parties, this one has to follow, or its defence against mix-ups refuses the login.

use super::authorization_response::parameters;

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
    let mut named = part.iter().filter(|each| each.name == "iss");
    let (iss, None) = (named.next()?, named.next()) else { return None };
    let is_response = part.iter().any(|each| ["code", "error"].contains(&&*each.name));
    let is_alias = aliases.iter().any(|alias| *alias == iss.value);
    let was_asked = parameters(request_query, 0).iter().any(|each| each.name == "iss");
    if !is_response || !is_alias || was_asked || iss.value == issuer {
        return None;
    }
    let (start, end) = (location.get(..iss.span.start)?, location.get(iss.span.end..)?);
    let encoded = percent_encoding::utf8_percent_encode(issuer, percent_encoding::NON_ALPHANUMERIC);
    Some(format!("{start}{encoded}{end}"))
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
}
