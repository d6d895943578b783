//! The rules together, over documents made at random.

use super::testing::FACTS;
use super::*;
use crate::rules::layer::testing::{object, undone};
use proptest::prelude::*;
use serde_json::Value as Json;
use std::collections::HashSet;

#[test]
fn rule_ids_are_unique_and_name_their_layer() {
    let ids: HashSet<&str> = rules().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), TABLE.len() + 3);
    assert!(ids.iter().all(|id| id.starts_with("discovery/")));
}

fn member() -> impl Strategy<Value = (String, String)> {
    let names = prop_oneof![
        Just("issuer"),
        Just("jwks_uri"),
        Just("token_endpoint"),
        Just("authorization_endpoint"),
        Just("subject_types_supported"),
        Just("response_types_supported"),
        Just("id_token_signing_alg_values_supported"),
        Just("other"),
    ];
    let values = prop_oneof![
        Just("\"http://idp:8080/a\"".to_owned()),
        Just("\"https://idp.test/a\"".to_owned()),
        Just("null".to_owned()),
        Just("[]".to_owned()),
        Just("[\"SHA256withRSA\", \"RSA256\"]".to_owned()),
        Just("[ \"RS256\", \"SHA256withRSA\" ]".to_owned()),
        Just("{\"jwks_uri\":\"http://idp:8080/\"}".to_owned()),
    ];
    (names.prop_map(str::to_owned), values)
}

proptest! {
    #[test]
    fn any_document_is_repaired_once_and_for_all(
        members in proptest::collection::vec(member(), 0..8), blanks in "[ \n]{0,2}", mark: bool,
    ) {
        let text = object(members, &blanks, mark);
        let settings = Settings::new();
        let repaired = repair(&text, FACTS, &settings).unwrap();
        prop_assert_eq!(&undone(&repaired), &text, "output minus edits is the input");
        let again = repair(&repaired.text, FACTS, &settings).unwrap();
        prop_assert!(again.findings.is_empty() && !again.is_changed(), "repairing twice is repairing once");
        let before: Json = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
        let after: Json = serde_json::from_str(&repaired.text).expect("still JSON");
        prop_assert_eq!(before.get("issuer"), after.get("issuer"), "the issuer never changes");
    }
}
