//! One look at the fields of a head, so that none has to be looked for that is not there.
//!
//! Nearly every request and response has few of the fields that matter here, and a look at each name costs less than a
//! search for each that might be there.

use super::headers::{is_hop_by_hop, is_spoofable};
use http::{HeaderMap, Request};

/// A colon, a space and the end of a line.
const AROUND: usize = 4;

/// What stands in the head of a request, as the client sent it, or of a response, as the upstream did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// About as many bytes as the head had on the wire.
    pub(super) bytes: usize,
    /// How many times there is a `Host`.
    pub(super) hosts: usize,
    pub(super) has_authorization: bool,
    pub(super) has_content_length: bool,
    pub(super) has_te: bool,
    pub(super) has_traceparent: bool,
    pub(super) has_tracestate: bool,
    pub(super) has_transfer_encoding: bool,
    pub(super) has_upgrade: bool,
    pub(super) has_via: bool,
    /// A field that does not go on.
    pub(super) has_unwanted: bool,
}

impl Look {
    /// At `request`.
    pub(super) fn at<B>(request: &Request<B>) -> Self {
        let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        let mut look = Self::at_fields(request.headers());
        look.bytes += request.method().as_str().len() + target;
        look
    }

    /// With a length and chunks, where a message ends is in doubt: it may be an attempt at smuggling or splitting (RFC 9112
    /// §6.3).
    pub(super) fn is_framed_twice(&self) -> bool {
        self.has_transfer_encoding && self.has_content_length
    }

    /// At the fields alone.
    pub(super) fn at_fields(headers: &HeaderMap) -> Self {
        let mut look = Self::default();
        for (name, value) in headers {
            let name = name.as_str();
            look.bytes += name.len() + value.len() + AROUND;
            // Most names end here, without a call.
            match name.as_bytes().first() {
                Some(b'a') => {
                    look.has_authorization |= name == "authorization";
                    continue;
                }
                Some(b'c') if name.starts_with("content-") => {
                    look.has_content_length |= name == "content-length";
                    continue;
                }
                Some(b'h') if name == "host" => {
                    look.hosts += 1;
                    continue;
                }
                Some(b't') => match name {
                    "te" => look.has_te = true,
                    "traceparent" => look.has_traceparent = true,
                    "tracestate" => look.has_tracestate = true,
                    "transfer-encoding" => look.has_transfer_encoding = true,
                    _ => {}
                },
                Some(b'u') if name == "upgrade" => look.has_upgrade = true,
                Some(b'v') => {
                    look.has_via |= name == "via";
                    continue;
                }
                Some(b'c' | b'f' | b'h' | b'k' | b'p' | b'x') => {}
                _ => continue,
            }
            look.has_unwanted |= is_hop_by_hop(name) || is_spoofable(name);
        }
        look
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_seen() {
        let at = |name: &str| Look::at(&Request::get("/a?b").header(name, "xy").body(()).unwrap());
        let bytes = 3 + 4 + 4 + 2 + 4;
        assert_eq!(at("Host"), Look { bytes, hosts: 1, ..Look::default() });
        assert_eq!(at("Hosu"), Look { bytes, ..Look::default() });
        assert!(at("Content-Length").has_content_length);
        assert!(at("Authorization").has_authorization);
        assert!(at("Traceparent").has_traceparent);
        assert!(at("TraceState").has_tracestate);
        assert!(at("Via").has_via);
        let look = at("TE");
        assert!(look.has_te && look.has_unwanted);
        let look = at("Transfer-Encoding");
        assert!(look.has_transfer_encoding && look.has_unwanted);
        let look = at("Upgrade");
        assert!(look.has_upgrade && look.has_unwanted);
        let twice = Request::get("/").header("host", "a").header("Host", "b").body(()).unwrap();
        assert_eq!(Look::at(&twice).hosts, 2);
        for name in [
            "Connection",
            "Keep-Alive",
            "Proxy-Connection",
            "Proxy-Authorization",
            "HTTP2-Settings",
            "X-Forwarded-For",
            "X_Kidstamp-Kid",
            "x_real_ip",
            "Kidstamp-Kid",
            "Forwarded",
            "Client-Cert-Chain",
            "Content_Length",
            "Transfer_Encoding",
        ] {
            assert!(at(name).has_unwanted, "{name}");
        }
        assert!(!at("Via").has_unwanted && !at("Authorization").has_unwanted);
    }
}
