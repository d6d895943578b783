//! What a request must be like before anything is done with it (RFC 9112 §3, §6; RFC 9110 §7.2).
//!
//! The HTTP library refuses what can't be parsed; here is refused what two servers could understand in two ways.

use super::error::Refusal;
use super::look::Look;
use http::header::{HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING, VIA};
use http::uri::{Authority, Scheme};
use http::{Method, Request, Uri, Version};

/// Checks a request; `Err` is the answer to it.
pub(super) fn check<B>(
    request: &Request<B>,
    look: &Look,
    own_via: &str,
    max_head: usize,
) -> Result<(), Refusal> {
    // The library's own bound is for a head of which more is to come.
    if look.bytes > max_head {
        return Err(Refusal::Head);
    }
    if request.method() == Method::CONNECT {
        return Err(Refusal::Connect);
    }
    check_host(request, look)?;
    if request.uri().path() == "*" && request.method() != Method::OPTIONS {
        return Err(Refusal::Target);
    }
    if look.has_transfer_encoding {
        check_transfer_encoding(request.headers())?;
    }
    if look.has_via && passed_here_before(request.headers(), own_via) {
        return Err(Refusal::Loop);
    }
    Ok(())
}

/// Exactly one `Host`, well-formed, and agreeing with an absolute request target (RFC 9112 §3.2).
fn check_host<B>(request: &Request<B>, look: &Look) -> Result<(), Refusal> {
    if look.hosts == 0 && request.version() == Version::HTTP_10 {
        return Ok(());
    }
    let host = request.headers().get(HOST).filter(|_| look.hosts == 1).ok_or(Refusal::Host)?;
    if !is_host(host.as_bytes()) {
        return Err(Refusal::Host);
    }
    match request.uri().authority() {
        Some(authority) if !agrees(authority, request.uri().scheme(), host.as_bytes()) => {
            Err(Refusal::Host)
        }
        _ => Ok(()),
    }
}

/// A request that came over TLS is for the host that the handshake named (RFC 9110 §7.4): another one could have
/// other rules, such as who may connect at all.
pub(super) fn check_tls_host<B>(request: &Request<B>, named: &str) -> Result<(), Refusal> {
    // One of HTTP/1.0 may name no host; then the handshake alone has.
    let Some(host) = request.headers().get(HOST).map(HeaderValue::as_bytes) else { return Ok(()) };
    let name = host.split(|byte| *byte == b':').next().unwrap_or_default();
    let name = name.strip_suffix(b".").unwrap_or(name);
    if name.eq_ignore_ascii_case(named.as_bytes()) { Ok(()) } else { Err(Refusal::Misdirected) }
}

/// The characters of a `reg-name` or an IPv4 address (RFC 3986 §3.2.2). A table, since this is asked for each
/// character of each request's host.
#[allow(
    clippy::indexing_slicing,
    reason = "a byte has a place among 256, as the compiler finds out"
)]
const IN_HOST: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < u8::MAX {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'-' | b'.'
                    | b'_'
                    | b'~'
                    | b'%'
                    | b'!'
                    | b'$'
                    | b'&'
                    | b'\''
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b','
                    | b';'
                    | b'='
            );
        byte += 1;
    }
    table
};

/// `uri-host [":" port]` (RFC 9110 §7.2), by its characters; empty is allowed.
fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host.first() {
        Some(b'[') => match host.iter().position(|byte| *byte == b']') {
            Some(end) => host.split_at_checked(end + 1).unwrap_or_default(),
            None => return false,
        },
        _ => {
            let end = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
            host.split_at_checked(end).unwrap_or_default()
        }
    };
    let in_brackets =
        |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.' | b'[' | b']');
    let name_is_good = if name.first() == Some(&b'[') {
        name.iter().all(in_brackets)
    } else {
        name.iter().all(|byte| IN_HOST.get(usize::from(*byte)) == Some(&true))
    };
    let port_is_good = match port.split_first() {
        None => true,
        Some((b':', digits)) => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    };
    name_is_good && port_is_good
}

