//! The rules together, over payloads made at random.

use super::testing::NOW;
use super::*;
use crate::json::Document;
use crate::rules::layer::testing::undone;
use crate::rules::{Rule, Setting};
use proptest::prelude::*;
use serde_json::Value as Json;
use std::collections::HashSet;

/// Everything on, so that the opt-in rules are tried too.
fn everything() -> Options {
    Options {
        settings: rules()
            .map(|rule: &Rule| (rule.id.to_owned(), Setting::Repair))
            .filter(|(id, _)| id != "claims/audience-string")
            .collect(),
        issuer: "https://idp.test".to_owned(),
        issuer_aliases: vec!["https://idp.test/".to_owned()],
        audiences: vec!["rp".to_owned()],
        client: Some("rp".to_owned()),
        verified_email_domains: vec!["idp.test".to_owned()],
    }
}

#[test]
fn rule_ids_are_unique_and_name_their_layer() {
    let ids: HashSet<&str> = rules().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), TABLE.len() + 4);
    assert!(ids.iter().all(|id| id.starts_with("claims/")));
}

#[test]
fn what_takes_a_check_away_is_off() {
    let off: Vec<&str> =
        rules().filter(|rule| rule.default == Setting::Off).map(|rule| rule.id).collect();
    assert_eq!(
        off,
        [
            "claims/date-fraction",
            "claims/hash-wrong",
            "claims/at-hash-missing",
            "claims/groups-string",
            "claims/audience-array",
            "claims/audience-string",
            "claims/azp-missing",
            "claims/iat-missing",
            "claims/typ-missing",
            "claims/header-unknown"
        ]
    );
}

#[test]
fn flaws_that_stand_together_are_repaired_together() {
    let text = r#"{"iss":"https://idp.test/","aud":["rp"],"exp":"1790000000999.5","iat":"2026-11-23T09:50:58Z","at_hash":null}"#;
    let repaired = repair(text, &everything(), NOW).unwrap();
    assert_eq!(
        repaired.text,
        r#"{"iss":"https://idp.test","aud":"rp","exp":1790000000,"iat":1795427458}"#
    );
    assert_eq!(undone(&repaired), text);
}

#[test]
fn opposite_rules_together_change_nothing() {
    let mut options = everything();
    options.settings.insert("claims/audience-string".to_owned(), Setting::Repair);
    let text = r#"{"aud":["rp"],"exp":1,"iat":1}"#;
    let repaired = repair(text, &options, NOW).unwrap();
    assert_eq!((&*repaired.text, repaired.is_changed()), (text, false));
}

fn claim() -> impl Strategy<Value = (String, String)> {
    let names = prop_oneof![
        Just("exp"),
        Just("iat"),
        Just("nbf"),
        Just("auth_time"),
        Just("aud"),
        Just("azp"),
        Just("iss"),
        Just("sub"),
        Just("nonce"),
        Just("at_hash"),
        Just("c_hash"),
        Just("email"),
        Just("email_verified"),
        Just("name"),
    ];
    let values = prop_oneof![
        Just("1790000000".to_owned()),
        Just("\"1790000000\"".to_owned()),
        Just("\"1790000000123\"".to_owned()),
        Just("1790000000.25".to_owned()),
        Just("\"1790000000.25\"".to_owned()),
        Just("\"2026-11-23T09:50:58.5+01:00\"".to_owned()),
        Just("1E9".to_owned()),
        Just("null".to_owned()),
        Just("\"\"".to_owned()),
        Just("\"true\"".to_owned()),
        Just("\"a@idp.test\"".to_owned()),
        Just("[\"rp\"]".to_owned()),
        Just("[\"rp\", \"api\"]".to_owned()),
        Just("\"https://idp.test/\"".to_owned()),
        Just("\"a\\u00e9\"".to_owned()),
        Just("{\"exp\":\"1\"}".to_owned()),
    ];
    (names.prop_map(str::to_owned), values)
}

fn payload() -> impl Strategy<Value = String> {
    (proptest::collection::btree_map("[a-m]", claim(), 0..9), "[ \n\t]{0,2}").prop_map(
        |(claims, blanks)| {
            let mut seen = HashSet::new();
            let members: Vec<String> = claims
                .into_values()
                .filter(|(name, _)| seen.insert(name.clone()))
                .map(|(name, value)| format!("{blanks}\"{name}\"{blanks}: {value}{blanks}"))
                .collect();
            format!("{blanks}{{{}}}", members.join(","))
        },
    )
}

proptest! {
    #[test]
    fn any_payload_is_repaired_once_and_for_all(text in payload(), opted_in: bool) {
        let options = if opted_in { everything() } else { Options::default() };
        let repaired = repair(&text, &options, NOW).unwrap();
        prop_assert_eq!(undone(&repaired), text.as_str(), "output minus edits is the input");
        prop_assert_eq!(repaired.is_changed(), repaired.text != text.as_str(), "least intervention");
        let again = repair(&repaired.text, &options, NOW).unwrap();
        prop_assert_eq!(&again.text, &repaired.text, "repairing twice is repairing once");
        let before: Json = serde_json::from_str(&text).unwrap();
        let after: Json = serde_json::from_str(&repaired.text).expect("still JSON");
        prop_assert_eq!(before.get("sub"), after.get("sub"), "sub never changes");
        prop_assert_eq!(before.get("name"), after.get("name"), "nor does what no rule is about");
        Document::parse(&repaired.text, Limits::TOKEN).expect("still strict JSON");
    }

    /// A lifetime never grows: a date keeps its moment, or an earlier one within the same second.
    #[test]
    fn no_token_lives_longer(seconds in 0_u64..99_999_999_999, fraction in 0_u32..1_000_000) {
        for exp in [format!("\"{seconds}\""), format!("\"{seconds}.{fraction:06}\""), format!("{seconds}.{fraction:06}"), format!("{seconds}{:03}", fraction % 1000)] {
            let text = format!("{{\"exp\":{exp}}}");
            let repaired = repair(&text, &everything(), NOW).unwrap();
            let after: Json = serde_json::from_str(&repaired.text).unwrap();
            let milliseconds = seconds * 1000 + u64::from(fraction % 1000);
            let counts_milliseconds = (1_000_000_000_000..10_000_000_000_000).contains(&milliseconds);
            prop_assert!(after["exp"] == seconds || !counts_milliseconds, "{}", repaired.text);
        }
    }
}
