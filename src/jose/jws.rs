//! Compact JWS (RFC 7515 §7.1): taken apart strictly, nothing verified yet.

use super::alg::Alg;
use super::base64url;
use super::mac::Mac;
use crate::json::{Document, Kind, Limits, ParseError, Value};
use memchr::memchr_iter;
use std::fmt;

/// A compact JWS whose three segments are canonical base64url and whose header is a JSON object.
///
/// The segments stay beside what they decode to: restore needs them to the letter.
pub struct CompactJws<'t> {
    text: &'t str,
    header_end: usize,
    payload_end: usize,
    header_document: Document<'static>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    header: ProtectedHeader,
}

/// Without the token.
impl fmt::Debug for CompactJws<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CompactJws").field("header", &self.header).finish_non_exhaustive()
    }
}

/// What a protected header says, as far as it decides anything (RFC 7515 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedHeader {
    /// The algorithm, if it is one that this program verifies.
    pub alg: Option<Alg>,
    /// The algorithm, if it is an HMAC.
    pub mac: Option<Mac>,
    /// The key ID.
    pub kid: Kid,
    /// `typ`, in lower case without an `application/` in front (RFC 7515 §4.1.9).
    pub typ: Option<String>,
    /// A member whose meaning changes how the token must be read: `crit`, `b64`, `cty` or `zip`.
    pub extension: Option<&'static str>,
}

/// What stands in `kid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kid {
    /// No `kid` member.
    Missing,
    /// A string with at least one character.
    Text(String),
    /// `""`, `null` or not a string: strict relying parties refuse it.
    Unusable,
}

impl Kid {
    /// Reads the member `kid` of a header or a JWK.
    pub fn of(object: Value<'_>) -> Self {
        match object.get("kid").map(|kid| kid.as_str()) {
            None => Self::Missing,
            Some(Some(text)) if !text.is_empty() => Self::Text(text.into_owned()),
            Some(_) => Self::Unusable,
        }
    }

    /// The key ID where it is usable.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Why a text is not a compact JWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Longer than a token may be.
    #[error("longer than {} bytes", CompactJws::MAX_BYTES)]
    TooLong,
    /// Five segments: encrypted (RFC 7516 §7.1).
    #[error("an encrypted token (JWE)")]
    Encrypted,
    /// Not three segments.
    #[error("not three segments with dots between them")]
    Segments,
    /// A segment is not canonical base64url.
    #[error("the {0} segment is not base64url without padding")]
    NotBase64Url(&'static str),
    /// The protected header is not a JSON object.
    #[error("the protected header is not a JSON object: {0}")]
    Header(ParseError),
    /// The protected header is JSON, but not an object.
    #[error("the protected header is not a JSON object")]
    HeaderNotObject,
}

impl<'t> CompactJws<'t> {
    /// Longest token that is looked at, in bytes.
    pub const MAX_BYTES: usize = 64 << 10;

    /// Takes `text` apart.
    pub fn parse(text: &'t str) -> Result<Self, JwsError> {
        if text.len() > Self::MAX_BYTES {
            return Err(JwsError::TooLong);
        }
        let mut dots = memchr_iter(b'.', text.as_bytes());
        let (Some(header_end), Some(payload_end)) = (dots.next(), dots.next()) else {
            return Err(JwsError::Segments);
        };
        match dots.count() {
            0 => {}
            2 => return Err(JwsError::Encrypted),
            _ => return Err(JwsError::Segments),
        }
        let segment = |range| text.get(range).unwrap_or_default();
        let (header, payload) = (segment(0..header_end), segment(header_end + 1..payload_end));
        let signature = segment(payload_end + 1..text.len());
        let decode =
            |segment: &str, name| base64url::decode(segment).ok_or(JwsError::NotBase64Url(name));
        let header_document = Document::parse_owned(decode(header, "header")?, Limits::TOKEN)
            .map_err(JwsError::Header)?;
        if header_document.root().kind() != Kind::Object {
            return Err(JwsError::HeaderNotObject);
        }
        Ok(Self {
            text,
            header_end,
            payload_end,
            payload: decode(payload, "payload")?,
            signature: decode(signature, "signature")?,
            header: ProtectedHeader::of(header_document.root()),
            header_document,
        })
    }

