//! JWK thumbprints (RFC 7638; RFC 8037 §2 for OKP keys).

use super::base64url;
use super::jwk::PublicKey;
use crate::json::{self, Kind, Value};
use aws_lc_rs::digest;

/// The base64url SHA-256 thumbprint of a public key: 43 characters, never cut short.
pub fn of(key: &PublicKey) -> String {
    let members = key.required_members();
    of_members(members.iter().map(|(name, value)| (*name, value.as_str())))
}

/// The thumbprint of a symmetric key (RFC 7638 §3.2: `k` and `kty`); `None` for other keys. It names the key
/// without giving it away only if the key is long and random (RFC 7638 §7).
pub fn of_symmetric(jwk: Value<'_>) -> Option<String> {
    let kty = jwk.get_str("kty").filter(|kty| kty == "oct")?;
    let k = jwk.get_str("k").filter(|k| base64url::decode(&**k).is_some_and(|k| !k.is_empty()))?;
    Some(of_members([("k", &*k), ("kty", &*kty)].into_iter()))
}

/// The thumbprint of a key whose type kidstamp does not know, so that it can be told from others:
/// over all of its members but those that describe rather than are the key (RFC 7517 §4.2 to §4.9).
/// `None` if no such member is a string.
pub fn of_unknown(jwk: Value<'_>) -> Option<String> {
    const DESCRIBING: [&str; 9] =
        ["kid", "use", "key_ops", "alg", "x5u", "x5c", "x5t", "x5t#S256", "ext"];
    let being = || jwk.members().filter(|member| !DESCRIBING.contains(&&*member.name()));
    if !being().any(|member| member.kind() == Kind::String) {
        return None;
    }
    let json =
        |value: Value<'_>| value.as_str().map_or(value.raw().to_owned(), |text| json::quote(&text));
    let mut members: Vec<_> = being().map(|member| (member.name(), json(member))).collect();
    members.sort();
    Some(of_json(members.iter().map(|(name, value)| (&**name, value.clone()))))
}

/// RFC 7638 §3: the required members in lexicographic order, no blanks, hashed. The caller sorts.
fn of_members<'m>(members: impl Iterator<Item = (&'m str, &'m str)>) -> String {
    of_json(members.map(|(name, value)| (name, json::quote(value))))
}

fn of_json<'m>(members: impl Iterator<Item = (&'m str, String)>) -> String {
    let members: Vec<String> =
        members.map(|(name, value)| format!("{}:{value}", json::quote(name))).collect();
    let canonical = format!("{{{}}}", members.join(","));
    base64url::encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
}
