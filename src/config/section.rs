//! The keys of each section but `[server]` and `[[issuer]]`: name, default and bounds, one line each.
//!
//! A section reads all its keys before the first `?`, so that every mistake in it is told.

use std::collections::BTreeMap;
use std::time::Duration;

use super::KnownRule;
use super::error::{Fault, Reported, nearest};
use super::model::{
    ContentType, Jwks, Keys, Publish, Timeouts, Tokens, Upstream, UpstreamUrl, UserInfoMode, View,
};
use super::origin::Scheme;
use super::overrides::Overrides;
use super::place::Source;
use super::reader::{Given, Optional, Section};
use super::render::Render as _;
use super::server_tls;
use super::value;
use crate::rules::Setting;
use crate::token::{Mode, Modes, TokenKind};

pub(super) const ZERO: Duration = Duration::ZERO;
pub(super) const SHORTEST: Duration = Duration::from_millis(1);
pub(super) const DAY: Duration = Duration::from_hours(24);
pub(super) const MEBIBYTE: usize = 1 << 20;

/// The upstream, and where its URL was written.
pub(super) struct ReadUpstream {
    pub(super) upstream: Upstream,
    pub(super) url_at: Source,
}

/// `[upstream]`
pub(super) fn upstream(
    mut keys: Section<'_, '_>,
    overrides: &Overrides,
) -> Result<ReadUpstream, Reported> {
    let url = keys.optional("url", overrides.upstream.as_ref(), value::upstream);
    let ca = keys.optional("ca", None, value::path);
    let server_name = keys.optional("server_name", None, value::server_name);
    let client_identity = server_tls::pair(&mut keys, ("client_cert", None), ("client_key", None));
    let danger = keys.setting("danger_accept_invalid_certs", None, false, value::boolean);
    let allow_plaintext = keys.setting("allow_plaintext", None, false, value::boolean);
    let http2 = keys.setting("http2", None, false, value::boolean);
    let timeouts = timeouts(keys.child("timeouts"));

    let url = url.and_then(|url| {
        url.ok_or_else(|| {
            let place = keys.reader.missing_at("--upstream");
            let advice = "say where the IdP is reached: --upstream URL, KIDSTAMP_UPSTREAM, \
                          or url in [upstream]"
                .to_owned();
            keys.reader.problems.report(place, Fault::Missing { key: keys.full("url"), advice })
        })
    });
    if let Ok(url) = &url
        && url.value.origin.scheme() == Scheme::Http
    {
        https_only(&mut keys, "ca", &ca, &url.value);
        https_only(&mut keys, "server_name", &server_name, &url.value);
        if let Ok(Some(_)) = &client_identity {
            of_no_use(&mut keys, "client_cert", &url.source, &url.value);
        }
        if let Ok(Given { value: true, source }) = &danger {
            of_no_use(&mut keys, "danger_accept_invalid_certs", source, &url.value);
        }
        if let (Ok(allow), false) = (&allow_plaintext, url.value.origin.is_loopback()) {
            plaintext(&mut keys, url, allow.value);
        }
    }
    if let Ok(Given { value: true, source }) = &danger {
        let message = "upstream.danger_accept_invalid_certs = true: whoever sits between kidstamp and \
                       the IdP reads every token and can replace the keys; name the IdP's certificate \
                       with ca, and its name with server_name";
        keys.reader.warn(source, message);
    }
    keys.close();
    let url = url?;
    Ok(ReadUpstream {
        upstream: Upstream {
            url: url.value.origin,
            socket: url.value.socket,
            client_identity: client_identity?,
            danger_accept_invalid_certs: danger?.value,
            http2: http2?.value,
            ca: ca?.map(|given| given.value),
            server_name: server_name?.map(|given| given.value),
            allow_plaintext: allow_plaintext?.value,
            timeouts: timeouts?,
        },
        url_at: url.source,
    })
}

fn https_only<T>(keys: &mut Section<'_, '_>, key: &str, given: &Optional<T>, url: &UpstreamUrl) {
    if let Ok(Some(given)) = given {
        of_no_use(keys, key, &given.source, url);
    }
}

fn of_no_use(keys: &mut Section<'_, '_>, key: &str, at: &Source, url: &UpstreamUrl) {
    let what = if url.socket.is_some() { "a Unix socket" } else { "http" };
    let message = format!(
        "upstream.{key} is for https, and upstream.url = {} is {what}; take it out, \
         or write https://",
        url.render()
    );
    keys.reader.problems.conflict(at, message);
}

