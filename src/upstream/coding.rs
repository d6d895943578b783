//! Content codings (RFC 9110 §8.4.1) of documents and responses that are to be read.
//!
//! Nobody asks for them: kidstamp asks for `identity`. Some servers and proxies compress all the same, and a relying
//! party that did not ask either can't read what comes. What is decoded here is hostile until proven otherwise, so
//! the result is bounded, and so is how much it may grow: ten kilobytes can hold ten megabytes of zeros.

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::header::{CONTENT_ENCODING, HeaderMap};
use std::io::Read;

/// How much may come out.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes, all in all.
    pub bytes: usize,
    /// Bytes for each that went in, beyond the first few.
    pub ratio: usize,
}

/// Output up to this size is not compared with what went in: tiny texts may well repeat themselves.
const SMALL: usize = 16 << 10;

/// Why a body can't be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    /// Something else than gzip or deflate, or several codings one upon the other.
    #[error("Content-Encoding {0:?} is not gzip or deflate")]
    Unknown(String),
    /// It ends too soon, or is no such thing.
    #[error("the body is not the {0} that Content-Encoding says")]
    Broken(&'static str),
    /// It would be too large.
    #[error("the body is larger than {0} bytes when it is decompressed")]
    TooLarge(usize),
    /// It grows as only a bomb does.
    #[error("the body grows to more than {0} times its size when it is decompressed")]
    Ratio(usize),
}

/// A coding that can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }
}

/// The coding of a body; `None` if there is none.
fn coding_of(headers: &HeaderMap) -> Result<Option<Coding>, CodingError> {
    let mut fields = headers.get_all(CONTENT_ENCODING).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    let text = String::from_utf8_lossy(field.as_bytes());
    if fields.next().is_some() {
        return Err(CodingError::Unknown(format!("{text}, …")));
    }
    match text.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(None),
        "gzip" | "x-gzip" => Ok(Some(Coding::Gzip)),
        "deflate" => Ok(Some(Coding::Deflate)),
        _ => Err(CodingError::Unknown(text.into_owned())),
    }
}

/// True if `decode` would have something to do, and could.
pub fn check_coding(headers: &HeaderMap) -> Result<bool, CodingError> {
    coding_of(headers).map(|coding| coding.is_some())
}

/// The body without its coding; as it is, if it has none.
pub fn decode(headers: &HeaderMap, body: Bytes, bounds: Bounds) -> Result<Bytes, CodingError> {
    let Some(coding) = coding_of(headers)? else { return Ok(body) };
    let decoded = match coding {
        Coding::Gzip => bounded(MultiGzDecoder::new(&*body), body.len(), bounds, coding),
        // Some servers leave the wrapping out that RFC 9110 §8.4.1.2 asks for.
        Coding::Deflate => match bounded(ZlibDecoder::new(&*body), body.len(), bounds, coding) {
            Err(CodingError::Broken(_)) => {
                bounded(DeflateDecoder::new(&*body), body.len(), bounds, coding)
            }
            decoded => decoded,
        },
    };
    decoded.map(Bytes::from)
}

fn bounded(
    decoder: impl Read,
    input: usize,
    bounds: Bounds,
    coding: Coding,
) -> Result<Vec<u8>, CodingError> {
    let growth = input.saturating_mul(bounds.ratio).max(SMALL);
    let limit = growth.min(bounds.bytes);
    let mut output = Vec::new();
    // One byte more than may be tells that there is more.
    let mut decoder = decoder.take(limit as u64 + 1);
    decoder.read_to_end(&mut output).map_err(|_| CodingError::Broken(coding.name()))?;
    if output.len() <= limit {
        Ok(output)
    } else if limit < bounds.bytes {
        Err(CodingError::Ratio(bounds.ratio))
    } else {
        Err(CodingError::TooLarge(bounds.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::header::HeaderValue;
    use std::io::Write as _;

    const BOUNDS: Bounds = Bounds { bytes: 1 << 20, ratio: 100 };

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(coding: &str, body: &[u8]) -> Result<Bytes, CodingError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_str(coding).unwrap());
        decode(&headers, Bytes::copy_from_slice(body), BOUNDS)
    }

    #[test]
    fn what_is_compressed_can_be_read() {
        let text = br#"{"keys":[]}"#;
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(text).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(text).unwrap();
        for (coding, body) in [
            ("gzip", gzip(text)),
            ("X-GZip", gzip(text)),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", raw.finish().unwrap()),
            ("identity", text.to_vec()),
            ("", text.to_vec()),
            ("gzip", [gzip(&text[..4]), gzip(&text[4..])].concat()),
        ] {
            assert_eq!(decoded(coding, &body).unwrap(), &text[..], "{coding}");
        }
        assert_eq!(decode(&HeaderMap::new(), Bytes::from_static(text), BOUNDS).unwrap(), &text[..]);
    }

    #[test]
    fn threat_29_no_bomb_goes_off() {
        let bomb = gzip(&vec![b' '; 10 << 20]);
        assert!(bomb.len() < 12_000, "ten megabytes in {} bytes", bomb.len());
        assert_eq!(decoded("gzip", &bomb), Err(CodingError::Ratio(100)));
        // Random digits grow to a bit over twice their size: the bound is that on bytes.
        let mut state = 1_u32;
        let digits: Vec<u8> = (0..2 << 20)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                b'0' + (state >> 24) as u8 % 10
            })
            .collect();
        assert_eq!(decoded("gzip", &gzip(&digits)), Err(CodingError::TooLarge(1 << 20)));
        // One inside the other: what comes out of the first is no document.
        let twice = gzip(&gzip(br#"{"keys":[]}"#));
        assert!(decoded("gzip", &twice).unwrap().starts_with(&[0x1f, 0x8b]));
        for nested in ["gzip, gzip", "br", "gzip;q=1", "compress", "zstd"] {
            assert!(matches!(decoded(nested, &twice), Err(CodingError::Unknown(_))), "{nested}");
        }
        let mut two_fields = HeaderMap::new();
        two_fields.append(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        two_fields.append(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(decode(&two_fields, Bytes::from(twice), BOUNDS).is_err());
    }

    #[test]
    fn threat_29_what_is_cut_off_or_changed_is_no_document() {
        let whole = gzip(br#"{"keys":[{"kty":"RSA","n":"x","e":"AQAB"}]}"#);
        for end in 0..whole.len() {
            let cut = decoded("gzip", &whole[..end]);
            assert!(cut.is_err() || end == 0, "{end}: {cut:?}");
        }
        let mut changed = whole.clone();
        let last = changed.len() - 6;
        changed[last] ^= 1;
        assert_eq!(decoded("gzip", &changed), Err(CodingError::Broken("gzip")));
        assert_eq!(decoded("deflate", b"no such thing"), Err(CodingError::Broken("deflate")));
    }

    #[test]
    fn small_texts_may_repeat_themselves() {
        let text = vec![b'a'; SMALL];
        assert_eq!(decoded("gzip", &gzip(&text)).unwrap().len(), SMALL);
    }
}
