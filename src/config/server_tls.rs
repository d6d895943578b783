//! `[server.tls]`: certificates towards clients, and what is asked of theirs.

use std::path::PathBuf;

use super::error::Reported;
use super::model::{CertificateFiles, ClientAuth, ServerTls};
use super::overrides::{Override, Overrides};
use super::place::Source;
use super::reader::{Given, Optional, Section};
use super::value;

/// `None` if there is no certificate: then clients are served in the clear.
pub(super) fn read(
    mut keys: Section<'_, '_>,
    overrides: &Overrides,
) -> Result<Option<ServerTls>, Reported> {
    let main = {
        let (cert, key) = (overrides.tls_cert.as_ref(), overrides.tls_key.as_ref());
        pair(&mut keys, ("cert", cert), ("key", key))
    };
    let client_auth = keys.setting("client_auth", None, ClientAuth::Off, value::word);
    let client_ca = keys.optional("client_ca", None, value::path);
    let forward = keys.setting("forward_client_cert", None, false, value::boolean);
    let match_host = keys.setting("match_host", None, true, value::boolean);
    let clients = check_clients(&mut keys, &client_auth, &client_ca, &forward);
    let further = further(&mut keys);
    let (main, further, client_ca) = (main?, further?, client_ca?);
    if main.is_none()
        && let Some(place) =
            [further.first().map(|(at, _)| at), client_ca.as_ref().map(|given| &given.source)]
                .into_iter()
                .flatten()
                .next()
    {
        let message = "[server.tls] has no certificate of its own: write cert and key there, for \
                       clients that name no host; further ones in [[server.tls.certificate]]";
        let reported = keys.reader.problems.conflict(place, message);
        keys.close();
        return Err(reported);
    }
    keys.close();
    clients?;
    let Some(main) = main else { return Ok(None) };
    let further = further.into_iter().map(|(_, files)| files);
    Ok(Some(ServerTls {
        certificates: std::iter::once(main).chain(further).collect(),
        client_auth: client_auth?.value,
        client_ca: client_ca.map(|given| given.value),
        forward_client_cert: forward?.value,
        match_host: match_host?.value,
    }))
}

/// `[[server.tls.certificate]]`
fn further(keys: &mut Section<'_, '_>) -> Result<Vec<(Source, CertificateFiles)>, Reported> {
    let tables = keys.list("certificate")?;
    let read: Vec<_> = tables
        .into_iter()
        .map(|(at, table)| {
            let mut item = keys.item("certificate", Some(table));
            let files = pair(&mut item, ("cert", None), ("key", None));
            let files = files.and_then(|files| {
                files.ok_or_else(|| {
                    let message =
                        "this [[server.tls.certificate]] names no files: write cert and key";
                    item.reader.problems.conflict(&at, message)
                })
            });
            item.close();
            files.map(|files| (at, files))
        })
        .collect();
    read.into_iter().collect()
}

/// A certificate and its key, each by its name and perhaps from outside: both or none.
pub(super) fn pair(
    keys: &mut Section<'_, '_>,
    (cert_key, cert): (&'static str, Option<&Override>),
    (key_key, key): (&'static str, Option<&Override>),
) -> Result<Option<CertificateFiles>, Reported> {
    let cert = keys.optional(cert_key, cert, value::path);
    let key = keys.optional(key_key, key, value::path);
    match (cert?, key?) {
        (Some(cert), Some(key)) => Ok(Some(CertificateFiles { cert: cert.value, key: key.value })),
        (None, None) => Ok(None),
        (Some(given), None) => Err(alone(keys, &given, cert_key, key_key)),
        (None, Some(given)) => Err(alone(keys, &given, key_key, cert_key)),
    }
}

fn alone(keys: &mut Section<'_, '_>, given: &Given<PathBuf>, one: &str, other: &str) -> Reported {
    let message = format!(
        "{} stands alone: a certificate and its key belong together, so write {} too",
        keys.full(one),
        keys.full(other)
    );
    keys.reader.problems.conflict(&given.source, message)
}

/// What is asked of clients must fit together.
fn check_clients(
    keys: &mut Section<'_, '_>,
    auth: &Result<Given<ClientAuth>, Reported>,
    ca: &Optional<PathBuf>,
    forward: &Result<Given<bool>, Reported>,
) -> Result<(), Reported> {
    let (Ok(auth), Ok(ca), Ok(forward)) = (auth, ca, forward) else { return Ok(()) };
    let is_off = auth.value == ClientAuth::Off;
    if is_off && let Some(ca) = ca {
        let message = "server.tls.client_ca is of no use while clients are not asked; write \
                       client_auth = \"required\" or \"optional\", or take it out";
        return Err(keys.reader.problems.conflict(&ca.source, message));
    }
    if !is_off && ca.is_none() {
        let message = "server.tls.client_auth asks clients for certificates, so write client_ca: the \
                       certificates of those who issue them";
        return Err(keys.reader.problems.conflict(&auth.source, message));
    }
    if is_off && forward.value {
        let message =
            "server.tls.forward_client_cert has nothing to forward while client_auth is \"off\"";
        return Err(keys.reader.problems.conflict(&forward.source, message));
    }
    Ok(())
}
