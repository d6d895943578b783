//! The page of OAuth 2.0 Form Post Response Mode §2: where the values of its hidden inputs stand.
//!
//! The page is read with the tokenizer of browsers, so that what is a comment, a script or a text there is none
//! here. It is never written by it: the caller replaces bytes of the original.

use super::authorization_response::Parameter;
use lol_html::html_content::Element;
use lol_html::{HtmlRewriter, Settings, element};
use std::borrow::Cow;

/// A page with more inputs than this in its forms is no authorization response.
const MOST_INPUTS: usize = 100;

/// The inputs of type `hidden` in forms of the page; `None` if it can't be read.
pub(super) fn hidden_inputs(html: &[u8]) -> Option<Vec<Parameter<'static>>> {
    let mut inputs = Vec::new();
    let settings =
        Settings::new().append_element_content_handler(element!("form input", |input| {
            if inputs.len() <= MOST_INPUTS
                && let Some(parameter) = hidden_input(input)
            {
                inputs.push(parameter);
            }
            Ok(())
        }));
    let mut reader = HtmlRewriter::new(settings, |_: &[u8]| {});
    reader.write(html).ok()?;
    reader.end().ok()?;
    (inputs.len() <= MOST_INPUTS).then_some(inputs)
}

fn hidden_input(input: &Element<'_, '_>) -> Option<Parameter<'static>> {
    // Of two attributes with one name browsers take the first.
    let attribute =
        |name: &str| input.attributes().iter().find(|attribute| attribute.name() == name);
    let kind = decoded(&attribute("type")?.value())?;
    if !kind.eq_ignore_ascii_case("hidden") {
        return None;
    }
    let name = decoded(&attribute("name")?.value())?;
    let value = attribute("value")?;
    let span = value.value_source_location()?.bytes();
    Some(Parameter { name: Cow::Owned(name), value: Cow::Owned(decoded(&value.value())?), span })
}

/// `text` without its character references; `None` if it has one that no parameter of a response needs.
///
/// Encoders write the characters of a token as they are, by number, or by one of two names.
fn decoded(text: &str) -> Option<String> {
    let mut rest = text;
    let mut decoded = String::with_capacity(text.len());
    while let Some((before, reference)) = rest.split_once('&') {
        decoded.push_str(before);
        let (reference, after) = reference.split_once(';')?;
        decoded.push(referenced(reference)?);
        rest = after;
    }
    decoded.push_str(rest);
    Some(decoded)
}

fn referenced(reference: &str) -> Option<char> {
    let Some(number) = reference.strip_prefix('#') else {
        return match reference {
            "period" => Some('.'),
            "lowbar" | "UnderBar" => Some('_'),
            "equals" => Some('='),
            "colon" => Some(':'),
            "sol" => Some('/'),
            "amp" | "AMP" => Some('&'),
            "quot" | "QUOT" => Some('"'),
            "apos" => Some('\''),
            "lt" | "LT" => Some('<'),
            "gt" | "GT" => Some('>'),
            _ => None,
        };
    };
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
        None => number.parse(),
    };
    char::from_u32(code.ok()?)
}

#[cfg(test)]
mod tests {
    use super::super::authorization_response::AuthorizationResponse;
    use super::super::kind::TokenKind;
    use proptest::prelude::*;

    const OLD: &str = "eyJh.eyJi-_.c2ln";
    const NEW: &str = "eyJO.RVc.dA";

    /// `page` with `OLD` in it, read and rewritten.
    fn rewritten(page: &[u8]) -> Option<Vec<u8>> {
        let response = AuthorizationResponse::from_page(page, "")?;
        assert!(response.tokens().all(|token| token.text() == OLD), "{response:?}");
        Some(response.with(&[(TokenKind::IdToken, NEW.to_owned())]))
    }

