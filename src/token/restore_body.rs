//! Restore in request bodies of other forms: JSON, and `multipart/form-data` (RFC 7578), which some providers
//! take at their token endpoint.
//!
//! The same promise as for forms: only the value of a known field with an exact carrier is replaced, every other
//! byte stays, and what is not exactly in the grammar is not touched at all.

use super::restore::{FIELDS, restore};
use crate::json::{self, Document, Edits, Limits};
use std::ops::Range;

/// A JSON body with the tokens in its known members restored; `None` if there was nothing to restore.
pub fn restore_json(body: &[u8]) -> Option<Vec<u8>> {
    let document = Document::parse_bytes(body, Limits::DOCUMENT).ok()?;
    let mut edits = Edits::default();
    for member in document.root().members() {
        if FIELDS.contains(&&*member.name())
            && let Some(original) = member.as_str().and_then(|token| restore(&token))
        {
            edits.replace(member, json::quote(&original));
        }
    }
    if edits.is_empty() {
        return None;
    }
    json::apply(document.text(), &edits.splices(&document)).ok().map(String::into_bytes)
}

/// A body of `multipart/form-data` with that boundary, with the tokens in its known fields restored; `None` if
/// there was nothing to restore.
pub fn restore_multipart(body: &[u8], boundary: &str) -> Option<Vec<u8>> {
    let mut restored = Vec::new();
    let mut end = 0;
    for field in fields(body, boundary)? {
        let value = body.get(field.clone())?;
        if let Some(original) = std::str::from_utf8(value).ok().and_then(restore) {
            restored.extend_from_slice(body.get(end..field.start)?);
            restored.extend_from_slice(original.as_bytes());
            end = field.end;
        }
    }
    if end == 0 {
        return None;
    }
    restored.extend_from_slice(body.get(end..)?);
    Some(restored)
}

/// The boundary in the parameters of a `Content-Type` (RFC 2046 §5.1.1); `None` if it has none that is well formed.
pub fn boundary_of(content_type: &str) -> Option<&str> {
    const LONGEST: usize = 70;
    let mut boundaries = content_type.split(';').skip(1).filter_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    });
    let (value, None) = (boundaries.next()?, boundaries.next()) else { return None };
    let boundary = match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"')?,
        None => value,
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    let well_formed = (1..=LONGEST).contains(&boundary.len()) && boundary.bytes().all(allowed);
    well_formed.then_some(boundary)
}

