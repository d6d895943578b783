//! The other end of one client connection: who it is, and what the provider is told of it.
//!
//! Made once for each connection, so that nothing has to be written anew for each request on it.

use super::pool::Connection;
use super::upgrade::Tunnel;
use crate::upstream::Forwarding;
use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// More proxies than any request has come through.
const MOST_HOPS: usize = 32;

/// An address that clients connect from.
pub(super) struct Address {
    /// `None` for connections that come over a Unix socket.
    ip: Option<IpAddr>,
    /// As `X-Forwarded-For` has it.
    text: HeaderValue,
    /// The last `Forwarded` that was written, with the external origin that it speaks of.
    forwarded: RefCell<Option<(HeaderValue, HeaderValue)>>,
}

/// The address of a worker's last connection: most clients come from few, such as that of the TLS proxy in front, and to
/// write one costs more than most that is done for a connection.
#[derive(Default)]
pub(super) struct LastAddress(RefCell<Option<Rc<Address>>>);

/// A client connection, seen from its requests.
pub(super) struct Client {
    address: Rc<Address>,
    /// True for a proxy that may say for whom it asks.
    is_trusted: bool,
    /// The host that the TLS handshake named, where requests have to be for the same.
    pub(super) tls_host: Option<String>,
    /// Fields that this connection adds to each of its requests, in place of what the client wrote.
    pub(super) own_fields: Vec<(HeaderName, HeaderValue)>,
    /// The upstream connection on which this one's user is signed in (RFC 4559), while it is free.
    pub(super) bound: Cell<Option<Box<Connection>>>,
    /// What the connection becomes once a 101 has been sent.
    pub(super) tunnel: Cell<Option<Tunnel>>,
}

impl LastAddress {
    /// That one again, or another.
    fn get(&self, ip: Option<IpAddr>) -> Rc<Address> {
        let mut last = self.0.borrow_mut();
        match &*last {
            Some(last) if last.ip == ip => Rc::clone(last),
            _ => {
                let text = value(&node_name(ip));
                let other = Rc::new(Address { ip, text, forwarded: RefCell::default() });
                Rc::clone(last.insert(other))
            }
        }
    }
}

impl Client {
    /// For a connection from `address`.
    pub(super) fn new(
        address: Option<SocketAddr>,
        trusted_proxies: &[IpNet],
        last: &LastAddress,
    ) -> Self {
        // A socket for both families writes the older one's addresses as ::ffff:192.0.2.7.
        let ip = address.map(|address| address.ip().to_canonical());
        Self {
            is_trusted: ip
                .is_some_and(|ip| trusted_proxies.iter().any(|network| network.contains(&ip))),
            address: last.get(ip),
            tls_host: None,
            own_fields: Vec::new(),
            bound: Cell::default(),
            tunnel: Cell::default(),
        }
    }

    /// True for a proxy that may say for whom it asks.
    pub(super) fn is_trusted(&self) -> bool {
        self.is_trusted
    }

    /// Writes into a request where it comes from and under which name kidstamp is known; `before` is what a
    /// trusted proxy said of the way so far.
    pub(super) fn apply(
        &self,
        headers: &mut HeaderMap,
        forwarding: Option<&Forwarding>,
        before: Option<Hops>,
    ) {
        let (x_forwarded_for, forwarded) = match before {
            Some(hops) => hops.followed_by(self.address.ip, forwarding),
            None => (self.address.text.clone(), self.address.forwarded(forwarding)),
        };
        headers.insert(X_FORWARDED_FOR, x_forwarded_for);
        headers.insert(FORWARDED, forwarded);
        if let Some(forwarding) = forwarding {
            forwarding.apply(headers);
        }
        for (name, value) in &self.own_fields {
            headers.insert(name, value.clone());
        }
    }
}

