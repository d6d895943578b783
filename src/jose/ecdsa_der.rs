//! ECDSA signatures in the form of X9.62, `SEQUENCE { r INTEGER, s INTEGER }` in DER, where JOSE wants the two numbers
//! side by side (RFC 7518 §3.4). Some providers hand on what their cryptographic library gives them.

use super::jwk::Curve;
use x509_cert::der::asn1::UintRef;
use x509_cert::der::{Decode as _, Reader as _, SliceReader};

/// The JOSE form of `signature`; `None` unless it is strict DER (X.690 §10) of two numbers that fit the curve.
pub(super) fn to_jose(curve: Curve, signature: &[u8]) -> Option<Vec<u8>> {
    let octets = curve.octets();
    let mut reader = SliceReader::new(signature).ok()?;
    let jose = reader
        .sequence(|sequence| {
            let r = UintRef::decode(sequence)?;
            let s = UintRef::decode(sequence)?;
            Ok::<_, x509_cert::der::Error>(
                side(r.as_bytes(), octets).zip(side(s.as_bytes(), octets)),
            )
        })
        .ok()?;
    reader.finish().ok()?;
    jose.map(|(r, s)| [r, s].concat())
}

/// A number in the full length of the curve.
fn side(number: &[u8], octets: usize) -> Option<Vec<u8>> {
    let mut side = vec![0; octets.checked_sub(number.len())?];
    side.extend_from_slice(number);
    Some(side)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks(2).map(|pair| pair.iter().fold(0, |sum, digit| sum * 16 + digit)).collect()
    }

    #[test]
    fn only_strict_der_is_read() {
        let jose = to_jose(Curve::P256, &hex("3007 0202 00ff 0201 05")).unwrap();
        assert_eq!((jose.len(), jose[31], jose[63]), (64, 0xff, 5));
        assert_eq!(jose.iter().filter(|octet| **octet != 0).count(), 2);
        for der in [
            "",
            "30",
            "3000",
            "3006 0201 05",
            "3003 0201 05",
            // Something after it, inside or outside.
            "3006 0201 05 0201 05 00",
            "3007 0201 05 0201 05 00",
            "3009 0201 05 0201 05 0201 05",
            // A length in the long form, or without end.
            "3081 06 0201 05 0201 05",
            "3007 0281 01 05 0201 05",
            "3080 0201 05 0201 05 0000",
            // A leading zero too many, a negative number, none at all.
            "3007 0202 0005 0201 05",
            "3006 0201 85 0201 05",
            "3005 0200 0201 05",
            // Other types.
            "3106 0201 05 0201 05",
            "3006 0301 05 0201 05",
        ] {
            assert_eq!(to_jose(Curve::P256, &hex(der)), None, "{der}");
        }
        let long = |octets: usize| {
            let number = [&[2, octets as u8, 1][..], &vec![7; octets - 1]].concat();
            [&[0x30, number.len() as u8 + 3][..], &number, &[2, 1, 5]].concat()
        };
        assert!(to_jose(Curve::P256, &long(32)).is_some());
        assert_eq!(to_jose(Curve::P256, &long(33)), None);
        assert!(to_jose(Curve::P384, &long(33)).is_some());
        assert!(to_jose(Curve::P521, &long(66)).is_some());
        assert_eq!(to_jose(Curve::P521, &long(67)), None);
    }
}
