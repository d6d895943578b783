//! Which path is which endpoint of which issuer.

use super::fetch::Forwarding;
use super::metadata::Metadata;
use super::path::normalise;
use super::snapshot::Snapshot;
use crate::config::ValidConfig;
use std::sync::Arc;

/// The endpoints that kidstamp tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// The key set.
    Jwks,
    /// The discovery document.
    Discovery,
    /// The same in another place: RFC 8414 §3.1 and §5
    ServerMetadata,
    /// RFC 6749 §3.2
    Token,
    /// RFC 6749 §3.1
    Authorization,
    /// OpenID Connect Core §5.3
    UserInfo,
    /// RFC 7662
    Introspection,
    /// RFC 7009
    Revocation,
    /// OpenID Connect RP-Initiated Logout
    EndSession,
    /// RFC 9126
    PushedAuthorization,
    /// OpenID Connect Client-Initiated Backchannel Authentication §7
    BackchannelAuthentication,
    /// A path of kidstamp's own, for OpenID Connect Back-Channel Logout
    LogoutRelay,
    /// Everything else.
    Other,
}

impl Endpoint {
    /// Every endpoint, in the order of [`Endpoint::index`].
    pub const ALL: [Self; 13] = [
        Self::Jwks,
        Self::Discovery,
        Self::ServerMetadata,
        Self::Token,
        Self::Authorization,
        Self::UserInfo,
        Self::Introspection,
        Self::Revocation,
        Self::EndSession,
        Self::PushedAuthorization,
        Self::BackchannelAuthentication,
        Self::LogoutRelay,
        Self::Other,
    ];

    /// The word for metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jwks => "jwks",
            Self::Discovery => "discovery",
            Self::ServerMetadata => "server_metadata",
            Self::Token => "token",
            Self::Authorization => "authorization",
            Self::UserInfo => "userinfo",
            Self::Introspection => "introspection",
            Self::Revocation => "revocation",
            Self::EndSession => "end_session",
            Self::PushedAuthorization => "pushed_authorization",
            Self::BackchannelAuthentication => "backchannel_authentication",
            Self::LogoutRelay => "logout_relay",
            Self::Other => "other",
        }
    }

    /// Its place in [`Endpoint::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// True where a request may bring a token back in its body.
    pub fn takes_tokens_in_bodies(self) -> bool {
        !matches!(
            self,
            Self::Jwks | Self::Discovery | Self::ServerMetadata | Self::LogoutRelay | Self::Other
        )
    }

    fn of_metadata(member: &str) -> Self {
        match member {
            "token_endpoint" => Self::Token,
            "authorization_endpoint" => Self::Authorization,
            "userinfo_endpoint" => Self::UserInfo,
            "introspection_endpoint" => Self::Introspection,
            "revocation_endpoint" => Self::Revocation,
            "end_session_endpoint" => Self::EndSession,
            "pushed_authorization_request_endpoint" => Self::PushedAuthorization,
            "backchannel_authentication_endpoint" => Self::BackchannelAuthentication,
            _ => Self::Other,
        }
    }
}

/// A path that means something.
#[derive(Debug, Clone)]
pub struct Route {
    path: Box<str>,
    /// What it means.
    pub endpoint: Endpoint,
    /// The issuer's place in the configuration.
    pub issuer: usize,
    /// The issuer's snapshot; `None` until there is one.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The place of a `[[jwks.view]]` in the configuration; `None` for the key set itself, and for other endpoints.
    pub view: Option<usize>,
}

/// What is known of one issuer.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// What its provider said of itself last, though there may be no key set to it yet: a path that is known to be
    /// the key set's does not pass unrepaired.
    pub(super) metadata: Option<Metadata>,
    /// The last good snapshot.
    pub(super) snapshot: Option<Arc<Snapshot>>,
}

/// All that is known at a moment; replaced as a whole.
#[derive(Debug, Default)]
pub struct Site {
    routes: Vec<Route>,
    /// True once every issuer has a snapshot: no request has to wait for documents.
    pub is_complete: bool,
    /// True once every key set's path is known, so that a path which is none of them is no key set's.
    pub knows_all_paths: bool,
    /// True if pages that the browser gets may have to be changed, or are to be learned from.
    pub reads_pages: bool,
    /// True if the nonces of some client's logins are to be remembered.
    pub restores_nonces: bool,
    /// What the provider is told of its external origin on paths of no issuer in particular.
    pub forwarding: Option<Forwarding>,
}