    /// The whole token.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// The first segment, still encoded.
    pub fn header_segment(&self) -> &'t str {
        self.text.get(..self.header_end).unwrap_or_default()
    }

    /// The third segment, still encoded.
    pub fn signature_segment(&self) -> &'t str {
        self.text.get(self.payload_end + 1..).unwrap_or_default()
    }

    /// What the signature is over (RFC 7515 §5.1 (8)).
    pub fn signing_input(&self) -> &'t [u8] {
        self.text.as_bytes().get(..self.payload_end).unwrap_or_default()
    }

    /// The protected header as JSON text.
    pub fn header_json(&self) -> &str {
        self.header_document.text()
    }

    /// The protected header as it was read: an object.
    pub fn header_document(&self) -> &Document<'static> {
        &self.header_document
    }

    /// What the protected header says.
    pub fn header(&self) -> &ProtectedHeader {
        &self.header
    }

    /// The payload's octets.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signature's octets.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }
}

impl ProtectedHeader {
    fn of(header: Value<'_>) -> Self {
        // A `typ` that is no string is one that nobody knows, not a missing one.
        let typ = header.get("typ").map(|typ| {
            let mut typ = typ.as_str().unwrap_or_default().into_owned();
            typ.make_ascii_lowercase();
            typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ)
        });
        let alg = header.get_str("alg");
        Self {
            alg: alg.as_deref().and_then(Alg::from_name),
            mac: alg.as_deref().and_then(Mac::from_name),
            kid: Kid::of(header),
            typ,
            extension: ["crit", "b64", "cty", "zip"]
                .into_iter()
                .find(|name| header.get(name).is_some()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str) -> String {
        format!("{}.e30.", base64url::encode(header))
    }

    #[test]
    fn segments_are_counted_and_kept() {
        let text = token(r#"{"alg":"RS256","kid":"k","typ":"application/JWT"}"#);
        let jws = CompactJws::parse(&text).unwrap();
        assert_eq!(jws.payload(), b"{}");
        assert_eq!(jws.signature_segment(), "");
        assert_eq!(jws.signing_input(), &text.as_bytes()[..text.len() - 1]);
        let header = jws.header();
        assert_eq!(header.alg, Some(Alg::Rs256));
        assert_eq!(header.kid.text(), Some("k"));
        assert_eq!(header.typ.as_deref(), Some("jwt"));
        for (text, error) in [
            ("", JwsError::Segments),
            ("e30.e30", JwsError::Segments),
            ("e30.e30.a.b", JwsError::Segments),
            ("e30.e30.a.b.c", JwsError::Encrypted),
            ("e30=.e30.", JwsError::NotBase64Url("header")),
            ("e30.e31.", JwsError::NotBase64Url("payload")),
            ("e30.e30.!", JwsError::NotBase64Url("signature")),
            ("W10.e30.", JwsError::HeaderNotObject),
        ] {
            assert_eq!(CompactJws::parse(text).unwrap_err(), error, "{text}");
        }
        assert_eq!(CompactJws::parse(&"a".repeat(70_000)).unwrap_err(), JwsError::TooLong);
    }

    #[test]
    fn a_kid_is_a_string_with_something_in_it() {
        for (header, kid) in [
            (r#"{}"#, Kid::Missing),
            (r#"{"kid":""}"#, Kid::Unusable),
            (r#"{"kid":null}"#, Kid::Unusable),
            (r#"{"kid":1}"#, Kid::Unusable),
            (r#"{"kid":"1"}"#, Kid::Text("1".to_owned())),
        ] {
            let text = token(header);
            assert_eq!(CompactJws::parse(&text).unwrap().header().kid, kid, "{header}");
        }
    }
}