/// True if the authority of an absolute target is the one that `Host` names.
fn agrees(authority: &Authority, scheme: Option<&Scheme>, host: &[u8]) -> bool {
    // As a rule, it is the same text.
    if authority.as_str().as_bytes() == host {
        return true;
    }
    let default_port = if scheme == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let of = |authority: &Authority| {
        (authority.host().to_ascii_lowercase(), authority.port_u16().unwrap_or(default_port))
    };
    Authority::try_from(host).is_ok_and(|host| of(&host) == of(authority))
}

/// `chunked` once, or nothing (RFC 9112 §6.1): what else stands there is read differently by different servers.
fn check_transfer_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers
        .get_all(TRANSFER_ENCODING)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|coding| !coding.is_empty());
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Refusal::TransferEncoding),
    }
}

/// True if the request carries kidstamp's own `Via`: the upstream leads back to kidstamp.
fn passed_here_before(headers: &HeaderMap, own_via: &str) -> bool {
    headers
        .get_all(VIA)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|hop| hop.split_whitespace().nth(1) == Some(own_via))
}

/// The target as the upstream gets it: always in origin form (RFC 9112 §3.2.1).
pub(super) fn origin_form(uri: &Uri) -> Option<Uri> {
    uri.authority()?;
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    target.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, fields: &[(&str, &str)]) -> Request<()> {
        let mut builder = Request::builder().uri(target);
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap()
    }

    fn check<B>(request: &Request<B>, own_via: &str) -> Result<(), Refusal> {
        super::check(request, &Look::at(request), own_via, 1_000)
    }

    #[test]
    fn hosts() {
        for host in [
            "idp.test",
            "idp.test:8080",
            "127.0.0.1",
            "[::1]",
            "[::1]:80",
            "",
            "a_b.test",
            "IDP.test.",
        ] {
            assert_eq!(check(&request("/", &[("host", host)]), "k"), Ok(()), "{host}");
        }
        for host in [
            "a@idp.test",
            "idp.test/@evil",
            "idp.test:x",
            "idp.test:123456",
            "[::1",
            "[::1]x",
            "a b",
            "[g]",
        ] {
            assert_eq!(check(&request("/", &[("host", host)]), "k"), Err(Refusal::Host), "{host}");
        }
        assert_eq!(check(&request("/", &[]), "k"), Err(Refusal::Host));
        assert_eq!(check(&request("/", &[("host", "a"), ("host", "a")]), "k"), Err(Refusal::Host));
        let absolute = |host| check(&request("http://idp.test/jwks", &[("host", host)]), "k");
        assert_eq!(absolute("idp.test"), Ok(()));
        assert_eq!(absolute("IDP.test:80"), Ok(()));
        assert_eq!(absolute("evil.test"), Err(Refusal::Host));
        assert_eq!(origin_form(&"http://idp.test/a?b".parse().unwrap()).unwrap(), "/a?b");
        assert_eq!(origin_form(&"/a?b".parse().unwrap()), None);
    }

    #[test]
    fn the_host_of_the_handshake() {
        let with = |fields: &[(&str, &str)]| check_tls_host(&request("/", fields), "sso.test");
        for host in ["sso.test", "SSO.test", "sso.test.", "sso.test:8443"] {
            assert_eq!(with(&[("host", host)]), Ok(()), "{host}");
        }
        for host in ["", "test", "sso.test.evil", "evil.sso.test", "sso.test..", "[::1]"] {
            assert_eq!(with(&[("host", host)]), Err(Refusal::Misdirected), "{host:?}");
        }
        assert_eq!(with(&[]), Ok(()));
    }

    #[test]
    fn transfer_codings() {
        let with =
            |value| check(&request("/", &[("host", "a"), ("transfer-encoding", value)]), "k");
        for value in ["chunked", "CHUNKED", "\tchunked", "chunked,"] {
            assert_eq!(with(value), Ok(()), "{value}");
        }
        for value in ["chunked, chunked", "identity, chunked", "gzip, chunked", "x"] {
            assert_eq!(with(value), Err(Refusal::TransferEncoding), "{value}");
        }
    }

    #[test]
    fn loops_are_seen() {
        let with = |value| check(&request("/", &[("host", "a"), ("via", value)]), "kidstamp-1");
        assert_eq!(with("1.1 other, HTTP/1.1 kidstamp-1 (x)"), Err(Refusal::Loop));
        assert_eq!(with("1.1 kidstamp-2"), Ok(()));
    }
}
