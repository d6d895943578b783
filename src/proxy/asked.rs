//! What a request says of itself that matters for the tokens in its response.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode;
use std::borrow::Cow;
use std::fmt;
use zeroize::Zeroizing;

/// Who asks, and how; nobody has checked it, so it decides nothing but how that one's own response is repaired.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The names that the client may have given itself by: of one name, each way to read it.
    names: Vec<String>,
    /// The request has a proof of possession (RFC 9449 §4).
    pub(super) has_proof: bool,
    form: Form,
}

/// The form of the request, which is full of secrets.
#[derive(Default)]
struct Form(Vec<u8>);

impl fmt::Debug for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Form(..)")
    }
}

impl Asked {
    /// What the head of the request says.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let credentials = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let names = credentials.and_then(of_basic).unwrap_or_default();
        let form = Form::default();
        Self { names, form, has_proof: headers.contains_key(HeaderName::from_static("dpop")) }
    }

    /// That client, as the configuration has it.
    pub(super) fn by(client: &str) -> Self {
        Self { names: vec![client.to_owned()], ..Self::default() }
    }

    /// What its form adds: `client_id` (RFC 6749 §2.3.1).
    pub(super) fn learn_from_form(&mut self, form: &[u8]) {
        self.names.extend(fields(form, "client_id").next().and_then(decoded));
        // Without a copy, it would keep the whole buffer that the request was read into.
        self.form = Form(form.to_vec());
    }

    /// True unless it says that it is somebody else.
    pub(super) fn may_be(&self, client: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| name == client)
    }

    /// The code that it wants exchanged (RFC 6749 §4.1.3), if there is just one.
    pub(super) fn code(&self) -> Option<String> {
        only_field(&self.form.0, "code")
    }

    /// The refresh token that it wants exchanged (RFC 6749 §6), if there is just one.
    pub(super) fn refresh_token(&self) -> Option<Zeroizing<String>> {
        let grant = only_field(&self.form.0, "grant_type")?;
        let token = only_field(&self.form.0, "refresh_token").map(Zeroizing::new);
        token.filter(|_| grant == "refresh_token")
    }

    /// The client, if it is one that `is_known`.
    pub(super) fn client(&self, is_known: impl Fn(&str) -> bool) -> Option<&str> {
        self.names.iter().map(String::as_str).find(|name| is_known(name))
    }
}

/// The values of the fields of a form that have that name.
fn fields<'f>(form: &'f [u8], name: &'static str) -> impl Iterator<Item = &'f [u8]> {
    let fields = form.split(|byte| *byte == b'&');
    fields.filter_map(|field| field.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// The value of a field of a form that stands there once.
fn only_field(form: &[u8], name: &'static str) -> Option<String> {
    let mut fields = fields(form, name);
    let (only, None) = (fields.next()?, fields.next()) else { return None };
    decoded(only)
}

/// The user of Basic credentials: encoded as a form's value (RFC 6749 §2.3.1), or plain, as many a client has it.
fn of_basic(credentials: &[u8]) -> Option<Vec<String>> {
    let (scheme, rest) = credentials.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    // The other half is a secret.
    let pair = Zeroizing::new(STANDARD.decode(rest.trim_ascii()).ok()?);
    let user = pair.split(|byte| *byte == b':').next()?;
    let plain = String::from_utf8(user.to_vec()).ok();
    let names: Vec<String> = decoded(user).into_iter().chain(plain).collect();
    Some(names)
}

fn decoded(value: &[u8]) -> Option<String> {
    let blanks: Cow<'_, [u8]> = if value.contains(&b'+') {
        value.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect()
    } else {
        value.into()
    };
    percent_decode(&blanks).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(authorization: &str, form: &str) -> Asked {
        let mut headers = HeaderMap::new();
        if !authorization.is_empty() {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
        }
        let mut asked = Asked::of(&headers);
        asked.learn_from_form(form.as_bytes());
        asked
    }

    #[test]
    fn a_client_names_itself_in_the_head_or_in_the_form() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for (authorization, form, client) in [
            (basic("crm:s"), "grant_type=x", Some("crm")),
            (basic("crm:s").replace("Basic", "bAsIc"), "", Some("crm")),
            (basic("my%20app:s"), "", Some("my app")),
            (basic("my+app:s"), "", Some("my app")),
            (basic("my+app+:s"), "", Some("my+app+")),
            (String::new(), "grant_type=x&client_id=crm&code=1", Some("crm")),
            (String::new(), "client_id=my+app", Some("my app")),
            (String::new(), "not_client_id=crm", None),
            (basic("other:s"), "client_id=other", None),
            ("Bearer crm".to_owned(), "", None),
            ("Basic".to_owned(), "", None),
            ("Basic ====".to_owned(), "", None),
        ] {
            let asked = asked(&authorization, form);
            let known = |name: &str| ["crm", "my app", "my+app+"].contains(&name);
            assert_eq!(asked.client(known), client, "{authorization} {form}");
        }
    }
}
