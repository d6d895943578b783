//! What the provider says of itself (OpenID Connect Discovery §3, RFC 8414 §2), or the configuration instead.

use crate::config::{ConfiguredMetadata, Origin};
use crate::json::{Document, Kind, Limits, ParseError, Value};
use http::Uri;

/// The part of a provider's metadata that kidstamp acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The issuer, to the letter.
    pub issuer: String,
    /// Path and query of the key set at the upstream.
    pub jwks: String,
    /// Paths of the other endpoints that are known, with what they are.
    pub endpoints: Vec<(&'static str, String)>,
    /// The response types that the provider offers.
    pub response_types: Vec<String>,
    /// The response modes that it offers.
    pub response_modes: Vec<String>,
    /// The algorithms of its ID tokens.
    pub id_token_algs: Vec<String>,
}

/// Why a provider's metadata can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Not strict JSON.
    #[error("the discovery document is not JSON: {0}")]
    NotJson(#[from] ParseError),
    /// JSON, but not an object.
    #[error("the discovery document is not a JSON object")]
    NotAnObject,
    /// A required member is missing.
    #[error("the discovery document has no \"{0}\"; configure it as issuer.{0}")]
    Missing(&'static str),
    /// A member is no URL.
    #[error("\"{member}\" is not a URL: {value}")]
    NotAUrl {
        /// The member.
        member: &'static str,
        /// What stands there.
        value: String,
    },
    /// The document is another issuer's (OpenID Connect Discovery §4.3).
    #[error(
        "the discovery document is of issuer {found}, configured is {expected}; correct issuer.issuer, \
         or upstream.url if this is another provider; if both are names of one provider, list the first in issuer.aliases"
    )]
    OtherIssuer {
        /// What the document says.
        found: String,
        /// What is configured.
        expected: String,
    },
    /// The key set stands elsewhere.
    #[error(
        "jwks_uri is {found}, neither on the external origin {external} nor on the upstream {upstream}; \
         kidstamp fetches from no other origin"
    )]
    OtherOrigin {
        /// What was found.
        found: String,
        /// The external origin.
        external: String,
        /// The upstream's.
        upstream: String,
    },
}

const ENDPOINTS: [&str; 8] = [
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "introspection_endpoint",
    "revocation_endpoint",
    "end_session_endpoint",
    "pushed_authorization_request_endpoint",
    "backchannel_authentication_endpoint",
];

impl Metadata {
    /// Takes from `configured` what it has, from `discovery` the rest.
    ///
    /// `expected` is the configured issuer, which the document must name to the letter.
    pub fn read(
        discovery: Option<&[u8]>,
        configured: &ConfiguredMetadata,
        expected: Option<&str>,
        upstream: &Origin,
        external: Option<&Origin>,
    ) -> Result<Self, MetadataError> {
        let document =
            discovery.map(|bytes| Document::parse_bytes(bytes, Limits::DOCUMENT)).transpose()?;
        let root = document.as_ref().map(Document::root);
        if root.is_some_and(|root| root.kind() != Kind::Object) {
            return Err(MetadataError::NotAnObject);
        }
        let issuer = issuer(root, expected)?;
        let external =
            external.cloned().or_else(|| issuer.parse().ok().and_then(|uri| Origin::of(&uri)));
        let find = |member: &'static str| -> Result<Option<Uri>, MetadataError> {
            if let Some((_, uri)) = configured.named().find(|(name, _)| *name == member) {
                return Ok(Some(uri.clone()));
            }
            let Some(text) = root.and_then(|root| root.get_str(member)) else { return Ok(None) };
            text.parse()
                .map(Some)
                .map_err(|_| MetadataError::NotAUrl { member, value: text.into_owned() })
        };
        let here = |uri: &Uri| {
            let origin = Origin::of(uri);
            origin.as_ref() == Some(upstream) || (origin.is_some() && origin == external)
        };
        let jwks = find("jwks_uri")?.ok_or(MetadataError::Missing("jwks_uri"))?;
        if !here(&jwks) {
            return Err(MetadataError::OtherOrigin {
                found: jwks.to_string(),
                external: external
                    .map_or_else(|| "(unknown)".to_owned(), |origin| origin.to_string()),
                upstream: upstream.to_string(),
            });
        }
        let mut endpoints = Vec::new();
        for member in ENDPOINTS {
            if let Some(uri) = find(member)?.filter(here) {
                endpoints.push((member, uri.path().to_owned()));
            }
        }
        let list = |member: &str| -> Vec<String> {
            let values = root.and_then(|root| root.get(member)).map(|list| list.elements());
            values
                .into_iter()
                .flatten()
                .filter_map(|value| Some(value.as_str()?.into_owned()))
                .collect()
        };
        Ok(Self {
            issuer,
            jwks: jwks.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            endpoints,
            response_types: list("response_types_supported"),
            response_modes: list("response_modes_supported"),
            id_token_algs: list("id_token_signing_alg_values_supported"),
        })
    }

    /// True if some of its responses bring tokens through the browser: response types of OpenID Connect Core
    /// §3.2 and §3.3, or modes of JARM §2.3.
    pub fn has_front_channel(&self) -> bool {
        let types = self.response_types.iter().flat_map(|response_type| response_type.split(' '));
        types.into_iter().any(|part| part == "id_token" || part == "token")
            || self.response_modes.iter().any(|mode| mode == "jwt" || mode.ends_with(".jwt"))
    }

    /// The path of the key set, without its query.
    pub fn jwks_path(&self) -> &str {
        self.jwks.split('?').next().unwrap_or_default()
    }
}

