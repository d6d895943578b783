//! The rules together, over responses made at random, and the rules for the head.

use super::*;
use crate::rules::layer::testing::{object, undone};
use proptest::prelude::*;
use serde_json::Value as Json;
use std::collections::HashSet;

#[test]
fn rule_ids_are_unique_and_name_their_layer() {
    let ids: HashSet<&str> = rules().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), TABLE.len() + 4);
    assert!(ids.iter().all(|id| id.starts_with("token-response/")));
}

const GOOD: Head<'_> = Head {
    status: 200,
    content_type: Some("application/json;charset=UTF-8"),
    cache_control: Some("private, No-Store"),
};

#[test]
fn a_head_in_order_stays() {
    let on = Settings::new();
    assert_eq!(repair_head(GOOD, &on), RepairedHead::default());
    for content_type in ["application/json", "Application/JSON", "application/x+json", "text/json"]
    {
        let head = Head { content_type: Some(content_type), ..GOOD };
        assert_eq!(repair_head(head, &on), RepairedHead::default(), "{content_type}");
    }
}

#[test]
fn each_flaw_of_a_head_is_a_rule_of_its_own() {
    for (head, rule) in [
        (Head { status: 201, ..GOOD }, "token-response/status-created"),
        (Head { content_type: None, ..GOOD }, "token-response/content-type"),
        (Head { content_type: Some("text/html"), ..GOOD }, "token-response/content-type"),
        (Head { content_type: Some("jsöm"), ..GOOD }, "token-response/content-type"),
        (Head { cache_control: None, ..GOOD }, "token-response/cacheable"),
        (Head { cache_control: Some("no-cache"), ..GOOD }, "token-response/cacheable"),
        (Head { cache_control: Some("no-store-x"), ..GOOD }, "token-response/cacheable"),
    ] {
        let repaired = repair_head(head, &Settings::new());
        let found: Vec<_> =
            repaired.findings.iter().map(|finding| (finding.rule, finding.effect)).collect();
        assert_eq!(found, [(rule, Effect::Repaired)], "{head:?}");
        let changed = [
            repaired.status.is_some(),
            repaired.content_type.is_some(),
            repaired.cache_control.is_some(),
        ];
        assert_eq!(changed.into_iter().filter(|changed| *changed).count(), 1, "{head:?}");
        let set = |setting| Settings::from([(rule.to_owned(), setting)]);
        let warned = repair_head(head, &set(Setting::Warn));
        assert_eq!(warned.findings.len(), 1);
        assert_eq!((warned.status, warned.content_type, warned.cache_control), (None, None, None));
        assert_eq!(repair_head(head, &set(Setting::Off)), RepairedHead::default());
    }
}

fn member() -> impl Strategy<Value = (String, String)> {
    let names = prop_oneof![
        Just("access_token"),
        Just("token_type"),
        Just("expires_in"),
        Just("scope"),
        Just("id_token"),
        Just("refresh_token"),
        Just("other"),
    ];
    let values = prop_oneof![
        Just("\"a.b.c\"".to_owned()),
        Just("\"3600\"".to_owned()),
        Just("3600".to_owned()),
        Just("null".to_owned()),
        Just("\"\"".to_owned()),
        Just("[\"a\", \"b\"]".to_owned()),
        Just("[]".to_owned()),
        Just("{\"scope\":null}".to_owned()),
    ];
    (names.prop_map(str::to_owned), values)
}

proptest! {
    #[test]
    fn any_response_is_repaired_once_and_for_all(
        members in proptest::collection::vec(member(), 0..8), blanks in "[ \n]{0,2}", mark: bool,
    ) {
        let text = object(members, &blanks, mark);
        let repaired = repair(&text, Facts::default(), &Settings::new()).unwrap();
        prop_assert_eq!(&undone(&repaired), &text, "output minus edits is the input");
        prop_assert_eq!(repaired.is_changed(), !repaired.findings.is_empty(), "least intervention");
        let again = repair(&repaired.text, Facts::default(), &Settings::new()).unwrap();
        prop_assert!(again.findings.is_empty() && !again.is_changed(), "repairing twice is repairing once");
        let after: Json = serde_json::from_str(&repaired.text).expect("still JSON");
        let before: Json = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
        for token in ["access_token", "id_token", "refresh_token"] {
            if before[token].is_string() {
                prop_assert_eq!(&before[token], &after[token], "tokens stay");
            }
        }
    }
}
