//! The secret of one client, which its provider signs with where `alg` is an HMAC (OpenID Connect Core §10.1).
//!
//! A type of its own, which no JWK can become: a key that a set publishes must never be taken for a secret (RFC 8725
//! §2.1, §3.1).

use std::fmt;
use zeroize::Zeroizing;

/// A client's secret, as its octets; never shown, and wiped at its end.
pub struct ClientSecret(Zeroizing<Vec<u8>>);

impl ClientSecret {
    /// Takes the content of a file: all of it but the end of its last line. `None` if that leaves nothing.
    pub fn from_file(content: &[u8]) -> Option<Self> {
        let line = content.strip_suffix(b"\n").unwrap_or(content);
        let secret = line.strip_suffix(b"\r").unwrap_or(line);
        (!secret.is_empty()).then(|| Self(Zeroizing::new(secret.to_vec())))
    }

    /// The octets, for the one who verifies and signs with them.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_ends_with_a_line_or_without() {
        for content in ["s3cret\n", "s3cret\r\n", "s3cret"] {
            let secret = ClientSecret::from_file(content.as_bytes()).unwrap();
            assert_eq!(secret.octets(), b"s3cret");
        }
        let blanks = ClientSecret::from_file(b" a \n\n").unwrap();
        assert_eq!(blanks.octets(), b" a \n", "nothing but one end of a line is taken away");
        for empty in ["", "\n", "\r\n"] {
            assert!(ClientSecret::from_file(empty.as_bytes()).is_none());
        }
    }

    #[test]
    fn it_is_never_shown() {
        let secret = ClientSecret::from_file(b"hunter2").unwrap();
        assert_eq!(format!("{secret:?}"), "ClientSecret(..)");
    }
}
