//! The rules together, over responses made at random.

use super::*;
use crate::rules::layer::testing::{object, undone};
use proptest::prelude::*;
use serde_json::Value as Json;
use std::collections::HashSet;

#[test]
fn rule_ids_are_unique_and_name_their_layer() {
    let ids: HashSet<&str> = rules().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), TABLE.len());
    assert!(ids.iter().all(|id| id.starts_with("userinfo/")));
}

#[test]
fn only_what_no_reader_can_miss_is_on() {
    let on: Vec<&str> =
        rules().filter(|rule| rule.default != Setting::Off).map(|rule| rule.id).collect();
    assert_eq!(on, ["userinfo/verified-string", "userinfo/updated-at-text"]);
    let off: Settings = rules().map(|rule| (rule.id.to_owned(), Setting::Off)).collect();
    assert!(is_wanted(&Settings::new()) && !is_wanted(&off));
}

#[test]
fn flaws_that_stand_together_are_repaired_together() {
    let all = rules().map(|rule| (rule.id.to_owned(), Setting::Repair)).collect();
    let text = r#"{"sub":"a","attributes":{"username":"b","email_verified":"true","updated_at":"1"},"email":null}"#;
    let repaired = repair(text, &all).unwrap();
    assert_eq!(
        repaired.text,
        r#"{"preferred_username":"b","username":"b","email_verified":true,"updated_at":1,"sub":"a","attributes":{"username":"b","email_verified":"true","updated_at":"1"}}"#
    );
    assert_eq!(undone(&repaired), text);
}

#[test]
fn what_is_no_object_is_not_repaired() {
    for text in ["", "[]", "\"a\"", "{", r#"{"email_verified":"true","email_verified":"false"}"#] {
        assert!(repair(text, &Settings::new()).is_err(), "{text}");
    }
}

fn member() -> impl Strategy<Value = (String, String)> {
    let names = prop_oneof![
        Just("sub"),
        Just("email"),
        Just("email_verified"),
        Just("phone_number_verified"),
        Just("updated_at"),
        Just("username"),
        Just("preferred_username"),
        Just("attributes"),
    ];
    let values = prop_oneof![
        Just("null"),
        Just("\"true\""),
        Just("\"FALSE\""),
        Just("false"),
        Just("\"1790000000\""),
        Just("\"2026-11-23T09:50:58Z\""),
        Just("1.50"),
        Just("\"a\\u00e9\""),
        Just("[1]"),
        Just("{\"sub\":\"x\",\"email\":null,\"updated_at\":\"7\"}"),
        Just("{\"username\":\"u\",\"email_verified\":\"true\"}"),
    ];
    (names.prop_map(str::to_owned), values.prop_map(str::to_owned))
}

proptest! {
    #[test]
    fn any_response_is_repaired_once_and_for_all(
        members in proptest::collection::vec(member(), 0..9),
        blanks in "[ \n\t]{0,2}",
        opted_in: bool,
    ) {
        let text = object(members, &blanks, false);
        let all = rules().map(|rule| (rule.id.to_owned(), Setting::Repair)).collect();
        let settings: Settings = if opted_in { all } else { Settings::new() };
        let repaired = repair(&text, &settings).unwrap();
        prop_assert_eq!(undone(&repaired), text.as_str(), "output minus edits is the input");
        prop_assert_eq!(repaired.is_changed(), repaired.text != text.as_str(), "least intervention");
        let again = repair(&repaired.text, &settings).unwrap();
        prop_assert_eq!(&again.text, &repaired.text, "repairing twice is repairing once");
        let before: Json = serde_json::from_str(&text).unwrap();
        let after: Json = serde_json::from_str(&repaired.text).unwrap();
        prop_assert_eq!(before.get("sub"), after.get("sub"), "sub never changes");
    }
}
