//! What sections must agree on with each other.
//!
//! A check whose sections could not be read says nothing: its cause is reported already.

mod publishing;

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::Sections;
use super::client::{ReadClient, ReadRules};
use super::issuer::ReadIssuer;
use super::model::{KeySource, Upstream};
use super::origin::{Origin, Scheme};
use super::place::Source;
use super::reader::Reader;
use super::relay::ReadRelay;
use crate::rules::Setting;
use crate::token::{Mode, Modes};

/// Runs every check.
pub(super) fn run(sections: &Sections, reader: &mut Reader<'_>) {
    if let (Ok(server), Ok(read)) = (&sections.server, &sections.upstream) {
        let own = [("listen", server.listen.tcp()), ("admin", server.admin)];
        for (key, address) in own {
            let leads_here = |address: &SocketAddr| {
                read.upstream.socket.is_none() && leads_to(&read.upstream.url, *address)
            };
            if let Some(address) = address.filter(leads_here) {
                let message = format!(
                    "upstream.url = \"{}\" is kidstamp itself (server.{key} = \"{address}\"); \
                     give the address of the IdP",
                    read.upstream.url
                );
                reader.problems.conflict(&read.url_at, message);
            }
        }
    }
    let no_clients = Vec::new();
    let clients = sections.clients.as_ref().unwrap_or(&no_clients);
    audiences(&sections.rules, clients, reader);
    let Ok(issuers) = &sections.issuers else { return };
    distinct_clients(clients, issuers, reader);
    if let (Ok(relays), Ok(tokens)) = (&sections.logout_relays, &sections.tokens) {
        logout_relays(relays, issuers, clients, &tokens.modes, reader);
    }
    if let Ok(read) = &sections.jwks {
        let relays = sections.logout_relays.as_deref().unwrap_or_default();
        publishing::views(read, issuers, relays, reader);
        if let Ok(tokens) = &sections.tokens {
            for issuer in issuers {
                publishing::verifiable(read, issuer, &tokens.modes, clients, reader);
            }
        }
    }
    distinct(issuers, reader);
    for read in issuers {
        if let Ok(tokens) = &sections.tokens {
            one_name(read, &sections.rules, &tokens.modes, clients, reader);
        }
        if let Ok(upstream) = &sections.upstream {
            reachable(read, &upstream.upstream, reader);
        }
        if let Ok(tokens) = &sections.tokens {
            has_key(read, &tokens.modes, clients, reader);
        }
        secure(read, reader);
    }
}

/// Whether a connection to the origin reaches a listener on this address.
fn leads_to(origin: &Origin, listener: SocketAddr) -> bool {
    let here = match origin.host().parse::<IpAddr>() {
        Ok(ip) => ip == listener.ip() || (ip.is_loopback() && listener.ip().is_unspecified()),
        Err(_) => {
            origin.is_loopback() && (listener.ip().is_loopback() || listener.ip().is_unspecified())
        }
    };
    here && listener.port() == origin.port()
}

/// Several issuers must be told apart, by name and by key (RFC 8725, section 3.8).
fn distinct(issuers: &[ReadIssuer], reader: &mut Reader<'_>) {
    let mut names: HashMap<&str, &Source> = HashMap::new();
    let mut directories: HashMap<PathBuf, &Source> = HashMap::new();
    for read in issuers {
        match (&read.issuer.issuer, &read.issuer_at) {
            (Some(name), Some(at)) => {
                if let Some(first) = names.insert(name, at) {
                    let message = format!(
                        "issuer.issuer = \"{name}\" is taken already ({first}); \
                         one [[issuer]] for each issuer"
                    );
                    reader.problems.conflict(at, message);
                }
            }
            _ if issuers.len() > 1 => {
                let place = read.at.clone().unwrap_or(Source::Flag("--issuer"));
                let message = format!(
                    "one of {} issuers has no name; write issuer = \"https://…\" in each \
                     [[issuer]], since only a single one can be learned from discovery",
                    issuers.len()
                );
                reader.problems.conflict(&place, message);
            }
            _ => {}
        }
        if let (KeySource::Directory(directory), Some(at)) = (&read.issuer.keys, &read.keys_at)
            && let Some(first) = directories.insert(one_spelling(directory), at)
        {
            let message = format!(
                "issuer.keys = \"{}\" is the directory of another issuer ({first}); two issuers \
                 must not share a key (RFC 8725, section 3.8): give each a directory of its own",
                directory.display()
            );
            reader.problems.conflict(at, message);
        }
    }
}

