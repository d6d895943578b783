//! JSON with line breaks for people: every literal stays as it was written.

use super::super::output::visible;
use crate::json::{Kind, Value};

/// `value` with a line for each member; numbers, escapes and order as they stand.
pub(super) fn print(value: Value<'_>) -> String {
    let mut text = String::new();
    write(&mut text, value, 0);
    text
}

/// Reading has bounded the depth.
fn write(text: &mut String, value: Value<'_>, depth: usize) {
    let (children, open, close) = match value.kind() {
        Kind::Object => (value.members(), '{', '}'),
        Kind::Array => (value.elements(), '[', ']'),
        _ => return text.push_str(&visible(value.raw())),
    };
    text.push(open);
    let mut empty = true;
    for child in children {
        if !empty {
            text.push(',');
        }
        empty = false;
        line(text, depth + 1);
        if let Some(name) = child.raw_name() {
            text.push_str(&visible(name));
            text.push_str(": ");
        }
        write(text, child, depth + 1);
    }
    if !empty {
        line(text, depth);
    }
    text.push(close);
}

fn line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Limits};
    use proptest::prelude::*;

    fn printed(text: &str) -> String {
        print(Document::parse(text, Limits::TOKEN).unwrap().root())
    }

    #[test]
    fn literals_stay() {
        let text =
            r#" {"\u0061":12345678901234567890.10e+2,"b" :[ ],"c":{},"d":["\/",{"e":null}]} "#;
        insta::assert_snapshot!(printed(text), @r#"
        {
          "\u0061": 12345678901234567890.10e+2,
          "b": [],
          "c": {},
          "d": [
            "\/",
            {
              "e": null
            }
          ]
        }
        "#);
        assert_eq!(printed("\"\u{9b}2J\u{202e}\""), r#""\u009b2J\u202e""#);
    }

    proptest! {
        #[test]
        fn it_says_the_same(names in proptest::collection::hash_set("\\PC{0,4}", 0..6), number: u64) {
            let members: Vec<String> = names
                .iter()
                .map(|name| format!("{}:[{number},{{}}]", crate::json::quote(name)))
                .collect();
            let text = format!("{{{}}}", members.join(","));
            let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            prop_assert_eq!(read(&printed(&text)), read(&text));
        }
    }
}