/// Plain http past this machine is refused, or allowed with a warning.
fn plaintext(keys: &mut Section<'_, '_>, url: &Given<UpstreamUrl>, allowed: bool) {
    let danger = format!(
        "upstream.url = \"{}\" is plain http to another machine: who sits on that network \
         reads every token, and can replace the keys",
        url.value.origin
    );
    if allowed {
        keys.reader.warn(&url.source, danger);
    } else {
        let way_out = "use https, or write allow_plaintext = true in [upstream] if that network \
                       is yours alone";
        keys.reader.problems.conflict(&url.source, format!("{danger}; {way_out}"));
    }
}

fn timeouts(mut keys: Section<'_, '_>) -> Result<Timeouts, Reported> {
    let defaults = Timeouts::default();
    let bounds = value::duration(SHORTEST..=Duration::from_hours(1));
    let connect = keys.setting("connect", None, defaults.connect, bounds);
    let first_byte = keys.setting("first_byte", None, defaults.first_byte, bounds);
    let body_idle = keys.setting("body_idle", None, defaults.body_idle, bounds);
    let total = keys.setting("total", None, defaults.total, value::duration(SHORTEST..=30 * DAY));
    let idle = keys.setting("idle", None, defaults.idle, bounds);
    let day = value::duration(SHORTEST..=DAY);
    let connection_age = keys.setting("connection_age", None, defaults.connection_age, day);
    keys.close();
    Ok(Timeouts {
        connect: connect?.value,
        first_byte: first_byte?.value,
        body_idle: body_idle?.value,
        total: total?.value,
        idle: idle?.value,
        connection_age: connection_age?.value,
    })
}

/// `[jwks]`, and where the parts of it were written that checks speak of.
pub(super) struct ReadJwks {
    pub(super) jwks: Jwks,
    pub(super) publish_at: Source,
    /// Where each view begins.
    pub(super) views_at: Vec<Source>,
}

/// `[jwks]`
pub(super) fn jwks(mut keys: Section<'_, '_>) -> Result<ReadJwks, Reported> {
    let publish = keys.setting("publish", None, Publish::Both, value::word);
    let quarter = Duration::from_mins(15);
    let settle = keys.setting("settle", None, quarter, value::duration(ZERO..=7 * DAY));
    let hour = Duration::from_hours(1);
    let stale = keys.setting("stale_if_error", None, hour, value::duration(ZERO..=30 * DAY));
    let refresh = value::duration(Duration::from_millis(100)..=7 * DAY);
    let refresh_min = keys.setting("refresh_min", None, Duration::from_mins(1), refresh);
    let refresh_max = keys.setting("refresh_max", None, quarter, refresh);
    let publish_compromised = keys.setting("publish_compromised", None, false, value::boolean);
    let content_type = keys.setting("content_type", None, ContentType::Json, value::word);

    if let (Ok(min), Ok(max)) = (&refresh_min, &refresh_max)
        && min.value > max.value
    {
        let place = if min.source.rank() == 0 { &max.source } else { &min.source };
        let message = format!(
            "jwks.refresh_min = {} is longer than jwks.refresh_max = {}; the upstream's \
             Cache-Control counts between the two, so set both",
            min.value.render(),
            max.value.render()
        );
        keys.reader.problems.conflict(place, message);
    }
    if let Ok(Given { value: true, source }) = &publish_compromised {
        let message = "jwks.publish_compromised = true: a key whose private half anyone can \
                       read stays published, and anyone can sign in as anyone with it";
        keys.reader.warn(source, message);
    }
    let inherited = content_type.as_ref().map_or(ContentType::Json, |given| given.value);
    let views = views(&mut keys, inherited);
    keys.close();
    let (publish, (views, views_at)) = (publish?, views?);
    let jwks = Jwks {
        publish: publish.value,
        settle: settle?.value,
        stale_if_error: stale?.value,
        refresh_min: refresh_min?.value,
        refresh_max: refresh_max?.value,
        publish_compromised: publish_compromised?.value,
        content_type: content_type?.value,
        views,
    };
    Ok(ReadJwks { jwks, publish_at: publish.source, views_at })
}

/// `[[jwks.view]]`
fn views(
    keys: &mut Section<'_, '_>,
    content_type: ContentType,
) -> Result<(Vec<View>, Vec<Source>), Reported> {
    let tables = keys.list("view")?;
    let mut read = Vec::new();
    for (at, table) in tables {
        read.push(view(keys.item("view", Some(table)), &at, content_type).map(|view| (view, at)));
    }
    let read: Result<Vec<_>, _> = read.into_iter().collect();
    Ok(read?.into_iter().unzip())
}

fn view(mut keys: Section<'_, '_>, at: &Source, inherited: ContentType) -> Result<View, Reported> {
    let path = keys.optional("path", None, value::request_path);
    let issuer = keys.optional("issuer", None, value::issuer);
    let publish = keys.setting("publish", None, Publish::Both, value::word);
    let content_type = keys.inherited("content_type", inherited, "as in [jwks]", value::word);
    let path = keys.required("path", path, at);
    keys.close();
    Ok(View {
        path: path?.value,
        issuer: issuer?.map(|given| given.value),
        publish: publish?.value,
        content_type: content_type?.value,
    })
}

