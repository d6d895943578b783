//! PEM (RFC 7468): the public keys of keys and certificates.

use super::jwk::{Curve, PublicKey};
use super::sign::{KeyError, SigningKey};
use x509_cert::Certificate;
use x509_cert::der::asn1::UintRef;
use x509_cert::der::pem;
use x509_cert::der::{Decode as _, Reader as _, SliceReader};
use x509_cert::spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Why a PEM text gave no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// Not PEM at all.
    #[error("not a PEM text")]
    NotPem,
    /// A block of a kind that holds no key.
    #[error(
        "a PEM block \"{0}\" holds no key; expected PUBLIC KEY, RSA PUBLIC KEY, CERTIFICATE or a private key"
    )]
    Label(String),
    /// The block's bytes are not what its label says.
    #[error("the PEM block \"{0}\" can't be read")]
    Content(String),
    /// A private key that can't sign.
    #[error("the key in the PEM block \"{0}\" can't be used: {1}")]
    PrivateKey(String, KeyError),
    /// A key of a type that JOSE has no name for, or that this program does not know.
    #[error("the key in the PEM block \"{0}\" is not RSA, P-256, P-384, P-521 or Ed25519")]
    KeyType(String),
}

/// The public keys of every block of a PEM text, in order: public keys (SPKI or PKCS#1),
/// certificates, and the public halves of private keys.
pub fn public_keys_from_pem(text: &[u8]) -> Result<Vec<PublicKey>, PemError> {
    let text = std::str::from_utf8(text).map_err(|_| PemError::NotPem)?;
    let blocks: Vec<&str> =
        text.match_indices("-----BEGIN ").filter_map(|(at, _)| text.get(at..)).collect();
    if blocks.is_empty() {
        return Err(PemError::NotPem);
    }
    blocks.into_iter().map(public_key_of_block).collect()
}

/// Reads the one block that `text` begins with.
fn public_key_of_block(text: &str) -> Result<PublicKey, PemError> {
    let end = text.find("-----END ").and_then(|at| {
        let rest = text.get(at + 9..)?;
        Some(at + 9 + rest.find("-----")? + 5)
    });
    let block = text.get(..end.ok_or(PemError::NotPem)?).ok_or(PemError::NotPem)?;
    let label = pem::decode_label(block.as_bytes()).map_err(|_| PemError::NotPem)?.to_owned();
    if label.ends_with("PRIVATE KEY") {
        let key = SigningKey::from_file(block.as_bytes(), None)
            .map_err(|error| PemError::PrivateKey(label, error))?;
        return Ok(key.public().clone());
    }
    let (_, der) =
        pem::decode_vec(block.as_bytes()).map_err(|_| PemError::Content(label.clone()))?;
    match label.as_str() {
        "PUBLIC KEY" => public_key_of_spki(&der, label),
        "RSA PUBLIC KEY" => rsa_public_key(&der).ok_or(PemError::Content(label)),
        "CERTIFICATE" => public_key_of_certificate(&der, label),
        _ => Err(PemError::Label(label)),
    }
}

/// The public key of a certificate in DER, as `x5c` holds it (RFC 7517 §4.7).
pub fn public_key_from_certificate(der: &[u8]) -> Option<PublicKey> {
    public_key_of_certificate(der, String::new()).ok()
}

/// The public key of a SubjectPublicKeyInfo in DER (RFC 5280 §4.1).
pub fn public_key_from_spki(der: &[u8]) -> Option<PublicKey> {
    public_key_of_spki(der, String::new()).ok()
}

fn public_key_of_certificate(der: &[u8], label: String) -> Result<PublicKey, PemError> {
    let certificate = Certificate::from_der(der).map_err(|_| PemError::Content(label.clone()))?;
    let spki =
        x509_cert::der::Encode::to_der(certificate.tbs_certificate().subject_public_key_info());
    public_key_of_spki(&spki.map_err(|_| PemError::Content(label.clone()))?, label)
}

fn public_key_of_spki(der: &[u8], label: String) -> Result<PublicKey, PemError> {
    let spki =
        SubjectPublicKeyInfoRef::from_der(der).map_err(|_| PemError::Content(label.clone()))?;
    let bits = spki.subject_public_key.as_bytes().ok_or(PemError::Content(label.clone()))?;
    let key = match spki.algorithm.oid {
        RSA => rsa_public_key(bits),
        EC => {
            let curve = match spki.algorithm.parameters_oid() {
                Ok(P256) => Curve::P256,
                Ok(P384) => Curve::P384,
                Ok(P521) => Curve::P521,
                _ => return Err(PemError::KeyType(label)),
            };
            // An uncompressed point (SEC 1 §2.3.3): 4, x, y.
            bits.split_first()
                .filter(|(form, point)| **form == 4 && point.len() == 2 * curve.octets())
                .and_then(|(_, point)| point.split_at_checked(curve.octets()))
                .map(|(x, y)| PublicKey::Ec { curve, x: x.to_vec(), y: y.to_vec() })
        }
        ED25519 if bits.len() == 32 => {
            Some(PublicKey::Okp { curve: Curve::Ed25519, x: bits.to_vec() })
        }
        _ => return Err(PemError::KeyType(label)),
    };
    key.ok_or(PemError::Content(label))
}

/// `RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }` (RFC 8017 A.1.1)
fn rsa_public_key(der: &[u8]) -> Option<PublicKey> {
    let mut reader = SliceReader::new(der).ok()?;
    let (n, e) = reader
        .sequence(|sequence| {
            let n = UintRef::decode(sequence)?.as_bytes().to_vec();
            let e = UintRef::decode(sequence)?.as_bytes().to_vec();
            Ok::<_, x509_cert::der::Error>((n, e))
        })
        .ok()?;
    Some(PublicKey::Rsa { n, e })
}