/// Where the values of the known fields stand; `None` if the body is not exactly what RFC 2046 §5.1.1 says.
fn fields(body: &[u8], boundary: &str) -> Option<Vec<Range<usize>>> {
    let opening = format!("--{boundary}");
    let delimiter = format!("\r\n{opening}");
    if !body.starts_with(opening.as_bytes()) {
        return None;
    }
    let mut fields = Vec::new();
    let mut at = opening.len();
    loop {
        let rest = body.get(at..)?;
        if rest.starts_with(b"--") {
            return Some(fields);
        }
        let part = at + 2;
        let rest = rest.strip_prefix(b"\r\n")?;
        let head = position(rest, b"\r\n\r\n")?;
        let value = part + head + 4;
        let end = value + position(body.get(value..)?, delimiter.as_bytes())?;
        if is_known_field(rest.get(..head)?) {
            fields.push(value..end);
        }
        at = end + delimiter.len();
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// True if the head of a part is that of a known field: text as it is, and no file.
fn is_known_field(head: &[u8]) -> bool {
    let Ok(head) = std::str::from_utf8(head) else { return false };
    let mut disposition = None;
    for line in head.split("\r\n") {
        let Some((name, value)) = line.split_once(':') else { return false };
        if name.eq_ignore_ascii_case("content-disposition") {
            if disposition.replace(value.trim()).is_some() {
                return false;
            }
        } else if !name.eq_ignore_ascii_case("content-type") {
            // Such as a transfer encoding, which would make other bytes of the value.
            return false;
        }
    }
    let name = disposition.and_then(|disposition| disposition.strip_prefix("form-data; name="));
    let name = name
        .map(|name| name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name));
    name.is_some_and(|name| FIELDS.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::base64url;
    use proptest::prelude::*;

    fn tokens() -> (String, String) {
        let token = |payload: &str| format!("e30.{}.c2ln", base64url::encode(payload));
        (token(r#"{"sub":"a"}"#), token(r#"{"_kidstamp":"e30.c2ln","sub":"a"}"#))
    }

    #[test]
    fn json_members_are_restored_where_they_stand() {
        let (original, outer) = tokens();
        for (before, after) in [
            (r#"{ "token" : "<T>" , "x":1.0}"#, Some(r#"{ "token" : "<O>" , "x":1.0}"#)),
            (
                r#"{"id_token_hint":"<T>","subject_token":"<T>"}"#,
                Some(r#"{"id_token_hint":"<O>","subject_token":"<O>"}"#),
            ),
            (r#"{"tok\u0065n":"<T>"}"#, Some(r#"{"tok\u0065n":"<O>"}"#)),
            (r#"{"state":"<T>"}"#, None),
            (r#"{"token":["<T>"],"a":{"token":"<T>"}}"#, None),
            (r#"{"token":"<T>","token":"<T>"}"#, None),
            (r#"{"token":"<O>"}"#, None),
            (r#"["<T>"]"#, None),
            (r#"{"token":"<T>""#, None),
        ] {
            let fill = |text: &str| text.replace("<T>", &outer).replace("<O>", &original);
            let restored = restore_json(fill(before).as_bytes());
            assert_eq!(restored, after.map(|after| fill(after).into_bytes()), "{before}");
        }
    }

    #[test]
    fn fields_of_multipart_are_restored_where_they_stand() {
        let (original, outer) = tokens();
        let part = |head: &str, value: &str| format!("--b\r\n{head}\r\n\r\n{value}\r\n");
        let named = |name: &str| format!("Content-Disposition: form-data; name=\"{name}\"");
        let file = "Content-Disposition: form-data; name=\"token\"; filename=\"t\"";
        let encoded = format!("{}\r\nContent-Transfer-Encoding: base64", named("token"));
        let typed = format!("content-type: text/plain\r\n{}", named("assertion").to_lowercase());
        for (head, restores) in [
            (named("token").as_str(), true),
            (typed.as_str(), true),
            ("Content-Disposition: form-data; name=token", true),
            (named("state").as_str(), false),
            (named("Token").as_str(), false),
            (file, false),
            (encoded.as_str(), false),
            (format!("{}\r\n{}", named("token"), named("token")).as_str(), false),
        ] {
            let body = |token: &str| {
                let first = part(&named("grant_type"), "x\r\n--c\r\n");
                format!("{first}{}--b--\r\nepilogue {outer}", part(head, token)).into_bytes()
            };
            let expected = restores.then(|| body(&original));
            assert_eq!(restore_multipart(&body(&outer), "b"), expected, "{head}");
        }
        let good = format!("{}--b--", part(&named("token"), &outer));
        assert!(restore_multipart(good.as_bytes(), "b").is_some());
        for body in [
            good.replace("\r\n", "\n"),
            format!("preamble\r\n{good}"),
            good.replace("--b--", "--b"),
            good.replace("--b--", ""),
            good.replace("\r\n\r\n", "\r\n"),
        ] {
            assert_eq!(restore_multipart(body.as_bytes(), "b"), None, "{body}");
        }
    }

    #[test]
    fn a_boundary_is_read_from_the_content_type() {
        for (content_type, boundary) in [
            ("multipart/form-data; boundary=----abc", Some("----abc")),
            ("multipart/form-data;charset=utf-8; BOUNDARY=\"a b:c\"", Some("a b:c")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=\"a", None),
            ("multipart/form-data; boundary=a; boundary=b", None),
            ("multipart/form-data; boundary=a\u{e9}", None),
        ] {
            assert_eq!(boundary_of(content_type), boundary, "{content_type}");
        }
        assert_eq!(boundary_of(&format!("m/f; boundary={}", "a".repeat(71))), None);
    }

    proptest! {
        #[test]
        fn threat_15_what_has_no_carrier_is_left_alone(
            body in proptest::collection::vec(any::<u8>(), 0..200),
            text in "[-b\r\n:;=\" a-z]{0,200}",
        ) {
            prop_assert_eq!(restore_multipart(&body, "b"), None);
            prop_assert_eq!(restore_multipart(format!("--b\r\n{text}").as_bytes(), "b"), None);
            prop_assert_eq!(restore_json(&body), None);
            prop_assert_eq!(restore_json(text.as_bytes()), None);
        }
    }
}
