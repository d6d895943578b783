//! `keys` is an object instead of an array.
//!
//! PHP writes an array with holes as an object (`{"keys":{"1":{…}}}`); others write a single key there, or a map
//! from key ID to key. 52 of 53 relying parties refuse it: "json: cannot unmarshal object into Go struct field
//! JSONWebKeySet.keys of type []jose.JSONWebKey", "jwks must be a JSON Web Key Set formatted object".
//!
//! **What is changed:** the keys become the elements of an array, in the order in which they stand. The
//! names that they had are left out; a key ID is never taken from them.

use super::shape::{Reshape, escaped, insert, looks_like_a_key};
use crate::json::{Kind, Splice, Value};
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/keys-not-array",
    summary: "keys is an object instead of an array",
    reference: "RFC 7517 section 5.1",
    default: Setting::Repair,
    fixed: false,
    answers: &["keys-object"],
};

pub(super) fn look(root: Value<'_>) -> Option<Reshape> {
    let keys = root.get("keys").filter(|keys| keys.kind() == Kind::Object)?;
    if keys.has_own_duplicates() {
        return None;
    }
    let span = keys.span();
    let pointer = "/keys".to_owned();
    if looks_like_a_key(keys) {
        return Some(Reshape {
            detail: "one key".to_owned(),
            splices: vec![insert(span.start, "["), insert(span.end, "]")],
            origins: vec![pointer.clone()],
            pointer,
        });
    }
    if !keys.members().any(looks_like_a_key) {
        return None;
    }
    let replace = |span, text: &str| Splice { span, text: text.to_owned() };
    let mut splices = vec![replace(span.start..span.start + 1, "[")];
    splices
        .extend(keys.members().map(|key| replace(key.member_span().start..key.span().start, "")));
    splices.push(replace(span.end.saturating_sub(1)..span.end, "]"));
    Some(Reshape {
        detail: "an object".to_owned(),
        splices,
        origins: keys.members().map(|key| format!("/keys/{}", escaped(&key.name()))).collect(),
        pointer,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{reshaped, unshaped};
    use super::RULE;

    #[test]
    fn fixtures() {
        reshaped(
            &RULE,
            r#"{"keys": {"1": {"kty":"X"}, "a/b" : {"kty":"Y"} }, "a":1}"#,
            r#"{"keys": [{"kty":"X"}, {"kty":"Y"} ], "a":1}"#,
            &["/keys/1", "/keys/a~1b"],
        );
        reshaped(&RULE, r#"{"keys":{"kty":"X"}}"#, r#"{"keys":[{"kty":"X"}]}"#, &["/keys"]);
        unshaped(r#"{"keys":{}}"#);
        unshaped(r#"{"keys":{"1":{"kty":"X"},"1":{"kty":"Y"}}}"#);
        unshaped(r#"{"keys":{"1":"kty"}}"#);
    }
}