impl Address {
    /// `Forwarded` for a client that is believed nothing; written again only if the external origin is another.
    fn forwarded(&self, forwarding: Option<&Forwarding>) -> HeaderValue {
        let unknown = HeaderValue::from_static("");
        let of = forwarding.map_or(&unknown, Forwarding::forwarded);
        let mut cached = self.forwarded.borrow_mut();
        if let Some((known, forwarded)) = &*cached
            && known == of
        {
            return forwarded.clone();
        }
        let forwarded = write_forwarded(&[], self.ip, forwarding);
        *cached = Some((of.clone(), forwarded.clone()));
        forwarded
    }
}

/// The clients and proxies that a request came through before it came to a trusted proxy, the nearest last.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hops(Vec<String>);

impl Hops {
    /// What `X-Forwarded-For` says or, without one, `Forwarded`. One list is made of one field: a proxy that sets
    /// one of the two may pass the other on as a client wrote it, and what is passed on here must not differ.
    ///
    /// What stands before something that is no address is left out: it is farther away, and worth less.
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let mut hops: Vec<String> = if headers.contains_key(X_FORWARDED_FOR) {
            let hops = elements(headers, &X_FORWARDED_FOR);
            hops.iter().rev().map_while(|hop| node(hop)).collect()
        } else {
            let hops = elements(headers, &FORWARDED);
            hops.iter().rev().map_while(|hop| forwarded_for(hop)).collect()
        };
        hops.truncate(MOST_HOPS);
        hops.reverse();
        Self(hops)
    }

    fn followed_by(
        self,
        peer: Option<IpAddr>,
        forwarding: Option<&Forwarding>,
    ) -> (HeaderValue, HeaderValue) {
        let mut list = self.0.join(", ");
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push_str(&node_name(peer));
        (value(&list), write_forwarded(&self.0, peer, forwarding))
    }
}

/// RFC 7239 §4: an element for each hop; the last one, kidstamp's own, says under which origin it is known.
fn write_forwarded(
    hops: &[String],
    peer: Option<IpAddr>,
    forwarding: Option<&Forwarding>,
) -> HeaderValue {
    let mut text = String::new();
    for hop in hops {
        // An address of IPv6 and one with a port need quotes and brackets (§6).
        match hop.parse::<IpAddr>() {
            Ok(address) => text.push_str(&for_parameter(address)),
            Err(_) => text.push_str(&format!("for=\"{hop}\"")),
        }
        text.push_str(", ");
    }
    // RFC 7239 §6.2
    text.push_str(&peer.map_or_else(|| "for=unknown".to_owned(), for_parameter));
    let external = forwarding.and_then(|forwarding| forwarding.forwarded().to_str().ok());
    text.push_str(external.unwrap_or_default());
    value(&text)
}

fn node_name(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}

fn for_parameter(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("for={address}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    }
}

/// The elements of a list over all fields of a name; a comma within quotes is taken for the end of one, which
/// makes two that are no addresses.
fn elements(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter();
    let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let elements = values.iter().flat_map(|value| value.split(','));
    elements.map(|element| element.trim().to_owned()).collect()
}

/// An address, if it is one, as `X-Forwarded-For` has it: with a port if there was one, without brackets if not.
fn node(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(address.to_canonical().to_string());
    }
    text.parse::<SocketAddr>().ok().map(|address| address.to_string())
}

