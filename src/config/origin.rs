//! An origin (RFC 6454): scheme, host and port, and nothing else.
//!
//! Whether two URLs belong to the same server decides where keys are fetched and which
//! URLs are rewritten, so it is compared as a value with defaults filled in, never as a
//! string prefix: `https://idp.test` is a prefix of `https://idp.test.evil`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use http::Uri;

/// The schemes that kidstamp speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The scheme as it stands in a URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of a URL that names none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Scheme, host and port. Equal origins compare equal, however they were written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    scheme: Scheme,
    /// Lower case; an IPv6 address without brackets and in its canonical form.
    host: String,
    port: u16,
}

/// Why a text is not an origin, or not a URL that kidstamp can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Not a URL at all.
    #[error("is not a URL; write one such as \"https://idp.example.com\"")]
    Malformed,
    /// A host, or a path, without a scheme.
    #[error("has no scheme; begin it with http:// or https://")]
    NoScheme,
    /// A scheme other than http and https.
    #[error("has an unknown scheme; allowed: http, https")]
    UnknownScheme,
    /// `user:password@`.
    #[error("carries a user name or a password; take out what stands before the @")]
    Userinfo,
    /// No host, or one that no DNS name or address can be.
    #[error("has no usable host; write a DNS name, an IPv4 address or an IPv6 address in brackets")]
    Host,
    /// Port 0, or one over 65535.
    #[error("has a port that can't be connected to; allowed: 1 to 65535")]
    Port,
    /// A path where only an origin may stand.
    #[error("has a path; write scheme://host[:port] alone")]
    Path,
    /// A query where none may stand.
    #[error("has a query; take out what begins with ?")]
    Query,
    /// A fragment.
    #[error("has a fragment; take out what begins with #")]
    Fragment,
}

impl Origin {
    /// Reads `scheme://host[:port]`; a single `/` may follow.
    ///
    /// # Errors
    /// Whatever else the text holds (path, query, fragment, userinfo) is refused by name.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (uri, origin) = parse_url(text)?;
        if uri.query().is_some() {
            return Err(UrlError::Query);
        }
        match uri.path() {
            "" | "/" => Ok(origin),
            _ => Err(UrlError::Path),
        }
    }

    /// The origin of an absolute http(s) URL; `None` for any other URI, or one with userinfo.
    #[must_use]
    pub fn of(uri: &Uri) -> Option<Self> {
        Self::try_of(uri).ok()
    }

    fn try_of(uri: &Uri) -> Result<Self, UrlError> {
        let scheme = match uri.scheme_str() {
            None => return Err(UrlError::NoScheme),
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
            Some(_) => return Err(UrlError::UnknownScheme),
        };
        let authority = uri.authority().ok_or(UrlError::Host)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::Userinfo);
        }
        let written_host = authority.host();
        let host = canonical_host(written_host).ok_or(UrlError::Host)?;
        let port = match authority.as_str().strip_prefix(written_host) {
            Some("" | ":") => scheme.default_port(),
            Some(_) => authority.port_u16().filter(|port| *port != 0).ok_or(UrlError::Port)?,
            None => return Err(UrlError::Host),
        };
        Ok(Self { scheme, host, port })
    }

    /// http or https.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host in lower case; an IPv6 address *without* brackets, as a resolver or TLS wants it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, filled in where the URL named none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The value of a `Host` header: the host, with brackets if it needs them, and the port
    /// unless it is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = match self.host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => self.host.clone(),
        };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }

    /// `localhost`, 127.0.0.0/8 or `::1`: traffic to it does not leave the machine (or the pod).
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

/// Reads an absolute http(s) URL without userinfo or fragment, with its origin.
pub(super) fn parse_url(text: &str) -> Result<(Uri, Origin), UrlError> {
    // http::Uri drops a fragment without a word.
    if text.contains('#') {
        return Err(UrlError::Fragment);
    }
    if text.is_empty() {
        return Err(UrlError::Malformed);
    }
    // "localhost:3000/idp" is no valid URI: say what is missing rather than "malformed".
    if !text.contains("://") {
        return Err(UrlError::NoScheme);
    }
    let uri: Uri = text.parse().map_err(|_| UrlError::Malformed)?;
    let origin = Origin::try_of(&uri)?;
    Ok((uri, origin))
}

