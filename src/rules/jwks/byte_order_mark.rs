//! A byte order mark stands before the key set.
//!
//! Files saved by editors, and some frameworks, begin with the three octets `EF BB BF`. RFC 8259 §8.1 forbids
//! to send it; 43 of 53 relying parties refuse it: "Unexpected UTF-8 BOM (decode using utf-8-sig)",
//! "invalid character 'ï' looking for beginning of value", "Unexpected token ' '… is not valid JSON".
//!
//! **What is changed:** the mark goes.

use super::shape::Reshape;
use crate::json::Splice;
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/byte-order-mark",
    summary: "a byte order mark stands before the key set",
    reference: "RFC 8259 section 8.1",
    default: Setting::Repair,
    fixed: false,
    answers: &["bom"],
};

const MARK: char = '\u{feff}';

pub(super) fn look(text: &str) -> Option<Reshape> {
    text.starts_with(MARK).then(|| Reshape {
        pointer: String::new(),
        detail: "the octets EF BB BF before the text".to_owned(),
        splices: vec![Splice { span: 0..MARK.len_utf8(), text: String::new() }],
        origins: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{reshaped, unshaped};
    use super::RULE;

    #[test]
    fn fixtures() {
        reshaped(&RULE, "\u{feff}{\"keys\":[{}]}", r#"{"keys":[{}]}"#, &[]);
        unshaped("{\"keys\":[{\"kid\":\"\u{feff}\"}]}");
    }
}
