//! Whom a token is for, by its own word: which client's settings are for it.
//!
//! Nobody has checked that word when it is read, and it grants nothing: the token is verified under the settings of that
//! client, and what is verified is the very payload that named it.

use super::response::UpstreamToken;
use crate::jose::CompactJws;
use crate::json::{Document, Limits, Value};

impl UpstreamToken<'_> {
    /// The client that the token was made for, if it is one that `is_known`.
    ///
    /// `azp` (OpenID Connect Core §2) and `client_id` (RFC 9068 §2.2) name one client, known or not. `aud` may
    /// hold several, and means a client only where just one of them is known.
    pub fn client(&self, is_known: impl Fn(&str) -> bool) -> Option<String> {
        let jws = CompactJws::parse(self.text()).ok()?;
        let claims = Document::parse_bytes(jws.payload(), Limits::TOKEN).ok()?;
        named_by(claims.root(), is_known)
    }
}

fn named_by(claims: Value<'_>, is_known: impl Fn(&str) -> bool) -> Option<String> {
    let party = ["azp", "client_id"].into_iter().find_map(|name| claims.get_str(name));
    if let Some(party) = party {
        return is_known(&party).then(|| party.into_owned());
    }
    let audience = claims.get("aud")?;
    let several = audience.elements().filter_map(|one| one.as_str());
    let mut known = audience.as_str().into_iter().chain(several).filter(|name| is_known(name));
    match (known.next(), known.next()) {
        (Some(client), None) => Some(client.into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_client() {
        let client = |claims: &str| {
            let document = Document::parse(claims, Limits::TOKEN).unwrap();
            named_by(document.root(), |name| ["a", "b"].contains(&name))
        };
        for (claims, expected) in [
            (r#"{"aud":"a"}"#, Some("a")),
            (r#"{"aud":["a"]}"#, Some("a")),
            (r#"{"aud":["x","b"]}"#, Some("b")),
            (r#"{"aud":["a","b"]}"#, None),
            (r#"{"aud":["a","b"],"azp":"b"}"#, Some("b")),
            (r#"{"aud":"a","azp":"x"}"#, None),
            (r#"{"aud":"a","azp":null}"#, Some("a")),
            (r#"{"aud":"https://api.test","client_id":"a"}"#, Some("a")),
            (r#"{"aud":7}"#, None),
            ("{}", None),
        ] {
            assert_eq!(client(claims).as_deref(), expected, "{claims}");
        }
    }
}
