//! Header fields that a proxy removes, sets or must not believe (RFC 9110 §7.6, RFC 7239).

use super::client::{Client, Hops};
use super::look::Look;
use super::trace::Trace;
use crate::upstream::Forwarding;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TE, VIA};

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
    client: &Client,
    forwarding: Option<&Forwarding>,
    via: &HeaderValue,
    look: &Look,
    trace: &Trace,
) {
    let before = client.is_trusted().then(|| Hops::read(headers));
    if look.has_unwanted {
        strip(headers, |name| is_hop_by_hop(name) || is_spoofable(name));
    }
    // One growth of the table instead of several.
    headers.reserve(7);
    client.apply(headers, forwarding, before);
    trace.apply(headers, look);
    headers.append(VIA, via.clone());
}

/// True if the client can do something with trailers (RFC 9110 §10.1.4).
pub(super) fn takes_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(TE).iter();
    let mut codings = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Makes the upstream's fields those of a response to a client.
pub(super) fn prepare_response(headers: &mut HeaderMap, look: &Look) {
    // With both, the chunks decide (RFC 9112 §6.3); hyper frames anew what it sends.
    if look.is_framed_twice() {
        headers.remove(CONTENT_LENGTH);
    }
    if look.has_unwanted {
        strip(headers, is_hop_by_hop);
    }
}

/// Removes what only kidstamp itself may say.
pub(super) fn strip_spoofed(headers: &mut HeaderMap) {
    strip(headers, is_spoofable);
}

/// Removes the fields whose names `unwanted` picks, and those that `Connection` names. One look at each
/// name, since nearly always there is nothing to remove.
fn strip(headers: &mut HeaderMap, unwanted: impl Fn(&str) -> bool) {
    if !headers.keys().any(|name| unwanted(name.as_str())) {
        return;
    }
    let nominated = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| !END_TO_END.contains(&name.as_str()));
    let unwanted = headers.keys().filter(|name| unwanted(name.as_str())).cloned();
    let names: Vec<HeaderName> = unwanted.chain(nominated).collect();
    for name in names {
        headers.remove(name);
    }
}

/// Fields of this connection only, which are never passed on (RFC 9110 §7.6.1).
pub(super) fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authorization"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// What a server could believe about the origin or the framing of a request, and kidstamp's own fields, in any
/// spelling that a server could take for them (`X_Forwarded_Host`, `KIDSTAMP_…`).
pub(super) fn is_spoofable(name: &str) -> bool {
    let is = |prefix: &str| {
        name.len() >= prefix.len()
            && name
                .bytes()
                .zip(prefix.bytes())
                .all(|(byte, expected)| byte == expected || (byte == b'_' && expected == b'-'))
    };
    match name.as_bytes().first() {
        Some(b'x') => {
            is("x-forwarded-")
                || is("x-kidstamp-")
                || (is("x-real-ip") && name.len() == "x-real-ip".len())
        }
        Some(b'k') => is("kidstamp-"),
        Some(b'f') => name == "forwarded",
        // RFC 9440: only who ends the client's TLS knows its certificate. To a server in the manner of CGI the
        // other one is framing.
        Some(b'c') => is("client-cert") || name == "content_length",
        Some(b't') => name == "transfer_encoding",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::LastAddress;
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
        let look = Look::at_fields(&headers);
        prepare_response(&mut headers, &look);
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
            ("x_real-ip", "1.2.3.4"),
            ("x-real-ipod", "kept"),
            ("Client_Cert", ":AAAA:"),
            ("client-cert-chain", ":AAAA:"),
            ("x-forward", "kept"),
            ("content_length", "3"),
            ("transfer_encoding", "chunked"),
        ]);
        let forwarding = Forwarding::new(&Origin::parse("https://sso.test:8443").unwrap());
        let client = Client::new("192.0.2.7:1234".parse().ok(), &[], &LastAddress::default());
        let given: [u8; 32] = *b"0af7651916cd43dd8448eb211c80319c";
        let look = Look::at_fields(&headers);
        prepare_request(
            &mut headers,
            &client,
            Some(&forwarding),
            &HeaderValue::from_static("1.1 kidstamp"),
            &look,
            &Trace::Given(given),
        );
        let mut fields: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        fields.sort();
        assert_eq!(
            fields,
            [
                "forwarded: for=192.0.2.7;host=\"sso.test:8443\";proto=https",
                "via: 1.1 kidstamp",
                "x-forward: kept",
                "x-forwarded-for: 192.0.2.7",
                "x-forwarded-host: sso.test:8443",
                "x-forwarded-port: 8443",
                "x-forwarded-proto: https",
                "x-real-ipod: kept",
            ]
        );
    }

    #[test]
    fn chunks_win_over_a_length() {
        let mut headers = map(&[("transfer-encoding", "chunked"), ("content-length", "3")]);
        let look = Look::at_fields(&headers);
        prepare_response(&mut headers, &look);
        assert!(headers.is_empty());
    }
}