/// A relay leads from a path of its own, for an issuer that there is, to what is not kidstamp's upstream.
fn logout_relays(
    relays: &[ReadRelay],
    issuers: &[ReadIssuer],
    clients: &[ReadClient],
    modes: &Modes,
    reader: &mut Reader<'_>,
) {
    let mut paths: HashMap<&str, &Source> = HashMap::new();
    for ReadRelay { relay, at } in relays {
        if let Some(first) = paths.insert(&relay.path, at) {
            let message = format!(
                "logout_relay.path = \"{}\" is taken already ({first}); one path for each relay",
                relay.path
            );
            reader.problems.conflict(at, message);
        }
        knows_issuer("logout_relay", relay.issuer.as_ref(), at, issuers, reader);
        let own = clients.iter().map(|read| &read.client).find(|client| {
            client.id == relay.client_id && (issuers.len() == 1 || client.issuer == relay.issuer)
        });
        if own.map_or(modes, |client| &client.tokens.modes).logout_token == Mode::Pass {
            let message = "a [[logout_relay]] checks what it relays: write logout_token = \"auto\" \
                           in [tokens], or \"annotate\" to check alone";
            reader.problems.conflict(at, message.to_owned());
        }
    }
}

/// What belongs to an issuer names one that there is.
fn knows_issuer(
    section: &str,
    name: Option<&String>,
    at: &Source,
    issuers: &[ReadIssuer],
    reader: &mut Reader<'_>,
) {
    let known = match name {
        Some(name) => issuers.iter().any(|read| read.issuer.issuer.as_ref() == Some(name)),
        None => issuers.len() == 1,
    };
    if !known {
        let message = format!(
            "{section}.issuer must be the issuer of an [[issuer]]; it may be left out only where \
             there is one"
        );
        reader.problems.conflict(at, message);
    }
}

/// A client has one profile at an issuer, which there is.
fn distinct_clients(clients: &[ReadClient], issuers: &[ReadIssuer], reader: &mut Reader<'_>) {
    let mut names: HashMap<(&str, Option<&String>), &Source> = HashMap::new();
    for ReadClient { client, at, .. } in clients {
        knows_issuer("client", client.issuer.as_ref(), at, issuers, reader);
        // Where there is one issuer, it may be named or not.
        let issuer = client.issuer.as_ref().filter(|_| issuers.len() > 1);
        if let Some(first) = names.insert((&client.id, issuer), at) {
            let message = format!(
                "client.id = \"{}\" is taken already ({first}); one [[client]] for each client",
                client.id
            );
            reader.problems.conflict(at, message);
        }
    }
}

/// The two rules for `aud` want opposite things: of one client's tokens only one of them can be true.
fn audiences(rules: &ReadRules, clients: &[ReadClient], reader: &mut Reader<'_>) {
    const BOTH: [&str; 2] = ["claims/audience-array", "claims/audience-string"];
    let message = |whose: &str, cure: &str| {
        let [array, string] = BOTH;
        format!(
            "\"{array}\" makes a string of aud, \"{string}\" makes an array of it, and both are \
             \"repair\" for {whose}; {cure}"
        )
    };
    let on = |id: &str| rules.get(id).filter(|given| given.value == Setting::Repair);
    if let [Some(_), Some(second)] = BOTH.map(on) {
        let cure = "keep the one that most relying parties want, and give the others a [[client]]";
        reader.problems.conflict(&second.source, message("every client", cure));
        return;
    }
    for read in clients {
        let repairs = |id: &&str| read.client.rules.get(*id) == Some(&Setting::Repair);
        // One of the two was said for this client, since not both were said for all.
        let own = BOTH.into_iter().find_map(|id| read.own_rules.get(id));
        if let (true, Some(own)) = (BOTH.iter().all(repairs), own) {
            let cure = "set one of them to \"off\" in its [client.rules]";
            let whose = format!("the client \"{}\"", read.client.id);
            reader.problems.conflict(&own.source, message(&whose, cure));
        }
    }
}

/// `keys`, `./keys` and a link to it are one directory.
fn one_spelling(path: &Path) -> PathBuf {
    fs::canonicalize(path)
        .or_else(|_| std::path::absolute(path))
        .map_or_else(|_| path.to_owned(), |path| path.components().collect())
}

/// Keys fetched past the upstream need the same care as the upstream itself.
fn reachable(read: &ReadIssuer, upstream: &Upstream, reader: &mut Reader<'_>) {
    let external = read.issuer.external_url.as_ref();
    if let (Some(external), Some(at)) = (external, &read.external_at)
        && *external == upstream.url
        && !external.is_loopback()
    {
        let message = format!(
            "issuer.external_url and upstream.url are both {external}: requests go in a circle \
             unless that name leads to the IdP here and to kidstamp everywhere else"
        );
        reader.warn(at, message);
    }
    let fetched = [
        ("jwks_uri", &read.issuer.metadata.jwks_uri, &read.jwks_uri_at),
        ("discovery_uri", &read.issuer.discovery_uri, &read.discovery_uri_at),
    ];
    for (key, uri, at) in fetched {
        let (Some(uri), Some(at)) = (uri, at) else { continue };
        let Some(origin) = Origin::of(uri) else { continue };
        // A URL on either origin is fetched at the upstream's address.
        // Without an external URL it is the issuer's origin, which only the provider may know.
        let Some(external) = external.filter(|external| **external != origin) else { continue };
        if origin == upstream.url {
            continue;
        }
        let message = format!(
            "issuer.{key} = \"{uri}\" is neither on upstream.url (\"{}\") nor on \
             issuer.external_url (\"{external}\"): kidstamp fetches from no other origin",
            upstream.url
        );
        reader.problems.conflict(at, message);
    }
}