    /// As LemonLDAP::NG, Keycloak, Pocket ID's neighbours and people by hand write it.
    const PAGES: [&str; 9] = [
        r#"<form id="form" method="POST" action="https://rp.test/cb" class="form" role="form">
  <input type="hidden" name="id_token" value="OLD"/>
  <input type="hidden" name="state" value="a&amp;b" />
</form>"#,
        r#"<HTML><HEAD><TITLE>OIDC Form_Post Response</TITLE></HEAD><BODY Onload="document.forms[0].submit()"><FORM METHOD="POST" ACTION="https://rp.test/cb"><INPUT TYPE="HIDDEN" NAME="id_token" VALUE="OLD" /><NOSCRIPT><P>JavaScript is disabled.</P><INPUT name="continue" TYPE="SUBMIT" VALUE="CONTINUE" /></NOSCRIPT></FORM></BODY></HTML>"#,
        "<form><input value='OLD' name='id_token' type='hidden'></form>",
        "<form><input\n\tvalue = OLD\n name=id_token type=hidden></form>",
        "<form><p><table><tr><td><input type=hidden name=id_token value=OLD></table></form>",
        "<form><input TYPE=Hidden NAME=id&#95;token VALUE=\"OLD\" value='other'></form>",
        "<!-- <form><input type=hidden name=id_token value=x.y.z></form> --><form><input type=hidden name=id_token value=OLD></form>",
        "<script>'<form><input type=hidden name=id_token value=x.y.z></form>'</script><form><input type=hidden name=id_token value=OLD></form>",
        "\u{feff}<title>\u{e9}</title><form><input type=hidden name=id_token value=\"OLD\"><input type=hidden name=code value=OLD></form>",
    ];

    #[test]
    fn only_the_value_of_the_hidden_input_changes() {
        for page in PAGES {
            let before = page.replace("OLD", OLD);
            let after = page.replacen("OLD", NEW, 1).replace("OLD", OLD);
            let rewritten = rewritten(before.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(rewritten).unwrap(), after);
        }
    }

    #[test]
    fn a_token_may_be_written_with_references() {
        let page = |value: &str| {
            format!("<form><input type=hidden name=id_token value=\"{value}\"></form>").into_bytes()
        };
        for value in [
            "eyJh&#46;eyJi&#x2D;&#95;&#x2e;c2ln",
            "eyJh&period;eyJi-&lowbar;.c2ln",
            "&#101;yJh.eyJi-_.c2ln",
        ] {
            assert_eq!(rewritten(&page(value)).unwrap(), page(NEW), "{value}");
        }
        for value in ["eyJh&hellip;", "eyJh.eyJi&", "eyJh&#x110000;.a.b", "&#;"] {
            assert_eq!(rewritten(&page(value)), None, "{value}");
        }
    }

    #[test]
    fn bytes_of_another_encoding_stay() {
        let page = |value: &str| {
            let end = format!("<form><input type=hidden name=id_token value={value}></form>\u{0}");
            [b"<title>\xe9\xff</title>", end.as_bytes(), b"\xfe"].concat()
        };
        assert_eq!(rewritten(&page(OLD)).unwrap(), page(NEW));
    }

    #[test]
    fn what_is_no_hidden_input_of_a_form_is_left_alone() {
        for page in [
            "",
            "<input type=hidden name=id_token value=OLD>",
            "<form><input name=id_token value=OLD></form>",
            "<form><input type=text name=id_token value=OLD></form>",
            "<form><input type=hidden name=ID_TOKEN value=OLD></form>",
            "<form><input type=hidden name=id_token></form>",
            "<form><input type=hidden name=id_token value=OLD><input type=hidden name=id_token value=OLD></form>",
            "<form><textarea><input type=hidden name=id_token value=OLD></textarea></form>",
            "<form><!--<input type=hidden name=id_token value=OLD>--></form>",
            "<form><button type=hidden name=id_token value=OLD></form>",
        ] {
            assert_eq!(rewritten(page.replace("OLD", OLD).as_bytes()), None, "{page}");
        }
        let many = "<form>".to_owned() + &"<input type=hidden name=a value=b>".repeat(101);
        assert_eq!(rewritten(many.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn no_page_makes_it_panic_and_no_other_byte_changes(
            before in proptest::collection::vec(any::<u8>(), 0..60),
            after in "[<>a-z\"'=&; /!-]{0,60}",
        ) {
            let page = [&before, OLD.as_bytes(), after.as_bytes()].concat();
            let _ = AuthorizationResponse::from_page(&page, "");
            let input = format!("<form><input type=hidden name=id_token value=\"{OLD}\"></form>");
            let page = [input.as_bytes(), &before, after.as_bytes()].concat();
            if let Some(response) = AuthorizationResponse::from_page(&page, "") {
                let expected = [input.replace(OLD, NEW).as_bytes(), &before, after.as_bytes()].concat();
                prop_assert_eq!(response.with(&[(TokenKind::IdToken, NEW.to_owned())]), expected);
            }
        }
    }
}
