//! A byte order mark stands before the token response.
//!
//! Editors and templates leave it. RFC 8259 §8.1 forbids it, and strict readers refuse the text: "Unexpected UTF-8 BOM",
//! "invalid character 'ï' looking for beginning of value".
//!
//! **What is changed:** the three octets go.

use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "token-response/byte-order-mark",
    summary: "a byte order mark before the token response",
    reference: "RFC 8259 section 8.1",
    default: Setting::Repair,
    fixed: false,
    answers: &[],
};

#[cfg(test)]
mod tests {
    use super::super::{Facts, repair};
    use super::RULE;
    use crate::rules::{Effect, Setting, Settings};

    #[test]
    fn fixtures() {
        let text = r#"{"access_token":"a","token_type":"Bearer"}"#;
        let marked = format!("\u{feff}{text}");
        let repaired = repair(&marked, Facts::default(), &Settings::new()).unwrap();
        assert_eq!(repaired.text, text);
        assert_eq!(repaired.findings.len(), 1);
        assert_eq!(
            (repaired.findings[0].rule, repaired.findings[0].effect),
            (RULE.id, Effect::Repaired)
        );
        assert!(!repair(text, Facts::default(), &Settings::new()).unwrap().is_changed());
        assert!(repair(&format!("\u{feff}{marked}"), Facts::default(), &Settings::new()).is_err());
        let off = Settings::from([(RULE.id.to_owned(), Setting::Off)]);
        assert!(repair(&marked, Facts::default(), &off).is_err());
    }
}