/// `[tokens]`, or those of one client; `defaults` stand for what is not said, and `why` says whose they are.
pub(super) fn tokens(
    mut keys: Section<'_, '_>,
    defaults: &Tokens,
    why: &'static str,
) -> Result<Tokens, Reported> {
    let mut mode = |kind: TokenKind| {
        keys.inherited(kind.name(), defaults.modes.of(kind), why, value::word::<Mode>)
    };
    let id_token = mode(TokenKind::IdToken);
    let access_token = mode(TokenKind::AccessToken);
    let introspection = mode(TokenKind::Introspection);
    let jarm = mode(TokenKind::Jarm);
    let logout_token = mode(TokenKind::LogoutToken);
    let default = UserInfoMode(defaults.modes.userinfo);
    let userinfo = keys.inherited("userinfo", default, why, value::word);
    let carrier = keys.inherited("carrier", defaults.carrier, why, value::boolean);
    let max_token_bytes = keys.inherited(
        "max_token_bytes",
        defaults.max_token_bytes,
        why,
        value::integer(1_024..=MEBIBYTE),
    );
    let clock_skew = keys.inherited(
        "clock_skew",
        defaults.clock_skew,
        why,
        value::duration(ZERO..=Duration::from_secs(300)),
    );
    let on_failure = keys.inherited("on_failure", defaults.on_failure, why, value::word);
    if let Ok(Given { value: false, source }) = &carrier
        && source.rank() > 0
    {
        let message = "tokens.carrier = false: a re-signed token can't be turned back, so the \
                       IdP refuses it (as id_token_hint, say) unless the bridge key is its own";
        keys.reader.warn(source, message);
    }
    keys.close();
    Ok(Tokens {
        modes: Modes {
            id_token: id_token?.value,
            access_token: access_token?.value,
            userinfo: userinfo?.value.0,
            introspection: introspection?.value,
            jarm: jarm?.value,
            logout_token: logout_token?.value,
        },
        carrier: carrier?.value,
        max_token_bytes: max_token_bytes?.value,
        clock_skew: clock_skew?.value,
        on_failure: on_failure?.value,
    })
}

/// `[keys]`
pub(super) fn keys(mut keys: Section<'_, '_>) -> Result<Keys, Reported> {
    let retain = keys.setting("retain", None, 7 * DAY, value::duration(ZERO..=3_650 * DAY));
    keys.close();
    Ok(Keys { retain: retain?.value })
}

/// Whom `[rules]` are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Everyone.
    All,
    /// One client: what is published can't depend on that.
    Client,
}

/// `[rules]`: the keys are the ids of the rulebook; each with its setting and its place.
pub(super) fn rules(
    mut keys: Section<'_, '_>,
    known_rules: &[KnownRule<'_>],
    whose: Whose,
) -> BTreeMap<String, Given<Setting>> {
    let mut settings = BTreeMap::new();
    for (id, place) in keys.keys() {
        if let Some(rule) = known_rules.iter().find(|rule| rule.id == id) {
            if let Ok(Some(given)) =
                keys.given(&id, None, |input: value::Input<'_>| setting_of(*rule, whose, input))
            {
                keys.note(&id, &given.value, &given.source);
                settings.insert(id, given);
            }
        } else {
            let ids = known_rules.iter().map(|rule| rule.id);
            let meant = nearest(&id, ids.clone())
                .map(|meant| format!("did you mean \"{meant}\"? "))
                .unwrap_or_default();
            let advice = format!("{meant}known here: {}", ids.collect::<Vec<_>>().join(", "));
            keys.reader.problems.report(place, Fault::UnknownRule { id, advice });
        }
    }
    settings
}

fn setting_of(
    rule: KnownRule<'_>,
    whose: Whose,
    input: value::Input<'_>,
) -> Result<Setting, value::Refusal> {
    if whose == Whose::Client && rule.id.starts_with("userinfo/") {
        return Err(
            "is not for a single client: who asks for userinfo can't be seen; write it in [rules]"
                .into(),
        );
    }
    let published = ["jwks/", "discovery/"].into_iter().any(|layer| rule.id.starts_with(layer));
    match value::word(input)? {
        _ if published && whose == Whose::Client => {
            Err("is not for a single client: all of them get the same documents; \
                 write it in [rules], or let this one use a [[jwks.view]]"
                .into())
        }
        Setting::Repair => Ok(Setting::Repair),
        _ if rule.fixed => {
            Err("is not allowed: this rule keeps secrets from being published; allowed: repair"
                .into())
        }
        other => Ok(other),
    }
}
