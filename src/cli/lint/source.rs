//! Where a key set to be looked at comes from: an issuer's URL, a file, or standard input.

use super::super::input::Input;
use super::super::output::visible;
use crate::config::{Origin, Scheme, Timeouts, Upstream};
use crate::json::{Document, Limits};
use crate::upstream::{Connector, Forwarding, discovery_path, fetch};
use std::path::Path;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);

/// A key set as it came.
pub(in super::super) struct Source {
    /// For messages: the file, or the URL of the set.
    pub(in super::super) name: String,
    /// The text.
    pub(in super::super) text: String,
    /// What the discovery document calls the issuer.
    pub(in super::super) issuer: Option<String>,
}

impl Source {
    /// Reads `from`; the error is for the operator.
    pub(in super::super) fn read(from: &str) -> Result<Self, String> {
        if from.starts_with("http://") || from.starts_with("https://") {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| format!("can't start an event loop: {error}"))?;
            return tokio::task::LocalSet::new().block_on(&runtime, of_issuer(from));
        }
        let input = Input::read(Some(Path::new(from)))?;
        let text = input.text("a key set in JSON")?.to_owned();
        Ok(Self { name: input.name, text, issuer: None })
    }
}

async fn of_issuer(url: &str) -> Result<Source, String> {
    let shown = visible(url).into_owned();
    let issuer: http::Uri = url.parse().map_err(|_| format!("{shown}: not a URL"))?;
    let origin = Origin::of(&issuer).ok_or_else(|| format!("{shown}: not the URL of an issuer"))?;
    let path = if issuer.path().contains("/.well-known/") {
        issuer.path().to_owned()
    } else {
        discovery_path(Some(url))
    };
    let discovery = get(&origin, &origin, &path).await?;
    let discovery = discovery.strip_prefix('\u{feff}').unwrap_or(&discovery);
    let document = Document::parse(discovery, Limits::DOCUMENT)
        .map_err(|error| format!("{shown}: the discovery document is not JSON: {error}"))?;
    let member = |name| document.root().get_str(name).map(std::borrow::Cow::into_owned);
    let jwks = member("jwks_uri")
        .ok_or_else(|| format!("{shown}: the discovery document has no \"jwks_uri\""))?;
    let uri: http::Uri =
        jwks.parse().map_err(|_| format!("jwks_uri {} is not a URL", visible(&jwks)))?;
    let stated =
        Origin::of(&uri).ok_or_else(|| format!("jwks_uri {} has no host", visible(&jwks)))?;
    let issuer = member("issuer");
    let own = issuer.as_deref().and_then(|issuer| Origin::of(&issuer.parse().ok()?));
    // A provider that is asked under another address than its own is asked there for its keys, too.
    let at = if own.as_ref() == Some(&stated) { &origin } else { &stated };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let text = get(at, &stated, path).await?;
    Ok(Source { name: visible(&jwks).into_owned(), text, issuer })
}

async fn get(at: &Origin, known_as: &Origin, path: &str) -> Result<String, String> {
    if at.scheme() == Scheme::Http && !at.is_loopback() {
        return Err(format!("{at}: keys are not fetched over plain http but from this machine"));
    }
    let timeouts =
        Timeouts { connect: CONNECT_TIMEOUT, first_byte: FETCH_TIMEOUT, ..Timeouts::default() };
    let upstream = Upstream::new(at.clone(), timeouts);
    let connector = Connector::new(&upstream).map_err(|error| error.to_string())?;
    let fetched = fetch(&connector, &Forwarding::new(known_as), path, FETCH_TIMEOUT)
        .await
        .map_err(|error| format!("{at}: {error}"))?;
    String::from_utf8(fetched.body.to_vec()).map_err(|_| format!("{at}{path}: not UTF-8"))
}
