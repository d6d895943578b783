//! Which request this is, for the log, the provider and whoever reads an error (W3C Trace Context).
//!
//! A `traceparent` that is well-formed goes on as it came. Otherwise one is made; its trace ID names the request in
//! the log and in errors, and is written out only where somebody reads it.

use super::look::Look;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The identity of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trace {
    /// The client's own: the hexadecimal digits of its trace ID.
    Given([u8; 32]),
    /// Made here.
    Made {
        /// The two halves of the trace ID.
        id: [u64; 2],
        /// The parent ID.
        parent: u64,
    },
}

/// A source of identities, one a worker. They are unlikely to be equal, and no secret: for that, a mixed counter
/// that begins at random does, at a hundredth of what a cryptographic generator costs.
#[derive(Debug)]
pub(super) struct TraceIds([Cell<u64>; 2]);

impl TraceIds {
    pub(super) fn new() -> Self {
        // The system's randomness, as the standard library has it. That of the cryptographic library would be in
        // the way of the first request, since it takes its time when it is asked for the first time.
        let seed = || Cell::new(RandomState::new().build_hasher().finish());
        Self([seed(), seed()])
    }

    fn next(&self) -> Trace {
        let [first, second] = &self.0;
        let id = [next(first), next(second)];
        // No ID may be all zeros.
        Trace::Made { id, parent: next(first) | 1 }
    }
}

/// `SplitMix64`
fn next(state: &Cell<u64>) -> u64 {
    let new = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    state.set(new);
    let mixed = (new ^ (new >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Trace {
    /// The client's, or a new one.
    pub(super) fn of(headers: &HeaderMap, look: &Look, ids: &TraceIds) -> Self {
        let given = if look.has_traceparent { given(headers) } else { None };
        given.map_or_else(|| ids.next(), Self::Given)
    }

    /// Writes one that was made into the request; `tracestate` belonged to what was not understood (§3.3.1).
    pub(super) fn apply(&self, headers: &mut HeaderMap, look: &Look) {
        let Self::Made { id: [high, low], parent } = self else { return };
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
        for (place, number) in [(3, high), (19, low), (36, parent)] {
            if let Some(digits) = text.get_mut(place..place + 16) {
                digits.copy_from_slice(&hex(*number));
            }
        }
        // Sampled, as a request without the field is, unless the provider's own sampler decides.
        if let Ok(value) = HeaderValue::from_bytes(&text) {
            headers.insert(TRACEPARENT, value);
        }
        if look.has_tracestate {
            headers.remove(TRACESTATE);
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(digits) => f.write_str(std::str::from_utf8(digits).unwrap_or_default()),
            Self::Made { id: [high, low], .. } => write!(f, "{high:016x}{low:016x}"),
        }
    }
}

/// The sixteen digits of a number, all at once: this is done for each request.
fn hex(number: u64) -> [u8; 16] {
    let mut nibbles = [0; 16];
    for (pair, byte) in nibbles.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair.copy_from_slice(&[byte >> 4, byte & 0xf]);
    }
    nibbles.map(|nibble| nibble + if nibble < 10 { b'0' } else { b'a' - 10 })
}

/// The trace ID of a `traceparent` that stands once and is well-formed (§3.2.2), also of a later version.
fn given(headers: &HeaderMap) -> Option<[u8; 32]> {
    // Most requests have few fields: to compare their names costs less than the hash of this one.
    let mut fields = headers.iter().filter(|(name, _)| *name == TRACEPARENT);
    let (Some((_, value)), None) = (fields.next(), fields.next()) else { return None };
    let (version, rest) = value.as_bytes().split_at_checked(2)?;
    let (first, rest) = rest.split_first()?;
    let (id, rest) = rest.split_first_chunk::<32>()?;
    let (second, rest) = rest.split_first()?;
    let (parent, rest) = rest.split_at_checked(16)?;
    let (third, rest) = rest.split_first()?;
    let (flags, rest) = rest.split_at_checked(2)?;
    let is_hex = |text: &[u8]| text.iter().all(|sign| matches!(sign, b'0'..=b'9' | b'a'..=b'f'));
    let is_zero = |text: &[u8]| text.iter().all(|sign| *sign == b'0');
    let well_formed = [first, second, third].iter().all(|sign| **sign == b'-')
        && [version, id, parent, flags].into_iter().all(is_hex)
        && version != b"ff"
        && !is_zero(id)
        && !is_zero(parent)
        && (rest.is_empty() || (version != b"00" && rest.first() == Some(&b'-')));
    well_formed.then_some(*id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn with(values: &[&str]) -> Trace {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TRACEPARENT, HeaderValue::from_str(value).unwrap());
        }
        Trace::of(&headers, &Look::at_fields(&headers), &TraceIds::new())
    }

    #[test]
    fn what_is_well_formed_is_kept() {
        for good in [GOOD, "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes"] {
            assert_eq!(with(&[good]).to_string(), "0af7651916cd43dd8448eb211c80319c", "{good}");
        }
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
        ] {
            assert!(matches!(with(&[bad]), Trace::Made { .. }), "{bad}");
        }
        assert!(matches!(with(&[GOOD, GOOD]), Trace::Made { .. }));
    }

    #[test]
    fn what_is_made_is_well_formed_and_new() {
        let ids = TraceIds::new();
        let mut headers = HeaderMap::new();
        headers.insert(TRACESTATE, HeaderValue::from_static("a=b"));
        let look = Look::at_fields(&headers);
        let made = Trace::of(&headers, &look, &ids);
        made.apply(&mut headers, &look);
        assert_eq!(given(&headers).map(Trace::Given).unwrap().to_string(), made.to_string());
        assert!(!headers.contains_key(TRACESTATE));
        assert_ne!(ids.next().to_string(), made.to_string());
    }
}
