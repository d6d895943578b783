//! One look at the fields of a request's head, so that none has to be looked for that is not there.
//!
//! Nearly every request has few of the fields that matter here, and a look at each name costs less than a search for
//! each that might be there.

use super::headers::{is_hop_by_hop, is_spoofable};
use http::{HeaderMap, Request};

/// A colon, a space and the end of a line.
const AROUND: usize = 4;

/// What stands in the head of a request, as the client sent it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// About as many bytes as the head had on the wire.
    pub(super) bytes: usize,
    pub(super) has_authorization: bool,
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

    /// At the fields alone.
    pub(super) fn at_fields(headers: &HeaderMap) -> Self {
        let mut look = Self::default();
        for (name, value) in headers {
            let name = name.as_str();
            look.bytes += name.len() + value.len() + AROUND;
            match name {
                "authorization" => look.has_authorization = true,
                "te" => look.has_te = true,
                "traceparent" => look.has_traceparent = true,
                "tracestate" => look.has_tracestate = true,
                "transfer-encoding" => look.has_transfer_encoding = true,
                "upgrade" => look.has_upgrade = true,
                "via" => look.has_via = true,
                _ => {}
            }
            look.has_unwanted |= is_hop_by_hop(name) || is_spoofable(name);
        }
        look
    }
}

/// About as many bytes as fields had on the wire.
pub(super) fn bytes_of_fields(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + AROUND).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_seen() {
        let at = |name: &str| Look::at(&Request::get("/a?b").header(name, "xy").body(()).unwrap());
        let none = Look { bytes: 3 + 4 + 4 + 2 + 4, ..Look::default() };
        assert_eq!(at("Host"), none);
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
        for name in ["Connection", "X-Forwarded-For", "x_real_ip", "Kidstamp-Kid"] {
            assert!(at(name).has_unwanted, "{name}");
        }
        assert!(!at("Via").has_unwanted && !at("Authorization").has_unwanted);
    }
}
