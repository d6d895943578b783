//! A byte order mark stands before the discovery document.
//!
//! Editors and templates leave it. RFC 8259 §8.1 forbids it, and 38 of 53 relying parties refuse the document: "Unexpected
//! UTF-8 BOM", "invalid character 'ï' looking for beginning of value".
//!
//! **What is changed:** the three octets go.

use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "discovery/byte-order-mark",
    summary: "a byte order mark before the discovery document",
    reference: "RFC 8259 section 8.1",
    default: Setting::Repair,
    fixed: false,
    answers: &["bom-discovery"],
};
