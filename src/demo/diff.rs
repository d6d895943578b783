//! What changed in a JSON text, line by line.
//!
//! For reading only: what is compared and shown is pretty-printed, never sent anywhere.

use crate::json::{Document, Kind, Limits, Value};
use std::fmt;

/// Longer strings are cut in what is shown, not in what is compared.
const LONGEST: usize = 56;

/// One line of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// In both.
    Kept(String),
    /// Only in the text before.
    Removed(String),
    /// Only in the text after.
    Added(String),
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, line) = match self {
            Self::Kept(line) => (' ', line),
            Self::Removed(line) => ('-', line),
            Self::Added(line) => ('+', line),
        };
        write!(formatter, "{sign} {line}")
    }
}

/// Compares two JSON texts; what is no JSON is compared as it is.
pub(super) fn of_json(before: &str, after: &str) -> Vec<Change> {
    compare(&pretty(before), &pretty(after))
}

/// The text with a line for each member and element, in its own order. Commas are left out, so that
/// a member that is now followed by another does not look changed.
fn pretty(json: &str) -> Vec<String> {
    let mut lines = Vec::new();
    match Document::parse_with_duplicates(json, Limits::DOCUMENT) {
        Ok(document) => print(document.root(), "", 0, &mut lines),
        Err(_) => lines.extend(json.lines().map(str::to_owned)),
    }
    lines
}

fn print(value: Value<'_>, name: &str, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    let (open, children, close) = match value.kind() {
        Kind::Object => ('{', value.members(), '}'),
        Kind::Array => ('[', value.elements(), ']'),
        _ => return lines.push(format!("{indent}{name}{}", value.raw())),
    };
    lines.push(format!("{indent}{name}{open}"));
    for child in children {
        let name = match value.kind() {
            Kind::Object => format!("\"{}\": ", child.name().escape_debug()),
            _ => String::new(),
        };
        print(child, &name, depth + 1, lines);
    }
    lines.push(format!("{indent}{close}"));
}

/// What is common stays, the rest was removed or added.
fn compare(before: &[String], after: &[String]) -> Vec<Change> {
    let kept = common(before, after);
    let (mut before, mut after) = (before.iter(), after.iter());
    let mut changes = Vec::new();
    // The `None` at the end collects what follows the last common line.
    for line in kept.into_iter().map(Some).chain([None]) {
        let removed = before.by_ref().take_while(|own| Some(*own) != line);
        changes.extend(removed.map(|own| Change::Removed(shorten(own))));
        let added = after.by_ref().take_while(|own| Some(*own) != line);
        changes.extend(added.map(|own| Change::Added(shorten(own))));
        changes.extend(line.map(|own| Change::Kept(shorten(own))));
    }
    changes
}

/// A longest common subsequence. Row by row, each cell is the best one that ends there: quick enough for
/// the few dozen lines of a key set.
fn common<'l>(before: &'l [String], after: &[String]) -> Vec<&'l String> {
    let mut best: Vec<Vec<&String>> = vec![Vec::new(); after.len() + 1];
    for old in before {
        let mut row = vec![Vec::new()];
        for (new, above) in after.iter().zip(best.windows(2)) {
            let [diagonal, above] = above else { continue };
            let left: &Vec<_> = row.last().unwrap_or(diagonal);
            let longest = match new == old {
                true => [diagonal.as_slice(), &[old]].concat(),
                false if left.len() > above.len() => left.clone(),
                false => above.clone(),
            };
            row.push(longest);
        }
        best = row;
    }
    best.pop().unwrap_or_default()
}

/// `line` with the middle of what is too long left out.
fn shorten(line: &str) -> String {
    const KEPT: usize = LONGEST / 2;
    let length = line.chars().count();
    if length <= LONGEST + KEPT {
        return line.to_owned();
    }
    let start: String = line.chars().take(LONGEST).collect();
    let end: String = line.chars().skip(length - KEPT / 2).collect();
    format!("{start}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(before: &str, after: &str) -> String {
        of_json(before, after).iter().map(|change| format!("{change}\n")).collect()
    }

    #[test]
    fn only_what_changed_is_marked() {
        let before = r#"{"keys":[{"kty":"RSA","e":"AQAB"}]}"#;
        let after = r#"{"keys":[{"kty":"RSA","e":"AQAB","kid":"a"},{"kty":"EC"}]}"#;
        let expected = r#"  {
    "keys": [
      {
        "kty": "RSA"
        "e": "AQAB"
+       "kid": "a"
      }
+     {
+       "kty": "EC"
+     }
    ]
  }
"#;
        assert_eq!(shown(before, after), expected);
        assert_eq!(shown("1", "2"), "- 1\n+ 2\n");
        assert_eq!(shown("<html>", "<html>"), "  <html>\n");
        assert_eq!(shown("", "{}"), "+ {\n+ }\n");
    }

    #[test]
    fn a_difference_in_the_middle_of_a_long_text_is_a_difference() {
        let long = |middle| format!("\"{}{middle}{}\"", "a".repeat(200), "b".repeat(200));
        let changes = of_json(&long("c"), &long("d"));
        assert!(matches!(changes.as_slice(), [Change::Removed(_), Change::Added(_)]));
        assert!(changes.iter().all(|change| change.to_string().chars().count() < 80));
    }
}
