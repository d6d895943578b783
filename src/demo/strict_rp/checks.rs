//! What the relying party demands of a key set and of an ID token.

use super::RpError;
use crate::jose::{CompactJws, PublicKey, VerificationKey};
use crate::json::{Document, Kind, Limits, Value};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The algorithm that the client is registered for (`id_token_signed_response_alg`).
const ALGORITHM: &str = "RS256";

/// The keys of a set in which every key names itself.
pub(super) struct KeySet(Vec<Key>);

struct Key {
    kid: String,
    alg: Option<String>,
    /// `None` for keys that can't verify signatures: they are in nobody's way.
    key: Option<VerificationKey>,
}

/// What an ID token says, as far as it is looked at. `sub` has to be there.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    pub(super) sub: String,
    aud: Audience,
    exp: i64,
    nonce: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

/// What an ID token has to say (OpenID Connect Core §3.1.3.7).
pub(super) struct Expected<'e> {
    pub(super) issuer: &'e str,
    pub(super) client_id: &'e str,
    pub(super) nonce: &'e str,
    pub(super) now: i64,
}

impl KeySet {
    /// Reads a JWKS. One key without a string `kid` and `kty` and the set is refused, as EspoCRM does.
    pub(super) fn parse(text: &str) -> Result<Self, RpError> {
        let unusable = |why: String| RpError::Document { what: "The key set", why };
        let document =
            Document::parse(text, Limits::DOCUMENT).map_err(|error| unusable(error.to_string()))?;
        let keys = document.root().get("keys").filter(|keys| keys.kind() == Kind::Array);
        let keys: Vec<_> = match keys {
            Some(keys) => keys.elements().collect(),
            None => return Err(unusable("there is no array \"keys\"".to_owned())),
        };
        let count = keys.len();
        let keys =
            keys.into_iter().enumerate().map(|(index, jwk)| Key::read(jwk, index + 1, count));
        keys.collect::<Result<_, _>>().map(Self)
    }

    /// The claims of an ID token that is what it has to be.
    pub(super) fn verify(&self, token: &str, expected: &Expected<'_>) -> Result<Claims, RpError> {
        let jws = CompactJws::parse(token).map_err(RpError::Token)?;
        let header: Header = read("The ID token's header", jws.header_json().as_bytes())?;
        if header.alg != ALGORITHM {
            return Err(RpError::Algorithm(header.alg));
        }
        let kid = jws.header().kid.text();
        let kid = kid.ok_or_else(|| RpError::NoSuchKey("the token names no key".to_owned()))?;
        let key = self.0.iter().find(|key| key.kid == kid).ok_or_else(|| {
            RpError::NoSuchKey(format!("key {kid} of the token is not in the key set"))
        })?;
        if let Some(alg) = key.alg.as_ref().filter(|alg| *alg != ALGORITHM) {
            return Err(RpError::Algorithm(alg.clone()));
        }
        if !key.key.as_ref().is_some_and(|key| key.verifies(&jws)) {
            return Err(RpError::Signature);
        }
        let claims: Claims = read("The ID token's payload", jws.payload())?;
        expected.check(&claims)?;
        Ok(claims)
    }
}

impl Key {
    fn read(jwk: Value<'_>, position: usize, count: usize) -> Result<Self, RpError> {
        let text = |member| {
            let text = jwk.get_str(member).filter(|text| !text.is_empty());
            text.ok_or(RpError::BadJwk { position, count, member })
        };
        text("kty")?;
        let kid = text("kid")?.into_owned();
        let public = PublicKey::from_jwk(jwk).ok();
        Ok(Self {
            kid,
            alg: jwk.get_str("alg").map(std::borrow::Cow::into_owned),
            key: public.and_then(|public| VerificationKey::new(public).ok()),
        })
    }
}

impl Expected<'_> {
    fn check(&self, claims: &Claims) -> Result<(), RpError> {
        let equal = |claim, expected: &str, found: &str| match found == expected {
            true => Ok(()),
            false => Err(RpError::Claim {
                claim,
                expected: expected.to_owned(),
                found: found.to_owned(),
            }),
        };
        equal("iss", self.issuer, &claims.iss)?;
        // Other audiences would need `azp`, which is not asked for here.
        match &claims.aud {
            Audience::One(aud) => equal("aud", self.client_id, aud)?,
            Audience::Many(list) => equal("aud", self.client_id, &list.join(" "))?,
        }
        equal("nonce", self.nonce, claims.nonce.as_deref().unwrap_or_default())?;
        if claims.exp <= self.now { Err(RpError::Expired) } else { Ok(()) }
    }
}

