//! Header fields that a proxy removes, sets or must not believe (RFC 9110 §7.6, RFC 7239).

use crate::upstream::Forwarding;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
    VIA,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const PROXY_AUTHORIZATION: HeaderName = HeaderName::from_static("proxy-authorization");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Fields of this connection only, which are never passed on (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 7] =
    [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, PROXY_AUTHORIZATION, TE, UPGRADE, HTTP2_SETTINGS];

/// Fields that `Connection` may not take away, though it names them: a client could otherwise delete what the
/// provider's checks rest on (CVE-2022-31813 and its like).
const END_TO_END: [&str; 9] = [
    "authorization",
    "cookie",
    "set-cookie",
    "host",
    "content-length",
    "content-type",
    "cache-control",
    "via",
    "origin",
];

/// Makes a client's fields those of a request to the upstream.
pub(super) fn prepare_request(
    headers: &mut HeaderMap,
    client: &HeaderValue,
    forwarding: Option<&Forwarding>,
    via: &HeaderValue,
) {
    strip_hop_by_hop(headers);
    headers.remove(TRANSFER_ENCODING);
    strip_spoofed(headers);
    headers.insert(X_FORWARDED_FOR, client.clone());
    if let Some(forwarding) = forwarding {
        forwarding.apply(headers);
    }
    headers.append(VIA, via.clone());
}

/// Makes the upstream's fields those of a response to a client.
pub(super) fn prepare_response(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    // With both, the chunks decide (RFC 9112 §6.3); hyper frames anew what it sends.
    if headers.remove(TRANSFER_ENCODING).is_some() {
        headers.remove(CONTENT_LENGTH);
    }
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let nominated: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
            .filter(|name| !END_TO_END.contains(&name.as_str()))
            .collect();
        for name in nominated {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Removes what only kidstamp itself or a trusted proxy may say: the origin of the request, and kidstamp's own
/// fields, in any spelling that a server could take for them (`X_Forwarded_Host`, `KIDSTAMP_…`).
pub(super) fn strip_spoofed(headers: &mut HeaderMap) {
    let spoofed: Vec<HeaderName> =
        headers.keys().filter(|name| is_spoofable(name.as_str())).cloned().collect();
    for name in spoofed {
        headers.remove(name);
    }
}

fn is_spoofable(name: &str) -> bool {
    let is = |prefix: &str| {
        name.len() >= prefix.len()
            && name
                .bytes()
                .zip(prefix.bytes())
                .all(|(byte, expected)| byte == expected || (byte == b'_' && expected == b'-'))
    };
    match name.as_bytes().first() {
        Some(b'x') => is("x-forwarded-") || is("x-kidstamp-"),
        Some(b'k') => is("kidstamp-"),
        Some(b'f') => name == "forwarded",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&str, &str)| {
            (
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            )
        };
        let mut headers = HeaderMap::new();
        for (name, value) in fields.iter().map(field) {
            headers.append(name, value);
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_belongs_to_a_connection_stays_on_it() {
        let mut headers = map(&[
            ("connection", "close, X-Hop"),
            ("connection", "Authorization, X-Forwarded-For, x-other"),
            ("x-hop", "1"),
            ("x-other", "1"),
            ("authorization", "Bearer x"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
            ("accept", "*/*"),
        ]);
        prepare_response(&mut headers);
        assert_eq!(names(&headers), ["accept", "authorization"]);
    }

    #[test]
    fn a_client_says_nothing_about_where_it_is() {
        let mut headers = map(&[
            ("x-forwarded-for", "1.2.3.4"),
            ("X-Forwarded-Prefix", "/evil"),
            ("x_forwarded_host", "evil.test"),
            ("x-forwarded_proto", "http"),
            ("forwarded", "host=evil.test"),
            ("kidstamp-id-token", "verified"),
            ("X_Kidstamp_Verified", "1"),
            ("x-forward", "kept"),
        ]);
        let forwarding = Forwarding::new(&Origin::parse("https://sso.test:8443").unwrap());
        let client = HeaderValue::from_static("192.0.2.7");
        prepare_request(
            &mut headers,
            &client,
            Some(&forwarding),
            &HeaderValue::from_static("1.1 kidstamp"),
        );
        let mut fields: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        fields.sort();
        assert_eq!(
            fields,
            [
                "via: 1.1 kidstamp",
                "x-forward: kept",
                "x-forwarded-for: 192.0.2.7",
                "x-forwarded-host: sso.test:8443",
                "x-forwarded-port: 8443",
                "x-forwarded-proto: https",
            ]
        );
    }

    #[test]
    fn chunks_win_over_a_length() {
        let mut headers = map(&[("transfer-encoding", "chunked"), ("content-length", "3")]);
        prepare_response(&mut headers);
        assert!(headers.is_empty());
    }
}