impl Site {
    /// Puts together what is known of each issuer, in the order of the configuration.
    pub(super) fn new(config: &ValidConfig, known: &[Known]) -> Self {
        let issuers = &config.issuers;
        let snapshot_of = |index: usize| known.get(index).and_then(|known| known.snapshot.as_ref());
        // What the configuration names wins over what the provider does.
        let mut routes: Vec<Route> = Vec::new();
        for (place, view) in config.jwks.views.iter().enumerate() {
            let named = issuers.iter().position(|issuer| issuer.issuer == view.issuer);
            let issuer = view.issuer.as_ref().and(named).unwrap_or_default();
            routes.push(Route {
                path: normalise(&view.path).into(),
                endpoint: Endpoint::Jwks,
                issuer,
                snapshot: snapshot_of(issuer).cloned(),
                view: Some(place),
            });
        }
        let mut add = |path: &str, endpoint, issuer, snapshot: Option<&Arc<Snapshot>>| {
            let path: Box<str> = normalise(path).into();
            // The first issuer of a path that two share gets it; so does the first endpoint.
            if !routes.iter().any(|route| route.path == path) {
                let snapshot = snapshot.cloned();
                routes.push(Route { path, endpoint, issuer, snapshot, view: None });
            }
        };
        let (mut is_complete, mut knows_all_paths) = (true, true);
        for (index, issuer) in issuers.iter().enumerate() {
            let known = known.get(index);
            let snapshot = snapshot_of(index);
            // Where the provider has moved, the paths of the snapshot's time and the newest.
            let current = snapshot.map(|snapshot| &snapshot.metadata);
            let newest = known.and_then(|known| known.metadata.as_ref());
            let metadata = || current.into_iter().chain(newest);
            let configured = issuer.metadata.jwks_uri.as_ref().map(http::Uri::path);
            let jwks: Vec<&str> = metadata().map(Metadata::jwks_path).chain(configured).collect();
            is_complete &= snapshot.is_some();
            knows_all_paths &= !jwks.is_empty();
            jwks.into_iter().for_each(|path| add(path, Endpoint::Jwks, index, snapshot));
            add(&discovery_path(issuer.issuer.as_deref()), Endpoint::Discovery, index, snapshot);
            for path in server_metadata_paths(issuer.issuer.as_deref()) {
                add(&path, Endpoint::ServerMetadata, index, snapshot);
            }
            for (member, path) in metadata().flat_map(|metadata| &metadata.endpoints) {
                add(path, Endpoint::of_metadata(member), index, snapshot);
            }
        }
        let configured =
            issuers.first().and_then(|issuer| issuer.external_url.as_ref()).map(Forwarding::new);
        let mut snapshots = known.iter().filter_map(|known| known.snapshot.as_ref());
        let has_front_channel =
            snapshots.clone().any(|snapshot| snapshot.metadata.has_front_channel());
        let restores_nonces =
            snapshots.clone().any(|snapshot| snapshot.treatments.restore_nonces());
        let has_aliases = issuers.iter().any(|issuer| !issuer.aliases.is_empty());
        let reads_pages = has_front_channel || restores_nonces || has_aliases;
        let learned = snapshots.next().map(|snapshot| snapshot.forwarding.clone());
        let forwarding = configured.or(learned);
        Self { routes, is_complete, knows_all_paths, reads_pages, restores_nonces, forwarding }
    }

    /// The snapshot of the issuer at that place in the configuration.
    pub fn snapshot(&self, issuer: usize) -> Option<Arc<Snapshot>> {
        self.routes.iter().find(|route| route.issuer == issuer)?.snapshot.clone()
    }

    /// The place of the only issuer, or of the one with that name.
    pub fn issuer_named(&self, name: impl FnOnce() -> Option<String>) -> Option<usize> {
        let first = self.routes.first()?.issuer;
        if self.routes.iter().all(|route| route.issuer == first) {
            return Some(first);
        }
        let name = name()?;
        let named = |route: &&Route| {
            route.snapshot.as_ref().is_some_and(|snapshot| snapshot.metadata.issuer == name)
        };
        self.routes.iter().find(named).map(|route| route.issuer)
    }

    /// The route of a request's path; `None` for paths that mean nothing to kidstamp.
    pub fn route(&self, path: &str) -> Option<&Route> {
        let path = normalise(path);
        self.routes.iter().find(|route| *route.path == *path)
    }
}

/// Where an issuer's discovery document stands (OpenID Connect Discovery §4.1).
pub fn discovery_path(issuer: Option<&str>) -> String {
    format!("{}/.well-known/openid-configuration", path_of(issuer))
}

/// Where else relying parties look for it: under the name of RFC 8414 §3, before the path of the issuer (§3.1)
/// or behind it, and under its own name before the path (§5).
fn server_metadata_paths(issuer: Option<&str>) -> Vec<String> {
    const NAME: &str = "/.well-known/oauth-authorization-server";
    match path_of(issuer).as_str() {
        "" => vec![NAME.to_owned()],
        path => vec![
            format!("{NAME}{path}"),
            format!("{path}{NAME}"),
            format!("/.well-known/openid-configuration{path}"),
        ],
    }
}

/// The path of an issuer, without a slash at its end.
fn path_of(issuer: Option<&str>) -> String {
    let uri: Option<http::Uri> = issuer.and_then(|issuer| issuer.parse().ok());
    uri.as_ref().map_or("", |uri| uri.path()).trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_discovery_document_stands_below_the_issuer() {
        for (issuer, path) in [
            (None, "/.well-known/openid-configuration"),
            (Some("https://idp.test"), "/.well-known/openid-configuration"),
            (Some("https://idp.test/"), "/.well-known/openid-configuration"),
            (Some("https://idp.test/realms/a"), "/realms/a/.well-known/openid-configuration"),
            (Some("https://idp.test/realms/a/"), "/realms/a/.well-known/openid-configuration"),
        ] {
            assert_eq!(discovery_path(issuer), path);
        }
    }

    #[test]
    fn it_is_looked_for_in_other_places_too() {
        const NAME: &str = "/.well-known/oauth-authorization-server";
        for issuer in [None, Some("https://idp.test"), Some("https://idp.test/")] {
            assert_eq!(server_metadata_paths(issuer), [NAME]);
        }
        assert_eq!(
            server_metadata_paths(Some("https://idp.test/realms/a/")),
            [
                format!("{NAME}/realms/a"),
                format!("/realms/a{NAME}"),
                "/.well-known/openid-configuration/realms/a".to_owned(),
            ]
        );
    }

    #[test]
    fn every_endpoint_has_its_place() {
        for (index, endpoint) in Endpoint::ALL.into_iter().enumerate() {
            assert_eq!(endpoint.index(), index);
        }
    }
}