fn read<T: DeserializeOwned>(what: &'static str, json: &[u8]) -> Result<T, RpError> {
    serde_json::from_slice(json).map_err(|error| RpError::Document { what, why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{Alg, SigningKey, base64url};

    fn refusal(text: &str) -> RpError {
        KeySet::parse(text).err().unwrap()
    }

    #[test]
    fn one_key_without_a_name_spoils_the_set() {
        let espocrm = "Bad JWK value: key 1 of 1 has no kid.";
        let set = include_str!("../../../tests/fixtures/jwks/pocket-id-0.8.0.json");
        assert_eq!(refusal(set).to_string(), espocrm);
        for kid in ["", r#","kid":null"#, r#","kid":7"#, r#","kid":"""#] {
            let set = format!(r#"{{"keys":[{{"kty":"RSA","kid":"a"}},{{"kty":"EC"{kid}}}]}}"#);
            let bad = RpError::BadJwk { position: 2, count: 2, member: "kid" };
            assert_eq!(refusal(&set), bad, "{set}");
        }
        let bad = RpError::BadJwk { position: 1, count: 1, member: "kty" };
        assert_eq!(refusal(r#"{"keys":[{"kid":"a"}]}"#), bad);
        assert!(KeySet::parse(r#"{"keys":[{"kty":"unknown","kid":"a"}]}"#).is_ok());
    }

    #[test]
    fn what_is_no_key_set_is_said_to_be_none() {
        for text in ["", "<html>", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
            assert!(matches!(refusal(text), RpError::Document { .. }), "{text}");
        }
    }

    #[test]
    fn a_token_has_to_name_a_key_of_the_set() {
        let key = SigningKey::generate(Alg::Rs256).unwrap();
        let set = format!(r#"{{"keys":[{}]}}"#, key.public_jwk());
        let kid = key.kid();
        let claims = r#"{"iss":"i","aud":["c"],"sub":"s","nonce":"n","exp":11}"#;
        let refused = |set: &str, header: &str, claims: &str| {
            let (header, claims) = (base64url::encode(header), base64url::encode(claims));
            let input = format!("{header}.{claims}");
            let signature = base64url::encode(key.sign(input.as_bytes()).unwrap());
            let expected = Expected { issuer: "i", client_id: "c", nonce: "n", now: 10 };
            let verified =
                KeySet::parse(set).unwrap().verify(&format!("{input}.{signature}"), &expected);
            verified.err().map(|error| error.to_string()).unwrap_or_default()
        };
        let named = format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#);
        assert_eq!(refused(&set, &named, claims), "");
        for (header, error) in [
            (r#"{"alg":"RS256"}"#, "JWT signature not verified: the token names no key."),
            (r#"{"alg":"RS256","kid":""}"#, "JWT signature not verified: the token names no key."),
            (r#"{"alg":"RS256","kid":"b"}"#, "JWT signature not verified: key b of the token"),
            (r#"{"alg":"none"}"#, "JWT signing algorithm `none` not allowed."),
            (r#"{"alg":"HS256"}"#, "JWT signing algorithm `HS256` not allowed."),
            ("{}", "The ID token's header is not usable: missing field `alg`"),
        ] {
            let refused = refused(&set, header, claims);
            assert!(refused.starts_with(error), "{header}: {refused}");
        }
        let of_another_alg = set.replace("RS256", "PS256");
        let error = "JWT signing algorithm `PS256` not allowed.";
        assert_eq!(refused(&of_another_alg, &named, claims), error);
        let unusable = set.replace("\"n\":\"", "\"n\":\"AA");
        assert_eq!(refused(&unusable, &named, claims), "JWT signature not verified.");
        for (claims, error) in [
            (r#"{}"#.to_owned(), "The ID token's payload is not usable: missing field `iss`"),
            (claims.replace(r#"["c"]"#, r#"["c","d"]"#), r#"The ID token's `aud` is "c d""#),
            (claims.replace(r#","nonce":"n""#, ""), r#"The ID token's `nonce` is """#),
            (claims.replace("11", "10"), "The ID token has expired."),
        ] {
            let refused = refused(&set, &named, &claims);
            assert!(refused.starts_with(error), "{claims}: {refused}");
        }
    }
}
