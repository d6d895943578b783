//! Where the documents come from that are looked at: an issuer's URL, a file, or standard input.

use super::super::input::Input;
use super::super::output::visible;
use super::context::{Context, FETCH_TIMEOUT};
use crate::config::{Origin, Scheme};
use crate::json::{Document, Limits};
use crate::rules::Finding;
use crate::rules::jwks::RepairedSet;
use crate::upstream::{
    Connector, FetchError, Fetched, Forwarding, Signs, Surroundings, discovery_path, fetch,
    signs_of,
};
use http::header::CONTENT_TYPE;
use std::path::Path;

/// A provider's documents as they came.
pub(in super::super) struct Source {
    /// For messages: the file, or the URL of the set.
    pub(in super::super) name: String,
    /// The key set.
    pub(in super::super) text: String,
    /// What the discovery document calls the issuer.
    pub(in super::super) issuer: Option<String>,
    /// The set came from another host than the provider's, from where `serve` would not fetch it.
    pub(in super::super) is_elsewhere: bool,
    discovery: Discovery,
}

/// The discovery document.
enum Discovery {
    /// Nobody asked for it.
    NotAsked,
    /// It was asked for here, and came, or is not there.
    Asked { at: Origin, document: Option<Fetched> },
}

impl Source {
    /// Reads `from`; the error is for the operator.
    pub(in super::super) fn read(from: &str, context: &Context) -> Result<Self, String> {
        if from.starts_with("http://") || from.starts_with("https://") {
            return wait_for(of_issuer(from, context))?;
        }
        let input = Input::read(Some(Path::new(from)))?;
        let text = input.text("a key set in JSON")?.to_owned();
        let discovery = Discovery::NotAsked;
        Ok(Self { name: input.name, text, issuer: None, is_elsewhere: false, discovery })
    }

    /// What the rules find in the discovery document, whose keys are those of `set`.
    pub(in super::super) fn findings(&self, context: &Context, set: &RepairedSet) -> Vec<Finding> {
        let Discovery::Asked { at, document } = &self.discovery else { return Vec::new() };
        let signs = signs_of(set, []);
        let external = external_of(context, self.issuer.as_deref());
        let surroundings = Surroundings {
            settings: context.rules(),
            issuer: &context.issuer,
            upstream: at,
            external: external.as_ref(),
        };
        let Some(document) = document else {
            return surroundings.make(&signs).map(|made| made.findings).unwrap_or_default();
        };
        let repaired = surroundings.repair(&document.body, &signs);
        let mut findings = repaired.map(|repaired| repaired.findings).unwrap_or_default();
        let content_type = document.headers.get(CONTENT_TYPE);
        let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()));
        findings.extend(surroundings.look_at_content_type(content_type.as_deref()));
        findings
    }
}

fn wait_for<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("can't start an event loop: {error}"))?;
    Ok(tokio::task::LocalSet::new().block_on(&runtime, work))
}

/// Fetches one of `paths` after the other, as `serve` would do it, until `is_enough` with what came; what can't be asked
/// for is left out.
pub(in super::super) fn get_each(
    context: &Context,
    at: &Origin,
    known_as: &Origin,
    paths: &[String],
    mut is_enough: impl FnMut(&str, Result<Fetched, FetchError>) -> bool,
) {
    let all = async {
        for path in paths {
            let answer = get(context, at, known_as, path).await;
            if answer.is_ok_and(|answer| is_enough(path, answer)) {
                break;
            }
        }
    };
    let _ = wait_for(all);
}

/// The origin that relying parties use, as far as it is known.
fn external_of(context: &Context, issuer: Option<&str>) -> Option<Origin> {
    let own = |issuer: &str| Origin::of(&issuer.parse().ok()?);
    context.issuer.external_url.clone().or_else(|| issuer.and_then(own))
}

async fn of_issuer(url: &str, context: &Context) -> Result<Source, String> {
    let shown = visible(url).into_owned();
    let asked: http::Uri = url.parse().map_err(|_| format!("{shown}: not a URL"))?;
    let origin = Origin::of(&asked).ok_or_else(|| format!("{shown}: not the URL of an issuer"))?;
    let path = match &context.issuer.discovery_uri {
        Some(uri) => uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
        None if asked.path().contains("/.well-known/") => asked.path().to_owned(),
        None => discovery_path(Some(context.issuer.issuer.as_deref().unwrap_or(url))),
    };
    let known_as = external_of(context, None).unwrap_or_else(|| origin.clone());
    let knows_enough =
        context.issuer.issuer.is_some() && context.issuer.metadata.jwks_uri.is_some();
    let document = match get(context, &origin, &known_as, &path).await? {
        Ok(document) => Some(document),
        Err(FetchError::Status { .. }) if knows_enough => None,
        Err(error) => return Err(format!("{origin}: {error}")),
    };
    let external = external_of(context, None);
    let surroundings = Surroundings {
        settings: context.rules(),
        issuer: &context.issuer,
        upstream: &origin,
        external: external.as_ref(),
    };
    let repaired = document
        .as_ref()
        .and_then(|document| surroundings.repair(&document.body, &Signs::default()))
        .map(|document| document.text.into_owned());
    let text = match (&repaired, &document) {
        (Some(text), _) => text.as_str(),
        (None, Some(document)) => std::str::from_utf8(&document.body).unwrap_or_default(),
        (None, None) => "{}",
    };
    let parsed = Document::parse(text, Limits::DOCUMENT)
        .map_err(|error| format!("{shown}: the discovery document is not JSON: {error}"))?;
    let member = |name| parsed.root().get_str(name).map(std::borrow::Cow::into_owned);
    let configured = context.issuer.metadata.jwks_uri.as_ref().map(ToString::to_string);
    let jwks = configured
        .or_else(|| member("jwks_uri"))
        .ok_or_else(|| format!("{shown}: the discovery document has no \"jwks_uri\""))?;
    let uri: http::Uri =
        jwks.parse().map_err(|_| format!("jwks_uri {} is not a URL", visible(&jwks)))?;
    let stated =
        Origin::of(&uri).ok_or_else(|| format!("jwks_uri {} has no host", visible(&jwks)))?;
    let issuer = member("issuer").or_else(|| context.issuer.issuer.clone());
    // A provider that is asked under another address than its own is asked there for its keys, too.
    let own = external_of(context, issuer.as_deref());
    let at = if own.as_ref() == Some(&stated) { &origin } else { &stated };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let set = get(context, at, &stated, path).await?.map_err(|error| format!("{at}: {error}"))?;
    let text =
        String::from_utf8(set.body.to_vec()).map_err(|_| format!("{at}{path}: not UTF-8"))?;
    let is_elsewhere = own.as_ref() != Some(&stated) && origin != stated;
    let discovery = Discovery::Asked { at: origin, document };
    Ok(Source { name: visible(&jwks).into_owned(), text, issuer, is_elsewhere, discovery })
}

async fn get(
    context: &Context,
    at: &Origin,
    known_as: &Origin,
    path: &str,
) -> Result<Result<Fetched, FetchError>, String> {
    if at.scheme() == Scheme::Http && !at.is_loopback() && !context.allows_plaintext(at) {
        return Err(format!("{at}: keys are not fetched over plain http but from this machine"));
    }
    let connector = Connector::new(&context.upstream(at)).map_err(|error| error.to_string())?;
    Ok(fetch(&connector, &Forwarding::new(known_as), path, FETCH_TIMEOUT).await)
}