fn issuer(root: Option<Value<'_>>, expected: Option<&str>) -> Result<String, MetadataError> {
    let found = root.and_then(|root| root.get_str("issuer"));
    match (found, expected) {
        (Some(found), Some(expected)) if found != expected => Err(MetadataError::OtherIssuer {
            found: found.into_owned(),
            expected: expected.to_owned(),
        }),
        (_, Some(expected)) => Ok(expected.to_owned()),
        (Some(found), None) => Ok(found.into_owned()),
        (None, None) => Err(MetadataError::Missing("issuer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(discovery: &str, expected: Option<&str>) -> Result<Metadata, MetadataError> {
        let upstream = Origin::parse("http://127.0.0.1:9000").unwrap();
        Metadata::read(
            Some(discovery.as_bytes()),
            &ConfiguredMetadata::default(),
            expected,
            &upstream,
            None,
        )
    }

    fn document(jwks_uri: &str) -> String {
        format!(
            r#"{{"issuer":"https://idp.test/","jwks_uri":"{jwks_uri}","token_endpoint":"https://IDP.test:443/token?x=1",
            "userinfo_endpoint":"https://elsewhere.test/userinfo","response_types_supported":["code","id_token token"]}}"#
        )
    }

    #[test]
    fn endpoints_are_known_where_they_are_on_our_origins() {
        let metadata = read(&document("https://idp.test/jwks?a=b"), None).unwrap();
        assert_eq!(metadata.issuer, "https://idp.test/");
        assert_eq!((metadata.jwks.as_str(), metadata.jwks_path()), ("/jwks?a=b", "/jwks"));
        assert_eq!(metadata.endpoints, [("token_endpoint", "/token".to_owned())]);
        assert!(metadata.has_front_channel());
        assert!(read(&document("http://127.0.0.1:9000/jwks"), None).is_ok());
    }

    #[test]
    fn no_other_origin_is_fetched_from() {
        for jwks_uri in [
            "https://idp.test.evil/jwks",
            "http://idp.test/jwks",
            "https://idp.test:8443/jwks",
            "http://169.254.169.254/jwks",
            "http://127.0.0.1:9001/jwks",
            "/jwks",
        ] {
            assert!(
                matches!(read(&document(jwks_uri), None), Err(MetadataError::OtherOrigin { .. })),
                "{jwks_uri}"
            );
        }
    }

    #[test]
    fn an_issuer_is_compared_to_the_letter() {
        let document = document("https://idp.test/jwks");
        assert!(read(&document, Some("https://idp.test/")).is_ok());
        let error = read(&document, Some("https://idp.test")).unwrap_err();
        assert!(matches!(error, MetadataError::OtherIssuer { .. }), "{error}");
        assert_eq!(read("{}", None), Err(MetadataError::Missing("issuer")));
        assert_eq!(read("{}", Some("https://idp.test")), Err(MetadataError::Missing("jwks_uri")));
        assert!(matches!(read("<html>", None), Err(MetadataError::NotJson(_))));
    }
}
