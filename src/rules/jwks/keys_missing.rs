//! The document is an empty object instead of a set, since the provider signs with the secrets of its clients.
//!
//! authentik answers `{}` where no signing key is set, and signs with HMACs. A relying party that asks for a set then says: "JWKS
//! URL dont provide data".
//!
//! **What is changed,** where a `[[client]]` has a `secret_file`: the document becomes `{"keys":[]}`, to which the bridge keys are
//! added. Without such a client it stays refused, since a set without keys is a fault of the provider's as a rule.

use super::shape::Reshape;
use crate::json::{Kind, Splice, Value};
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/keys-missing",
    summary: "the document is an empty object, and the provider signs with its clients' secrets",
    reference: "RFC 7517 section 5.1",
    default: Setting::Repair,
    fixed: false,
    answers: &["JWKS-52"],
};

pub(super) fn look(root: Value<'_>) -> Option<Reshape> {
    let is_empty = root.kind() == Kind::Object && root.members().next().is_none();
    is_empty.then(|| Reshape {
        pointer: String::new(),
        detail: "no keys".to_owned(),
        splices: vec![Splice { span: root.span(), text: "{\"keys\":[]}".to_owned() }],
        origins: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Options, Unreadable, repair};

    #[test]
    fn only_where_a_set_may_be_empty() {
        let options = Options { may_be_empty: true, ..Options::default() };
        let repaired = repair(" { }\n", &options).unwrap();
        assert_eq!(repaired.text, " {\"keys\":[]}\n");
        assert_eq!(repaired.findings[0].rule, "jwks/keys-missing");
        assert_eq!(repair("{}", &Options::default()).unwrap_err(), Unreadable::NotAKeySet);
        assert_eq!(repair("{\"x\":1}", &options).unwrap_err(), Unreadable::NotAKeySet);
        assert_eq!(repair("[]", &options).unwrap_err(), Unreadable::NotAKeySet);
    }
}
