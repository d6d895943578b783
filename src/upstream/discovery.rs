//! The provider's discovery document, repaired: what is known beside it, and the origins that are the provider's own.

use crate::config::{Issuer, Origin, Scheme};
use crate::json::{Document, Limits};
use crate::rules::discovery::{self, Facts};
use crate::rules::{Finding, Repaired, Settings};
use http::Uri;

/// The algorithms that the provider's keys sign with; nothing where they are not known yet.
#[derive(Debug, Default)]
pub(crate) struct Signs<'s> {
    pub(crate) with: Vec<&'s str>,
    /// Those of them that a key names itself.
    pub(crate) named: Vec<&'s str>,
}

/// What the rules for the discovery document of one issuer are told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'s> {
    /// Settings that differ from the rules' defaults.
    pub(crate) settings: &'s Settings,
    pub(crate) issuer: &'s Issuer,
    /// Where the provider is reached.
    pub(crate) upstream: &'s Origin,
    /// The origin that relying parties use, if it is configured or learned already.
    pub(crate) external: Option<&'s Origin>,
}

impl Surroundings<'_> {
    /// Repairs the document `text`; `None` if it can't be read.
    pub(crate) fn repair<'t>(self, text: &'t [u8], signs: &Signs<'_>) -> Option<Repaired<'t>> {
        let text = std::str::from_utf8(text).ok()?;
        let external = self.external.cloned().or_else(|| external_of(text));
        let outside = |url: &str| outside(url, self.upstream, external.as_ref()?);
        self.with_facts(&outside, signs, |facts| discovery::repair(text, facts, self.settings).ok())
    }

    /// The document of a provider that has none; `None` if the configuration does not say enough.
    pub(crate) fn make(self, signs: &Signs<'_>) -> Option<Repaired<'static>> {
        let outside = |url: &str| outside(url, self.upstream, self.external?);
        let endpoints: Vec<(&str, String)> = self
            .issuer
            .metadata
            .named()
            .map(|(name, uri)| (name, uri.to_string()))
            .map(|(name, uri)| (name, outside(&uri).unwrap_or(uri)))
            .collect();
        self.with_facts(&outside, signs, |facts| discovery::make(&endpoints, facts, self.settings))
    }

    /// What is wrong with the document's media type.
    pub(crate) fn look_at_content_type(self, content_type: Option<&str>) -> Option<Finding> {
        discovery::look_at_content_type(content_type, self.settings)
    }

    fn with_facts<T>(
        self,
        outside: &dyn Fn(&str) -> Option<String>,
        signs: &Signs<'_>,
        with: impl FnOnce(Facts<'_>) -> T,
    ) -> T {
        let configured = self.issuer.metadata.jwks_uri.as_ref().map(ToString::to_string);
        let configured = configured.map(|uri| outside(&uri).unwrap_or(uri));
        with(Facts {
            outside,
            jwks_uri: configured.as_deref(),
            algorithms: &signs.with,
            named_algorithms: &signs.named,
            issuer: self.issuer.issuer.as_deref(),
            aliases: &self.issuer.aliases,
            configured: &self.issuer.discovery,
        })
    }
}

/// The origin of the issuer that the document names.
fn external_of(text: &str) -> Option<Origin> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let document = Document::parse(text, Limits::DOCUMENT).ok()?;
    Origin::of(&document.root().get_str("issuer")?.parse().ok()?)
}

/// The URL outside for a `url` at the upstream's address, or at the external name in plain http.
fn outside(url: &str, upstream: &Origin, external: &Origin) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let origin = Origin::of(&uri).filter(|origin| origin != external)?;
    let is_plain_twin = origin.host() == external.host()
        && (origin.scheme(), external.scheme()) == (Scheme::Http, Scheme::Https)
        && [Scheme::Http.default_port(), external.port()].contains(&origin.port());
    if origin != *upstream && !is_plain_twin {
        return None;
    }
    let (_, behind_scheme) = url.split_once("://")?;
    let end = behind_scheme.find(['/', '?', '#']).unwrap_or(behind_scheme.len());
    Some(format!("{external}{}", behind_scheme.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_providers_own_origins_are_moved() {
        let upstream = Origin::parse("http://idp:8080").unwrap();
        let external = Origin::parse("https://idp.test").unwrap();
        let moved = |url: &str| outside(url, &upstream, &external);
        for (inside, expected) in [
            ("http://idp:8080/jwks?a=b", "https://idp.test/jwks?a=b"),
            ("HTTP://IDP:8080/%7Ea#x", "https://idp.test/%7Ea#x"),
            ("http://idp:8080", "https://idp.test"),
            ("http://idp.test/jwks", "https://idp.test/jwks"),
            ("http://idp.test:80/jwks", "https://idp.test/jwks"),
            ("http://idp.test:443/jwks", "https://idp.test/jwks"),
        ] {
            assert_eq!(moved(inside).as_deref(), Some(expected), "{inside}");
        }
        for kept in [
            "https://idp.test/jwks",
            "https://IDP.test:443/jwks",
            "https://idp.test.evil/jwks",
            "http://idp.test.evil/jwks",
            "http://idp:8080.evil/jwks",
            "http://idp:8080@evil.test/jwks",
            "http://idp:8081/jwks",
            "https://idp:8080/jwks",
            "http://idp/jwks",
            "http://idp.test:8080/jwks",
            "http://sub.idp.test/jwks",
            "/jwks",
            "",
        ] {
            assert_eq!(moved(kept), None, "{kept}");
        }
        // Where the upstream is the external origin there is no inside.
        assert_eq!(outside("http://idp:8080/jwks", &upstream, &upstream), None);
    }
}
