//! The key set is an array of keys, without the object around it.
//!
//! RFC 7517 §5 wants an object with a member `keys`. 50 of 53 relying parties refuse the array: "json: cannot
//! unmarshal array into Go value of type jose.JSONWebKeySet", "No JWKS found in the response", "JSON Web Key Set
//! malformed", "list indices must be integers or slices, not str".
//!
//! **What is changed:** the array becomes the member `keys` of an object.

use super::shape::{Reshape, insert, looks_like_a_key};
use crate::json::{Kind, Value};
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/bare-array",
    summary: "the key set is an array of keys without the object around it",
    reference: "RFC 7517 section 5",
    default: Setting::Repair,
    fixed: false,
    answers: &["bare-array"],
};

pub(super) fn look(root: Value<'_>) -> Option<Reshape> {
    if root.kind() != Kind::Array || !root.elements().any(looks_like_a_key) {
        return None;
    }
    let span = root.span();
    Some(Reshape {
        pointer: String::new(),
        detail: "an array".to_owned(),
        splices: vec![insert(span.start, "{\"keys\":"), insert(span.end, "}")],
        origins: (0..root.elements().count()).map(|index| format!("/{index}")).collect(),
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
            "[ {\"kty\":\"X\"}, null ]\n",
            "{\"keys\":[ {\"kty\":\"X\"}, null ]}\n",
            &["/0", "/1"],
        );
        unshaped("[]");
        unshaped(r#"["kty", {"error":"n"}, [{"kty":"RSA"}]]"#);
    }
}
