//! base64url without padding (RFC 7515 §2), read strictly.
//!
//! Unused bits must be zero (RFC 4648 §3.5): otherwise two texts would mean the same bytes, and what
//! kidstamp encodes again would not be what came in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `bytes` as base64url without padding.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of `text`; `None` if it is not base64url in its one canonical spelling.
pub fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_read() {
        assert_eq!(decode("AQAB"), Some(vec![1, 0, 1]));
        assert_eq!(decode(""), Some(vec![]));
        assert_eq!(decode("_-8"), Some(vec![0xff, 0xef]));
        for text in ["AQ==", "/+8", "AR", "A", "AQ\n", "A Q"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