/// An issuer with aliases has one name for relying parties: in discovery, in tokens and in redirects (RFC 9207, RFC 9700
/// section 4.4). What leaves an alias in tokens makes two of it.
fn one_name(
    read: &ReadIssuer,
    rules: &ReadRules,
    modes: &Modes,
    clients: &[ReadClient],
    reader: &mut Reader<'_>,
) {
    let Some(at) = read.aliases_at.as_ref().filter(|_| !read.issuer.aliases.is_empty()) else {
        return;
    };
    if read.issuer.issuer.is_none() {
        let message = "issuer.aliases are other names of an issuer: write issuer = \"https://…\" \
                       beside them, the name that relying parties know";
        reader.problems.conflict(at, message);
    }
    let settings = super::client::settings(rules);
    let own = of_issuer(clients, read).map(|read| {
        let whose = format!("for the client \"{}\"", read.client.id);
        (whose, &read.client.rules, &read.client.tokens.modes)
    });
    let all = [("for everyone".to_owned(), &settings, modes)].into_iter().chain(own);
    for (whose, rules, modes) in all {
        let off = ["discovery/issuer-alias", "claims/issuer-alias"]
            .into_iter()
            .find(|id| rules.get(*id).is_some_and(|setting| *setting != Setting::Repair));
        let passes = !matches!(modes.id_token, Mode::Auto | Mode::Resign);
        let why = match (off, passes) {
            (Some(rule), _) => format!("\"{rule}\" is not \"repair\""),
            (None, true) => "id_token is neither \"auto\" nor \"resign\"".to_owned(),
            (None, false) => continue,
        };
        let message = format!(
            "issuer.aliases: discovery and ID tokens would name different issuers, since {whose} \
             {why}; relying parties refuse that (RFC 9700 section 4.4)"
        );
        reader.problems.conflict(at, message);
        return;
    }
}

/// Where tokens may be re-signed there must be a key to sign with.
fn has_key(read: &ReadIssuer, modes: &Modes, clients: &[ReadClient], reader: &mut Reader<'_>) {
    let client = of_issuer(clients, read).any(|client| client.client.tokens.modes.may_resign());
    match (&read.issuer.keys, client || modes.may_resign()) {
        (KeySource::None, true) => {
            let place = read.at.clone().unwrap_or_else(|| reader.missing_at("--keys"));
            let message = "this issuer has no bridge key to re-sign tokens with; make one with \
                 `kidstamp keys generate --dir DIR` and name it: --keys DIR, or keys = \"DIR\" in \
                 [[issuer]]. To try out: --ephemeral-key. To re-sign nothing: \
                 id_token = \"pass\" in [tokens]";
            reader.problems.conflict(&place, message);
        }
        (KeySource::Ephemeral, _) => {
            if let Some(at) = &read.keys_at {
                let message = "an ephemeral key is new at each start, and RPs that cache the old \
                     one refuse logins; for trying out only";
                reader.warn(at, message);
            }
        }
        _ => {}
    }
}

/// The clients that an issuer knows.
fn of_issuer<'c>(
    clients: &'c [ReadClient],
    read: &ReadIssuer,
) -> impl Iterator<Item = &'c ReadClient> {
    let name = read.issuer.issuer.clone();
    clients
        .iter()
        .filter(move |client| client.client.issuer.is_none() || client.client.issuer == name)
}

/// OpenID Connect wants https (Discovery 1.0, section 3); many a test has none.
fn secure(read: &ReadIssuer, reader: &mut Reader<'_>) {
    let named = read.issuer.issuer.as_deref().and_then(|issuer| issuer.parse().ok());
    let parts = [
        ("issuer.issuer", named.as_ref().and_then(Origin::of), &read.issuer_at),
        ("issuer.external_url", read.issuer.external_url.clone(), &read.external_at),
    ];
    for (key, origin, at) in parts {
        // An external URL that follows from the issuer needs no warning of its own.
        if let (Some(origin), Some(at)) = (origin, at.as_ref().filter(|at| at.rank() > 0))
            && origin.scheme() == Scheme::Http
            && !origin.is_loopback()
        {
            let message = format!(
                "{key} is plain http ({origin}): tokens and passwords cross the network in the \
                 clear, and many RPs refuse such an issuer"
            );
            reader.warn(at, message);
        }
    }
}