/// The `for` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<String> {
    let value = element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then_some(value)
    })?;
    node(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin;

    fn hops(fields: &[(&'static str, &str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, text) in fields {
            headers.append(*name, HeaderValue::from_bytes(text.as_bytes()).unwrap());
        }
        Hops::read(&headers).0
    }

    #[test]
    fn hops_are_read_from_one_field() {
        for (fields, expected) in [
            (vec![], vec![]),
            (vec![("x-forwarded-for", "203.0.113.9")], vec!["203.0.113.9"]),
            (
                vec![("x-forwarded-for", "203.0.113.9 ,[2001:db8::1]"), ("x-forwarded-for", "::1")],
                vec!["203.0.113.9", "2001:db8::1", "::1"],
            ),
            (
                vec![("x-forwarded-for", "203.0.113.9:44, [2001:db8::1]:45")],
                vec!["203.0.113.9:44", "[2001:db8::1]:45"],
            ),
            // Only what is nearer than the first thing that is no address.
            (vec![("x-forwarded-for", "1.2.3.4, <script>, 5.6.7.8")], vec!["5.6.7.8"]),
            (vec![("x-forwarded-for", "1.2.3.4, unknown")], vec![]),
            (vec![("x-forwarded-for", "1.2.3.4, \u{e9}, 5.6.7.8")], vec!["5.6.7.8"]),
            (
                vec![(
                    "forwarded",
                    "for=1.2.3.4;host=evil.test, proto=http; For=\"[2001:db8::1]:4\"",
                )],
                vec!["1.2.3.4", "[2001:db8::1]:4"],
            ),
            (vec![("forwarded", "for=_hidden, for=5.6.7.8")], vec!["5.6.7.8"]),
            (vec![("forwarded", "for=evil"), ("x-forwarded-for", "5.6.7.8")], vec!["5.6.7.8"]),
            (vec![("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "")], vec![]),
        ] {
            assert_eq!(hops(&fields), expected, "{fields:?}");
        }
        let many = vec!["1.2.3.4"; 100].join(",");
        assert_eq!(hops(&[("x-forwarded-for", &many)]).len(), MOST_HOPS);
    }

    #[test]
    fn the_way_is_written_in_both_fields() {
        let forwarding = Forwarding::new(&Origin::parse("https://sso.test:8443").unwrap());
        let last = LastAddress::default();
        let written = |peer: &str, trusted: &str, before: Option<&[&str]>| {
            let trusted = [trusted.parse().unwrap()];
            let client = Client::new(Some(peer.parse().unwrap()), &trusted, &last);
            let mut headers = HeaderMap::new();
            let before =
                before.map(|hops| Hops(hops.iter().map(|hop| (*hop).to_owned()).collect()));
            client.apply(&mut headers, Some(&forwarding), before);
            let get = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
            (client.is_trusted(), get("x-forwarded-for"), get("forwarded"))
        };
        let external = "host=\"sso.test:8443\";proto=https";
        assert_eq!(
            written("192.0.2.7:1", "10.0.0.0/8", None),
            (false, "192.0.2.7".to_owned(), format!("for=192.0.2.7;{external}"))
        );
        assert_eq!(
            written(
                "[::ffff:10.1.2.3]:1",
                "10.0.0.0/8",
                Some(&["203.0.113.9", "2001:db8::1", "[::1]:4"])
            ),
            (
                true,
                "203.0.113.9, 2001:db8::1, [::1]:4, 10.1.2.3".to_owned(),
                format!(
                    "for=203.0.113.9, for=\"[2001:db8::1]\", for=\"[::1]:4\", for=10.1.2.3;{external}"
                )
            )
        );
        assert_eq!(
            written("[2001:db8::7]:1", "2001:db8::/32", Some(&[])),
            (true, "2001:db8::7".to_owned(), format!("for=\"[2001:db8::7]\";{external}"))
        );
    }

    #[test]
    fn connections_from_one_address_share_how_it_is_written() {
        let last = LastAddress::default();
        let client = |peer: &str| Client::new(Some(peer.parse().unwrap()), &[], &last);
        let (first, same) = (client("192.0.2.7:1"), client("[::ffff:192.0.2.7]:2"));
        assert!(Rc::ptr_eq(&first.address, &same.address));
        let forwarded = |client: &Client, external: &str| {
            let forwarding = Forwarding::new(&Origin::parse(external).unwrap());
            let mut headers = HeaderMap::new();
            client.apply(&mut headers, Some(&forwarding), None);
            headers.get("forwarded").unwrap().to_str().unwrap().to_owned()
        };
        // Whoever was written last.
        for external in ["https://a.test", "https://b.test", "https://a.test"] {
            let host = external.trim_start_matches("https://");
            for client in [&first, &client("192.0.2.8:1"), &same] {
                let own = client.address.text.to_str().unwrap();
                let expected = format!("for={own};host={host};proto=https");
                assert_eq!(forwarded(client, external), expected);
            }
        }
        assert_eq!(Client::new(None, &[], &last).address.text, "unknown");
    }
}