/// The one spelling of a host, or `None` if it can be neither a name nor an address.
fn canonical_host(written: &str) -> Option<String> {
    if let Some(address) = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().ok().map(|address| address.to_string());
    }
    // A final dot marks a fully qualified name, as cluster DNS likes it.
    let name = written.strip_suffix('.').unwrap_or(written);
    let is_name = name.split('.').all(|label| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    });
    is_name.then(|| written.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_one_spelling() {
        for (written, shown, authority) in [
            ("https://idp.test", "https://idp.test", "idp.test"),
            ("HTTPS://IdP.Test/", "https://idp.test", "idp.test"),
            ("https://idp.test:443", "https://idp.test", "idp.test"),
            ("https://idp.test:80", "https://idp.test:80", "idp.test:80"),
            ("http://idp.test:80/", "http://idp.test", "idp.test"),
            ("http://idp.test:8080", "http://idp.test:8080", "idp.test:8080"),
            ("https://idp.test:", "https://idp.test", "idp.test"),
            ("http://[::1]", "http://[::1]", "[::1]"),
            ("http://[0:0:0:0:0:0:0:1]:3000", "http://[::1]:3000", "[::1]:3000"),
            ("https://[2001:DB8::A]:443", "https://[2001:db8::a]", "[2001:db8::a]"),
            ("http://10.0.0.7:1411", "http://10.0.0.7:1411", "10.0.0.7:1411"),
            ("http://pocket_id:80", "http://pocket_id", "pocket_id"),
            (
                "http://idp.prod.svc.cluster.local.",
                "http://idp.prod.svc.cluster.local.",
                "idp.prod.svc.cluster.local.",
            ),
        ] {
            let origin = Origin::parse(written).unwrap();
            assert_eq!(origin.to_string(), shown, "{written}");
            assert_eq!(origin.authority(), authority, "{written}");
            assert_eq!(Origin::parse(&origin.to_string()).unwrap(), origin, "{written}");
        }
    }

    #[test]
    fn what_is_not_an_origin_is_refused_by_name() {
        for (written, why) in [
            ("", UrlError::Malformed),
            ("idp.test", UrlError::NoScheme),
            ("idp.test:443", UrlError::NoScheme),
            ("//idp.test", UrlError::NoScheme),
            ("/idp", UrlError::NoScheme),
            ("https:idp.test", UrlError::NoScheme),
            ("ftp://idp.test", UrlError::UnknownScheme),
            ("https://user@idp.test", UrlError::Userinfo),
            ("https://user:secret@idp.test", UrlError::Userinfo),
            ("https://idp.test@evil.test", UrlError::Userinfo),
            ("https://idp.test:0", UrlError::Port),
            ("https://idp..test", UrlError::Host),
            ("https://.idp.test", UrlError::Host),
            ("https://idp$test", UrlError::Host),
            ("https://idp%2etest", UrlError::Malformed),
            ("http://[fe80::1%25eth0]", UrlError::Host),
            ("https://idp.test/realms/a", UrlError::Path),
            ("https://idp.test//", UrlError::Path),
            ("https://idp.test?a=b", UrlError::Query),
            ("https://idp.test/#top", UrlError::Fragment),
            ("https://idp.test#", UrlError::Fragment),
            ("https://", UrlError::Malformed),
            ("https:// idp.test", UrlError::Malformed),
            ("https://idp.test\\@evil.test", UrlError::Malformed),
        ] {
            assert_eq!(Origin::parse(written), Err(why), "{written}");
        }
        assert!(Origin::parse("https://idp.test:65536").is_err());
        assert!(Origin::parse("https://idp.test:443:443").is_err());
    }

    #[test]
    fn a_prefix_is_not_the_same_origin() {
        let idp = Origin::parse("https://idp.test").unwrap();
        for other in [
            "https://idp.test.evil",
            "https://idp.tes",
            "https://idp.test.",
            "https://sub.idp.test",
            "https://idp.test:8443",
            "http://idp.test:443",
            "http://idp.test",
        ] {
            assert_ne!(Origin::parse(other).unwrap(), idp, "{other}");
        }
    }

    #[test]
    fn the_origin_of_a_url() {
        let of = |text: &str| Origin::of(&text.parse().unwrap());
        assert_eq!(of("https://IDP.test/jwks?v=1"), Origin::parse("https://idp.test").ok());
        assert_eq!(of("https://user@idp.test/jwks"), None);
        assert_eq!(of("/jwks"), None);
        assert_eq!(of("idp.test:443"), None);
        assert_eq!(of("ws://idp.test/"), None);
    }

    #[test]
    fn loopback_is_what_stays_on_the_machine() {
        for (written, expected) in [
            ("http://localhost:80", true),
            ("http://LOCALHOST", true),
            ("http://127.0.0.1", true),
            ("http://127.9.9.9:1", true),
            ("http://[::1]:1", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://localhost.evil.test", false),
            ("http://127.0.0.1.evil.test", false),
            ("http://128.0.0.1", false),
            ("http://0.0.0.0", false),
            ("http://[::]", false),
            // The resolver may read it as 127.0.0.1; kidstamp does not bet on it.
            ("http://127.1", false),
        ] {
            assert_eq!(Origin::parse(written).unwrap().is_loopback(), expected, "{written}");
        }
    }
}
