//! `[server]`: kidstamp's own side.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

use ipnet::IpNet;

use super::error::Reported;
use super::model::{Limits, Listen, LogFormat, Server, SocketMode};
use super::overrides::Overrides;
use super::place::Source;
use super::reader::{Given, Section};
use super::section::{DAY, MEBIBYTE, SHORTEST, ZERO};
use super::server_tls;
use super::value::{self, Read as _};

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// `[server]`
pub(super) fn server(mut keys: Section<'_, '_>, overrides: &Overrides) -> Result<Server, Reported> {
    let listen = {
        let default = Listen::Tcp(loopback(8080));
        keys.setting("listen", overrides.listen.as_ref(), default, value::listen)
    };
    let socket_mode = keys.setting("socket_mode", None, SocketMode(0o660), value::socket_mode);
    let proxy_protocol = keys.setting("proxy_protocol", None, false, value::boolean);
    let off = value::address_or_off;
    let admin = keys.setting("admin", overrides.admin.as_ref(), Some(loopback(9180)), off);
    let workers = workers(&mut keys);
    let trusted_proxies = trusted_proxies(&mut keys);
    no_one_to_speak_for_others(&mut keys, &listen, &proxy_protocol, &trusted_proxies);
    let hour = Duration::from_hours(1);
    let drain_delay = keys.setting("drain_delay", None, ZERO, value::duration(ZERO..=hour));
    let drain_timeout =
        keys.setting("drain_timeout", None, Duration::from_mins(5), value::duration(ZERO..=DAY));
    let drain_tunnels =
        keys.setting("drain_tunnels", None, Duration::from_secs(10), value::duration(ZERO..=DAY));
    let text = LogFormat::Text;
    let log_format = keys.setting("log_format", overrides.log_format.as_ref(), text, value::word);
    let requests = overrides.log_requests.as_ref();
    let log_requests = keys.setting("log_requests", requests, true, value::boolean);
    let http2 = keys.setting("http2", None, true, value::boolean);
    let preserve_header_case = keys.setting("preserve_header_case", None, false, value::boolean);
    let tls = server_tls::read(keys.child("tls"), overrides);
    let limits = limits(keys.child("limits"));

    let clash = match (&listen, &admin) {
        (Ok(listen), Ok(Given { value: Some(admin), source })) => {
            listen.value.tcp().is_some_and(|tcp| overlap(tcp, *admin)).then(|| {
                let message = format!(
                    "server.admin = \"{admin}\" takes the address of server.listen = \"{}\"; \
                     give it another port, or write \"off\"",
                    listen.value
                );
                // Blame the one that was set, if only one was.
                let place = if source.rank() == 0 { &listen.source } else { source };
                keys.reader.problems.conflict(place, message)
            })
        }
        _ => None,
    };
    keys.close();
    if let Some(reported) = clash {
        return Err(reported);
    }
    Ok(Server {
        listen: listen?.value,
        socket_mode: socket_mode?.value,
        proxy_protocol: proxy_protocol?.value,
        admin: admin?.value,
        workers: workers?,
        trusted_proxies: trusted_proxies?.value,
        drain_delay: drain_delay?.value,
        drain_timeout: drain_timeout?.value,
        drain_tunnels: drain_tunnels?.value,
        log_format: log_format?.value,
        log_requests: log_requests?.value,
        http2: http2?.value,
        preserve_header_case: preserve_header_case?.value,
        tls: tls?,
        limits: limits?,
    })
}

/// Networks, of which none is the whole world (as in CVE-2026-40575, where it was the default).
fn trusted_proxies(keys: &mut Section<'_, '_>) -> Result<Given<Vec<IpNet>>, Reported> {
    let given = keys.setting("trusted_proxies", None, Vec::new(), value::networks)?;
    if let Some(everyone) = given.value.iter().find(|network| network.prefix_len() == 0) {
        let message = format!(
            "server.trusted_proxies has {everyone}: every client may say that it has any address; \
             name the networks of your own proxies"
        );
        keys.reader.warn(&given.source, message);
    }
    Ok(given)
}

