//! The third part of a carrier: the splices that lead from repaired claims back to the original ones.
//!
//! The text is a run of `START,REMOVED,LENGTH:OLD`: at byte START of the payload, REMOVED bytes give way to OLD, which
//! has LENGTH bytes. They are applied one after the other, each to what the ones before it left. Numbers are decimal
//! without leading zeros, so that there is one spelling for each. The whole is base64url in the carrier.

use crate::jose::base64url;
use crate::json::{self, Splice};

/// The most bytes that an undo may have before base64url: repairs of claims are few and short.
const MOST_BYTES: usize = 4 << 10;
/// The most splices.
const MOST_SPLICES: usize = 64;

/// The carrier's third part for `splices`; `None` if they are more than a carrier may hold.
pub(super) fn encode<'s>(splices: impl Iterator<Item = &'s Splice>) -> Option<String> {
    let mut text = String::new();
    for (count, Splice { span, text: old }) in splices.enumerate() {
        let head = format!("{},{},{}:", span.start, span.len(), old.len());
        if count >= MOST_SPLICES || text.len() + head.len() + old.len() > MOST_BYTES {
            return None;
        }
        text.push_str(&head);
        text.push_str(old);
    }
    (!text.is_empty()).then(|| base64url::encode(text))
}

/// `payload` as it was before the repairs that `undo` takes back; `None` unless `undo` is exact.
pub(super) fn apply(undo: &str, payload: &[u8]) -> Option<String> {
    let undo = base64url::decode(undo).filter(|undo| undo.len() <= MOST_BYTES)?;
    let mut rest = std::str::from_utf8(&undo).ok().filter(|rest| !rest.is_empty())?;
    let mut text = std::str::from_utf8(payload).ok()?.to_owned();
    let mut count = 0;
    while !rest.is_empty() {
        let start = number(&mut rest, ',')?;
        let removed = number(&mut rest, ',')?;
        let length = number(&mut rest, ':')?;
        let (old, after) = rest.split_at_checked(length)?;
        rest = after;
        count += 1;
        let splice = Splice { span: start..start.checked_add(removed)?, text: old.to_owned() };
        if count > MOST_SPLICES || (removed == 0 && old.is_empty()) {
            return None;
        }
        text = json::apply(&text, &[splice]).ok()?;
    }
    Some(text)
}

/// Takes a decimal number and the mark behind it off `rest`.
fn number(rest: &mut &str, mark: char) -> Option<usize> {
    let (digits, after) = rest.split_once(mark)?;
    let number: usize = digits.parse().ok()?;
    *rest = after;
    // No sign and no leading zero: one spelling for each number.
    (number.to_string() == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(undo: &str, payload: &str) -> Option<String> {
        apply(&base64url::encode(undo), payload.as_bytes())
    }

    #[test]
    fn splices_are_applied_one_after_the_other() {
        let splices = [
            Splice { span: 1..3, text: "xyz".to_owned() },
            Splice { span: 0..0, text: "é,:".to_owned() },
            Splice { span: 4..5, text: String::new() },
        ];
        let undo = encode(splices.iter()).unwrap();
        assert_eq!(base64url::decode(&undo).unwrap(), "1,2,3:xyz0,0,4:é,:4,1,0:".as_bytes());
        assert_eq!(apply(&undo, b"abcd").unwrap(), "é,:xyzd");
    }

    #[test]
    fn only_the_exact_grammar_is_taken() {
        assert_eq!(undone("0,1,1:b", "a").as_deref(), Some("b"));
        for undo in [
            "",
            "0",
            "0,1",
            "0,1,1",
            "0,1,1:",
            "0,1,1:bb",
            "00,1,1:b",
            "+0,1,1:b",
            " 0,1,1:b",
            "0,01,1:b",
            "0,1,1:b,",
            "0,2,1:b",
            "2,0,1:b",
            "0,0,0:",
            "0,1,-1:b",
            "0:1,1:b",
            "18446744073709551615,1,1:b",
            "99999999999999999999,1,1:b",
        ] {
            assert_eq!(undone(undo, "a"), None, "{undo}");
        }
        assert_eq!(undone("1,1,0:", "é"), None, "inside a character");
        assert_eq!(apply("MCwxLDE6Yg=", b"a"), None);
        assert_eq!(apply(&base64url::encode("0,1,1:b"), b"\xff"), None);
        assert_eq!(undone(&"0,0,1:a".repeat(65), "a"), None);
        assert!(undone(&"0,0,1:a".repeat(64), "a").is_some());
    }

    #[test]
    fn what_is_too_much_is_not_carried() {
        let splice = |length: usize| Splice { span: 0..0, text: "a".repeat(length) };
        assert!(encode([splice(4_000)].iter()).is_some());
        assert!(encode([splice(4_096)].iter()).is_none());
        assert!(encode(std::iter::repeat_n(&splice(1), 65)).is_none());
        assert!(encode([].iter()).is_none());
    }
}
