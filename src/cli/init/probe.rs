//! What a provider's discovery does not say is looked for where such providers usually have it: its keys, and its endpoints.

use super::super::lint::{Context, get_each};
use crate::config::Origin;
use crate::json::{Document, Limits};
use crate::rules::jwks;
use crate::upstream::{FetchError, discovery_path};
use http::{StatusCode, Uri};

/// Below the issuer.
const KEY_SETS: [&str; 9] = [
    "/jwks",
    "/.well-known/jwks.json",
    "/.well-known/jwks",
    "/jwks.json",
    "/oauth2/jwks",
    "/oauth2/certs",
    "/protocol/openid-connect/certs",
    "/certs",
    "/keys",
];
const ENDPOINTS: [(&str, [&str; 5]); 2] = [
    (
        "authorization_endpoint",
        [
            "/authorize",
            "/oauth2/authorize",
            "/oauth/authorize",
            "/connect/authorize",
            "/protocol/openid-connect/auth",
        ],
    ),
    (
        "token_endpoint",
        [
            "/token",
            "/oauth2/token",
            "/oauth/token",
            "/connect/token",
            "/protocol/openid-connect/token",
        ],
    ),
];
/// No provider has it, so who answers there answers everywhere.
const NOWHERE: &str = "/kidstamp-asks-whether-everything-exists";

/// What was found.
pub(super) struct Found {
    /// As the discovery document says, or the token, or as it was asked for.
    pub(super) issuer: String,
    pub(super) jwks_uri: String,
    /// Why it had to be looked for.
    pub(super) why: String,
    /// Where there is no discovery document.
    pub(super) endpoints: Vec<Endpoint>,
}

/// An endpoint that the configuration has to name.
pub(super) struct Endpoint {
    pub(super) name: &'static str,
    pub(super) url: String,
    /// Something answers there, and not everywhere.
    pub(super) is_there: bool,
}

/// Looks around at the provider that was asked for as `asked`; `None` where no key set is found.
pub(super) fn look_around(
    asked: &str,
    token_issuer: Option<&str>,
    context: &Context,
) -> Option<Found> {
    let uri: Uri = asked.parse().ok()?;
    let origin = Origin::of(&uri)?;
    let base = uri.path().trim_end_matches('/');
    let mut document = None;
    get_each(context, &origin, &origin, &[discovery_path(Some(asked))], |_, answer| {
        document = answer.ok().map(|fetched| fetched.body);
        true
    });
    let text = document.as_deref().map(String::from_utf8_lossy);
    let text = text.as_deref().map(|text| text.trim_start_matches('\u{feff}'));
    let parsed = text.and_then(|text| Document::parse(text, Limits::DOCUMENT).ok());
    let member = |name| Some(parsed.as_ref()?.root().get_str(name)?.into_owned());
    let issuer = member("issuer").or_else(|| token_issuer.map(str::to_owned));
    let issuer = issuer.unwrap_or_else(|| asked.to_owned());
    let external = Origin::of(&issuer.parse().ok()?)?;

    let (why, paths) = match (&parsed, member("jwks_uri")) {
        (Some(_), Some(elsewhere)) => {
            let path = elsewhere.parse::<Uri>().ok()?.path_and_query()?.to_string();
            let why = format!(
                "The discovery document names {elsewhere}, on another host, from which kidstamp fetches \
                 nothing; the provider itself serves a key set here, too."
            );
            (why, vec![path])
        }
        (Some(_), None) => {
            ("The discovery document names no key set; one was found here.".to_owned(), below(base))
        }
        (None, _) => {
            ("There is no discovery document; a key set was found here.".to_owned(), below(base))
        }
    };
    let mut keys = None;
    get_each(context, &origin, &external, &paths, |path, answer| {
        let is_set = answer.is_ok_and(|fetched| {
            let text = std::str::from_utf8(&fetched.body).unwrap_or_default();
            jwks::repair(text, &context.jwks()).is_ok()
        });
        if is_set {
            keys = Some(path.to_owned());
        }
        is_set
    });
    let jwks_uri = format!("{external}{}", keys?);
    let endpoints = match parsed {
        Some(_) => Vec::new(),
        None => endpoints(context, &origin, &external, base),
    };
    Some(Found { issuer, jwks_uri, why, endpoints })
}

fn below(base: &str) -> Vec<String> {
    KEY_SETS.iter().map(|path| format!("{base}{path}")).collect()
}

fn endpoints(context: &Context, origin: &Origin, external: &Origin, base: &str) -> Vec<Endpoint> {
    let first = |paths: &[String]| {
        let mut found = None;
        get_each(context, origin, external, paths, |path, answer| {
            // Asked without parameters, an endpoint complains; only what is not there says so.
            let is_there = match answer {
                Err(FetchError::Status { status, .. }) => {
                    !matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
                }
                answer => answer.is_ok(),
            };
            if is_there {
                found = Some(path.to_owned());
            }
            is_there
        });
        found
    };
    let everywhere = first(&[format!("{base}{NOWHERE}")]).is_some();
    ENDPOINTS
        .into_iter()
        .map(|(name, paths)| {
            let paths = paths.map(|path| format!("{base}{path}"));
            let found = first(&paths).filter(|_| !everywhere);
            let is_there = found.is_some();
            let [usual, ..] = paths;
            Endpoint { name, url: format!("{external}{}", found.unwrap_or(usual)), is_there }
        })
        .collect()
}