/// The PROXY protocol is for trusted proxies, and for whoever may write to a Unix socket.
fn no_one_to_speak_for_others(
    keys: &mut Section<'_, '_>,
    listen: &Result<Given<Listen>, Reported>,
    proxy_protocol: &Result<Given<bool>, Reported>,
    trusted: &Result<Given<Vec<IpNet>>, Reported>,
) {
    if let (Ok(listen), Ok(Given { value: true, source }), Ok(trusted)) =
        (listen, proxy_protocol, trusted)
        && listen.value.tcp().is_some()
        && trusted.value.is_empty()
    {
        let message = "server.proxy_protocol = true lets in nobody but server.trusted_proxies, of which \
                       there are none; name the networks of your proxies";
        keys.reader.problems.conflict(source, message);
    }
}

/// Whether two listeners can't stand side by side.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let same_ip =
        one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && same_ip
}

fn workers(keys: &mut Section<'_, '_>) -> Result<NonZeroUsize, Reported> {
    let given = keys.given("workers", None, value::Workers)?.unwrap_or_else(|| Given {
        value: available_parallelism().unwrap_or(NonZeroUsize::MIN),
        source: Source::Default("one for each CPU that this process may use"),
    });
    keys.note("workers", &given.value, &given.source);
    keys.narrow("workers", value::Workers.bounds());
    Ok(given.value)
}

fn limits(mut keys: Section<'_, '_>) -> Result<Limits, Reported> {
    // hyper needs a read buffer of 8 KiB.
    let header_bytes = keys.setting("header_bytes", None, 32_768, value::integer(8_192..=MEBIBYTE));
    let ten_minutes = Duration::from_mins(10);
    let second = Duration::from_secs(1);
    let brief = value::duration(SHORTEST..=ten_minutes);
    let header_timeout = keys.setting("header_timeout", None, 10 * second, brief);
    let handshake_timeout = keys.setting("handshake_timeout", None, 5 * second, brief);
    let handshakes = keys.setting("handshakes", None, 1_000, value::integer(1..=1_000_000));
    let hour = Duration::from_hours(1);
    let keep_alive =
        keys.setting("keep_alive", None, 75 * second, value::duration(SHORTEST..=hour));
    let send_timeout = keys.setting("send_timeout", None, 60 * second, brief);
    let tunnel_idle =
        keys.setting("tunnel_idle", None, Duration::from_mins(5), value::duration(SHORTEST..=DAY));
    let connections = keys.setting("connections", None, 10_000, value::integer(1..=1_000_000));
    let connection_requests =
        keys.setting("connection_requests", None, 1_000_000, value::integer(1..=1_000_000_000));
    let http2_streams = keys.setting("http2_streams", None, 100, value::integer(1..=65_535));
    let connection_age =
        keys.setting("connection_age", None, hour, value::duration(SHORTEST..=30 * DAY));
    let body_idle = keys.setting("body_idle", None, 30 * second, brief);
    let rewritten_body_bytes =
        keys.setting("rewritten_body_bytes", None, MEBIBYTE, value::integer(4_096..=64 * MEBIBYTE));
    let decompression_ratio =
        keys.setting("decompression_ratio", None, 100, value::integer(2..=1_000));
    let idle_upstream_connections =
        keys.setting("idle_upstream_connections", None, 64, value::integer(0..=65_535));
    let upstream_requests =
        keys.setting("upstream_requests", None, 1_024, value::integer(1..=1_000_000));
    let logins = keys.setting("logins", None, 10_000, value::integer(1..=1_000_000));
    let login_lifetime =
        keys.setting("login_lifetime", None, ten_minutes, value::duration(second..=hour));
    let upstream_queue = keys.setting("upstream_queue", None, 1_024, value::integer(0..=1_000_000));
    keys.close();
    Ok(Limits {
        header_bytes: header_bytes?.value,
        header_timeout: header_timeout?.value,
        handshake_timeout: handshake_timeout?.value,
        handshakes: handshakes?.value,
        keep_alive: keep_alive?.value,
        send_timeout: send_timeout?.value,
        tunnel_idle: tunnel_idle?.value,
        connections: connections?.value,
        connection_requests: connection_requests?.value,
        http2_streams: http2_streams?.value,
        connection_age: connection_age?.value,
        body_idle: body_idle?.value,
        rewritten_body_bytes: rewritten_body_bytes?.value,
        decompression_ratio: decompression_ratio?.value,
        idle_upstream_connections: idle_upstream_connections?.value,
        upstream_requests: upstream_requests?.value,
        upstream_queue: upstream_queue?.value,
        logins: logins?.value,
        login_lifetime: login_lifetime?.value,
    })
}
