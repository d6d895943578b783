//! base64url without padding (RFC 7515 §2), read strictly.
//!
//! Unused bits must be zero (RFC 4648 §3.5): otherwise two texts would mean the same bytes, and what
//! kidstamp encodes again would not be what came in.

use base64::Engine;
use base64::engine::general_purpose;

/// What the processor has vectors for: a token is read and written several times faster.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn engine() -> &'static impl Engine {
    use base64::engine::Simd;
    use std::sync::LazyLock;
    static ENGINE: LazyLock<Simd> = LazyLock::new(|| Simd::url_safe(general_purpose::NO_PAD));
    &*ENGINE
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn engine() -> &'static impl Engine {
    &general_purpose::URL_SAFE_NO_PAD
}

/// `bytes` as base64url without padding.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    engine().encode(bytes)
}

/// Writes `bytes` as base64url without padding at the end of `text`.
pub fn encode_into(text: &mut String, bytes: impl AsRef<[u8]>) {
    engine().encode_string(bytes, text);
}

/// How many characters so many bytes become.
pub fn chars(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

/// The bytes of `text`; `None` if it is not base64url in its one canonical spelling.
pub fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    engine().decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    proptest! {
        /// However long a text is, and wherever in it something is wrong.
        #[test]
        fn what_is_read_has_one_spelling(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            at in any::<prop::sample::Index>(),
            other in any::<u8>(),
        ) {
            let mut text = encode(&bytes).into_bytes();
            prop_assert_eq!(decode(&text), Some(bytes.clone()));
            prop_assert_eq!(&text, &URL_SAFE_NO_PAD.encode(&bytes).into_bytes());
            if !text.is_empty() {
                let at = at.index(text.len());
                text[at] = other;
                prop_assert_eq!(&decode(&text), &URL_SAFE_NO_PAD.decode(&text).ok());
                if let Some(read) = decode(&text) {
                    prop_assert_eq!(encode(read).into_bytes(), text);
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_as_long_as_it_is_said_to_be() {
        for length in 0..100 {
            let bytes = vec![0xfb; length];
            let mut text = "a.".to_owned();
            encode_into(&mut text, &bytes);
            assert_eq!(text, format!("a.{}", encode(&bytes)));
            assert_eq!(text.len(), 2 + chars(length));
        }
    }

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
