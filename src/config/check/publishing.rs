//! Whether anyone could verify what is sent: the sets that are published, and the tokens that pass or are re-signed.

use std::collections::HashMap;

use super::super::client::ReadClient;
use super::super::issuer::ReadIssuer;
use super::super::model::{KeySource, Publish};
use super::super::place::Source;
use super::super::reader::Reader;
use super::super::relay::ReadRelay;
use super::super::section::ReadJwks;
use super::{knows_issuer, of_issuer};
use crate::token::{Mode, Modes, TokenKind};

/// A view stands at a path of its own, and shows the keys of an issuer that there is.
pub(super) fn views(
    read: &ReadJwks,
    issuers: &[ReadIssuer],
    relays: &[ReadRelay],
    reader: &mut Reader<'_>,
) {
    let relays = relays.iter().map(|read| (read.relay.path.as_str(), &read.at));
    let mut paths: HashMap<&str, &Source> = relays.collect();
    for (view, at) in read.jwks.views.iter().zip(&read.views_at) {
        knows_issuer("jwks.view", view.issuer.as_ref(), at, issuers, reader);
        if let Some(first) = paths.insert(&view.path, at) {
            let message = format!(
                "jwks.view.path = \"{}\" is taken already ({first}); one path for each view",
                view.path
            );
            reader.problems.conflict(at, message);
        }
    }
}

/// Of what an issuer's tokens are signed with, some set holds the key.
pub(super) fn verifiable(
    read: &ReadJwks,
    issuer: &ReadIssuer,
    modes: &Modes,
    clients: &[ReadClient],
    reader: &mut Reader<'_>,
) {
    let views = read
        .jwks
        .views
        .iter()
        .zip(&read.views_at)
        .filter(|(view, _)| view.issuer.is_none() || view.issuer == issuer.issuer.issuer);
    let views: Vec<(Publish, &Source)> = views.map(|(view, at)| (view.publish, at)).collect();
    let main = (read.jwks.publish, &read.publish_at);
    let sets = || views.iter().copied().chain([main]);
    if issuer.issuer.keys == KeySource::None {
        for (_, at) in sets().filter(|(publish, _)| !publish.has_upstream()) {
            let message = "publish = \"bridge\" without a bridge key is an empty set; name a \
                           directory of keys in [[issuer]], or write \"upstream\"";
            reader.problems.conflict(at, message);
        }
        return;
    }
    let has_upstream = sets().any(|(publish, _)| publish.has_upstream());
    let has_bridge = sets().any(|(publish, _)| publish.has_bridge());
    let own = of_issuer(clients, issuer).map(|client| (&client.client.tokens.modes, &client.at));
    // A client that differs in nothing has nothing of its own to blame.
    let own = own.filter(|(own, _)| *own != modes);
    for (modes, at) in [(modes, main.1)].into_iter().chain(own) {
        for kind in TokenKind::ALL {
            let (name, mode) = (kind.name(), modes.of(kind));
            let resigns = matches!(mode, Mode::Auto | Mode::Resign);
            if resigns && !has_bridge {
                let word = if mode == Mode::Auto { "auto" } else { "resign" };
                let message = format!(
                    "no relying party could verify what {name} = \"{word}\" re-signs: no set holds \
                     the bridge key; write publish = \"both\" in [jwks] or in a [[jwks.view]]"
                );
                reader.problems.conflict(at, message);
            }
            // Opaque access tokens need no key, and the other kinds are not sent to everyone.
            let is_told =
                mode == Mode::Annotate || (mode, kind) == (Mode::Pass, TokenKind::IdToken);
            if is_told && !has_upstream {
                let word = if mode == Mode::Pass { "pass" } else { "annotate" };
                let message = format!(
                    "no relying party could verify what {name} = \"{word}\" leaves as it is: no set \
                     holds the provider's keys; write publish = \"both\" in [jwks] or in a \
                     [[jwks.view]]"
                );
                reader.problems.conflict(at, message);
            }
        }
    }
    if has_bridge && !main.0.has_bridge() && modes.may_resign() {
        let message = "publish = \"upstream\": what is re-signed can be verified by those relying \
                       parties alone that use a [[jwks.view]] with the bridge key";
        reader.warn(main.1, message);
    }
    if !has_upstream && modes.access_token == Mode::Pass {
        let message = "publish = \"bridge\": access tokens pass under the provider's keys, which no \
                       set publishes; where they are JWTs, nobody but the provider can verify them";
        reader.warn(main.1, message);
    }
}
