//! The discovery document has a media type that is not JSON's.
//!
//! OpenID Connect Discovery §4.2 wants `application/json`; a file on a web server that does not know the name's ending is sent as
//! `text/html` or `application/octet-stream`. 5 of 53 relying parties look before they read: "Invalid response Content-Type:
//! text/html, from URL: …" (oidc-client), "\"response\" content-type must be application/json" (openid-client).
//!
//! **What is changed:** `Content-Type` becomes `application/json`. Types that end in `json` stay.

use crate::rules::{Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "discovery/content-type",
    summary: "the media type is not that of JSON",
    reference: "OpenID Connect Discovery section 4.2",
    default: Setting::Repair,
    fixed: false,
    answers: &["wrong-content-type-discovery"],
};

/// What is wrong with the media type of a document that was read as JSON.
pub(super) fn check(content_type: Option<&str>) -> Option<String> {
    let Some(value) = content_type else { return Some("missing".to_owned()) };
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!media_type.ends_with("json")).then(|| shown(value))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn fixtures() {
        for odd in ["text/html", "text/plain; charset=utf-8", "application/octet-stream", ""] {
            assert_eq!(check(Some(odd)).as_deref(), Some(odd));
        }
        assert_eq!(check(None).as_deref(), Some("missing"));
        for fine in ["application/json", "Application/JSON;charset=utf-8", "application/x+json"] {
            assert_eq!(check(Some(fine)), None, "{fine}");
        }
    }
}
