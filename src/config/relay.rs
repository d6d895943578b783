//! `[[logout_relay]]`: where logout tokens for which relying party go.

use http::Uri;

use super::error::Reported;
use super::origin::{Origin, Scheme};
use super::place::Source;
use super::reader::Section;
use super::value;

/// One `[[logout_relay]]`
#[derive(Clone, Debug)]
pub struct LogoutRelay {
    /// The path at kidstamp; the provider has it as the relying party's back-channel logout URI.
    pub path: String,
    /// The issuer whose tokens come here; the only one, if it is not said.
    pub issuer: Option<String>,
    /// The relying party, which must be in the token's `aud`.
    pub client_id: String,
    /// Its own back-channel logout URI.
    pub target: Uri,
    /// The origin of that.
    pub origin: Origin,
}

/// A relay, and where it was written.
pub(super) struct ReadRelay {
    pub(super) relay: LogoutRelay,
    pub(super) at: Source,
}

/// Reads them all.
pub(super) fn relays(root: &mut Section<'_, '_>) -> Result<Vec<ReadRelay>, Reported> {
    let tables = root.list("logout_relay")?;
    let read: Vec<_> = tables
        .into_iter()
        .map(|(at, table)| read(root.item("logout_relay", Some(table)), at))
        .collect();
    read.into_iter().collect()
}

fn read(mut keys: Section<'_, '_>, at: Source) -> Result<ReadRelay, Reported> {
    let path = keys.optional("path", None, value::request_path);
    let issuer = keys.optional("issuer", None, value::issuer);
    let client_id = keys.optional("client_id", None, value::name);
    let target = keys.optional("target", None, value::endpoint);
    let path = keys.required("path", path, &at);
    let client_id = keys.required("client_id", client_id, &at);
    let target = keys.required("target", target, &at).and_then(|given| {
        let origin = Origin::of(&given.value)
            .filter(|origin| origin.scheme() == Scheme::Https || origin.is_loopback());
        origin.map(|origin| (given.value.clone(), origin)).ok_or_else(|| {
            let message = format!(
                "logout_relay.target = \"{}\" is plain http to another machine; use https",
                given.value
            );
            keys.reader.problems.conflict(&given.source, message)
        })
    });
    keys.close();
    let (path, issuer, client_id, (target, origin)) = (path?, issuer?, client_id?, target?);
    let relay = LogoutRelay {
        path: path.value,
        issuer: issuer.map(|given| given.value),
        client_id: client_id.value,
        target,
        origin,
    };
    Ok(ReadRelay { relay, at })
}
