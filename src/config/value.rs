//! Reading and writing single values: one function a kind, each with the words of its refusal.
//!
//! A refusal completes the sentence `key = value …`, and names the allowed values.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use ipnet::IpNet;
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use toml::de::DeValue;

use super::duration;
use super::error::nearest;
use super::file::File;
use super::model::{Listen, SocketMode, UpstreamUrl};
use super::origin::{Origin, UrlError, parse_url};
use crate::jose::base64url;
use crate::json;

/// Why a value can't stand: the end of the sentence that begins with `key = value`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) String);

impl<T: Display> From<T> for Refusal {
    fn from(why: T) -> Self {
        Self(why.to_string())
    }
}

/// A value before its kind is known.
#[derive(Clone, Copy)]
pub(super) enum Input<'v> {
    /// From a flag or the environment, where everything is text.
    Word(&'v str),
    /// From the file, where quotes matter.
    Value(&'v DeValue<'v>, &'v File),
}

impl<'v> Input<'v> {
    /// The text of a string; `example` shows one.
    pub(super) fn text(self, example: &str) -> Result<&'v str, Refusal> {
        match self {
            Self::Word(text) => Ok(text),
            Self::Value(DeValue::String(text), _) => Ok(text),
            Self::Value(other, _) => {
                Err(format!("is {}; write a string such as \"{example}\"", kind(other)).into())
            }
        }
    }
}

/// How an error names a type.
pub(super) const fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// true or false.
pub(super) fn boolean(input: Input<'_>) -> Result<bool, Refusal> {
    match input {
        Input::Value(DeValue::Boolean(value), _) => Ok(*value),
        Input::Word("true") => Ok(true),
        Input::Word("false") => Ok(false),
        Input::Word(_) => Err("is not known; allowed: true, false".into()),
        Input::Value(other, _) => {
            Err(format!("is {}; allowed: true, false (without quotes)", kind(other)).into())
        }
    }
}

/// How the value of a key is read; every function that reads one is such a way.
pub(super) trait Read<T> {
    /// The value, or why it can't stand.
    fn read(&self, input: Input<'_>) -> Result<T, Refusal>;

    /// What the schema of the key says beyond that of the type: the bounds.
    fn bounds(&self) -> Option<Value> {
        None
    }
}

impl<T, F: Fn(Input<'_>) -> Result<T, Refusal>> Read<T> for F {
    fn read(&self, input: Input<'_>) -> Result<T, Refusal> {
        self(input)
    }
}

/// A whole number within bounds.
#[derive(Clone, Copy)]
pub(super) struct Integer {
    low: usize,
    high: usize,
}

pub(super) const fn integer(bounds: RangeInclusive<usize>) -> Integer {
    Integer { low: *bounds.start(), high: *bounds.end() }
}

impl Read<usize> for Integer {
    fn read(&self, input: Input<'_>) -> Result<usize, Refusal> {
        let Self { low, high } = self;
        let number = match input {
            Input::Word(text) => text.parse().ok(),
            Input::Value(DeValue::Integer(literal), _) => {
                usize::from_str_radix(literal.as_str(), literal.radix()).ok()
            }
            Input::Value(other, _) => {
                let kind = kind(other);
                let hint = format!("is {kind}; write an integer from {low} to {high}");
                return Err(if other.is_str() { hint + ", without quotes" } else { hint }.into());
            }
        };
        number
            .filter(|number| (low..=high).contains(&number))
            .ok_or_else(|| format!("is out of range; allowed: {low} to {high}").into())
    }

    fn bounds(&self) -> Option<Value> {
        Some(json!({"minimum": self.low, "maximum": self.high}))
    }
}

/// The number of workers.
pub(super) struct Workers;

impl Workers {
    const COUNT: Integer = integer(1..=1_024);
}

impl Read<NonZeroUsize> for Workers {
    fn read(&self, input: Input<'_>) -> Result<NonZeroUsize, Refusal> {
        let number = Self::COUNT.read(input)?;
        NonZeroUsize::new(number).ok_or_else(|| "is out of range; allowed: 1 to 1024".into())
    }

    fn bounds(&self) -> Option<Value> {
        Self::COUNT.bounds()
    }
}

/// A duration within bounds. Every one has an upper bound: a deadline of `now + duration`
/// must not overflow the clock.
#[derive(Clone, Copy)]
pub(super) struct Lasting {
    low: Duration,
    high: Duration,
}

pub(super) const fn duration(bounds: RangeInclusive<Duration>) -> Lasting {
    Lasting { low: *bounds.start(), high: *bounds.end() }
}

impl Read<Duration> for Lasting {
    fn read(&self, input: Input<'_>) -> Result<Duration, Refusal> {
        let value = match input {
            Input::Value(DeValue::Integer(literal), _) => Err(format!(
                "has no unit; write a string with one (ms, s, m, h, d), such as \"{literal}s\""
            )
            .into()),
            _ => duration::parse(input.text("15m")?).map_err(Refusal::from),
        }?;
        if (self.low..=self.high).contains(&value) {
            return Ok(value);
        }
        let (low, high) = (duration::format(self.low), duration::format(self.high));
        Err(format!("is out of range; allowed: {low} to {high}").into())
    }

    /// JSON Schema has no order of texts, so that people are told the bounds; that zero is out of them, an editor sees.
    fn bounds(&self) -> Option<Value> {
        let (low, high) = (duration::format(self.low), duration::format(self.high));
        let told = format!("a duration with its unit, from {low} to {high}");
        Some(if self.low.is_zero() {
            json!({"description": told})
        } else {
            json!({"description": told, "pattern": duration::PATTERN_BUT_ZERO})
        })
    }
}

/// An enumeration that a configuration writes in words.
pub(super) trait Word: Copy + PartialEq + 'static {
    /// Each word and what it stands for.
    const WORDS: &'static [(&'static str, Self)];
}

/// One of a kind's words.
pub(super) fn word<T: Word>(input: Input<'_>) -> Result<T, Refusal> {
    let text = input.text(T::WORDS.first().map_or("", |(word, _)| word))?;
    let words = T::WORDS.iter().map(|(word, _)| *word);
    T::WORDS.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let allowed = words.clone().collect::<Vec<_>>().join(", ");
        let meant = nearest(text, words).map(|word| format!(" (did you mean \"{word}\"?)"));
        format!("is not known; allowed: {allowed}{}", meant.unwrap_or_default()).into()
    })
}

const ADDRESS: &str = "write an IP address and a port, such as \"127.0.0.1:8080\", \
     \"[::1]:8080\" or \"0.0.0.0:8080\" (port 0 takes a free one)";

/// Where clients are served: an address, or a Unix socket as nginx writes it.
pub(super) fn listen(input: Input<'_>) -> Result<Listen, Refusal> {
    let text = input.text("127.0.0.1:8080")?;
    match text.strip_prefix("unix:") {
        Some(path) if path.starts_with('/') && !path.contains('\0') => {
            Ok(Listen::Unix(PathBuf::from(path)))
        }
        Some(_) => Err("is not a Unix socket; write unix: and an absolute path, such as \
                        \"unix:/run/kidstamp/kidstamp.sock\""
            .into()),
        None => text.parse().map(Listen::Tcp).map_err(|_| {
            format!("is not an address to listen on; {ADDRESS}, or \"unix:/PATH\"").into()
        }),
    }
}

/// The rights of a Unix socket.
pub(super) fn socket_mode(input: Input<'_>) -> Result<SocketMode, Refusal> {
    let text = input.text("0660")?;
    let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| is_octal && *mode <= 0o777)
        .map(SocketMode)
        .ok_or_else(|| "is not the mode of a file; write octal digits such as \"0660\"".into())
}

/// The address of a listener that one can do without.
pub(super) fn address_or_off(input: Input<'_>) -> Result<Option<SocketAddr>, Refusal> {
    match input.text("127.0.0.1:9180")? {
        "off" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| format!("is not an address to listen on; {ADDRESS}, or \"off\"").into()),
    }
}

/// A file or a directory; relative ones in the file start at the file's own folder.
pub(super) fn path(input: Input<'_>) -> Result<PathBuf, Refusal> {
    let text = input.text("/etc/kidstamp/keys")?;
    if text.is_empty() || text.contains('\0') {
        return Err("is not a path".into());
    }
    Ok(match input {
        Input::Word(_) => PathBuf::from(text),
        Input::Value(_, file) => file.resolve(text),
    })
}

/// A text of its own kind, not empty.
pub(super) fn texts(input: Input<'_>) -> Result<Vec<String>, Refusal> {
    const ADVICE: &str = "write an array of strings, such as [\"my-client\"]; \
         leave the key out to allow all";
    let Input::Value(DeValue::Array(items), _) = input else {
        return Err(match input {
            Input::Value(other, _) => format!("is {}; {ADVICE}", kind(other)).into(),
            Input::Word(_) => ADVICE.into(),
        });
    };
    let texts: Option<Vec<_>> = items
        .iter()
        .map(|item| item.get_ref().as_str().filter(|text| !text.is_empty()).map(str::to_owned))
        .collect();
    match texts {
        Some(texts) if texts.is_empty() => Err(format!("is empty; {ADVICE}").into()),
        Some(texts) => Ok(texts),
        None => Err(format!("holds something else than a text; {ADVICE}").into()),
    }
}

/// Domains of e-mail addresses, which become lower case.
pub(super) fn domains(input: Input<'_>) -> Result<Vec<String>, Refusal> {
    const ADVICE: &str = "write an array of domains without @ and *, such as [\"example.com\"]; one means itself and \
         none below it, and other letters than ASCII's stand there in their xn-- form";
    let Input::Value(DeValue::Array(items), _) = input else {
        return Err(match input {
            Input::Value(other, _) => format!("is {}; {ADVICE}", kind(other)).into(),
            Input::Word(_) => ADVICE.into(),
        });
    };
    let is_label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(plain)
    };
    let is_domain = |text: &&str| text.contains('.') && text.split('.').all(is_label);
    let domains = items.iter().map(|item| {
        let domain = item.get_ref().as_str().filter(is_domain);
        domain.map(str::to_ascii_lowercase)
    });
    match domains.collect::<Option<Vec<_>>>() {
        Some(domains) if domains.is_empty() => Err(format!("is empty; {ADVICE}").into()),
        Some(domains) => Ok(domains),
        None => Err(format!("holds something else than a domain; {ADVICE}").into()),
    }
}

/// Networks in the notation of CIDR; an address alone is a network of one.
pub(super) fn networks(input: Input<'_>) -> Result<Vec<IpNet>, Refusal> {
    const ADVICE: &str =
        "write an array of networks or addresses, such as [\"10.0.0.0/8\", \"2001:db8::1\"]";
    let Input::Value(DeValue::Array(items), _) = input else {
        return Err(match input {
            Input::Value(other, _) => format!("is {}; {ADVICE}", kind(other)).into(),
            Input::Word(_) => ADVICE.into(),
        });
    };
    let network = |text: &str| -> Option<IpNet> {
        text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
    };
    let networks = items.iter().map(|item| item.get_ref().as_str().and_then(network));
    match networks.collect::<Option<Vec<_>>>() {
        // 10.1.2.3/8 means 10.0.0.0/8.
        Some(networks) => Ok(networks.iter().map(IpNet::trunc).collect()),
        None => Err(format!("holds something else than a network; {ADVICE}").into()),
    }
}

/// The upstream: an origin, since paths belong to issuers, or a Unix socket as nginx writes it.
pub(super) fn upstream(input: Input<'_>) -> Result<UpstreamUrl, Refusal> {
    let text = input.text("https://idp.internal:1411")?;
    if let Some(path) = text.strip_prefix("unix:") {
        if !path.starts_with('/') || path.contains('\0') {
            return Err("is not a Unix socket; write unix: and an absolute path, such as \
                        \"unix:/run/idp.sock\""
                .into());
        }
        let origin = Origin::parse("http://localhost")?;
        return Ok(UpstreamUrl { origin, socket: Some(PathBuf::from(path)) });
    }
    match Origin::parse(text) {
        Ok(origin) => Ok(UpstreamUrl { origin, socket: None }),
        Err(UrlError::Path) => Err("has a path; write scheme://host[:port] alone, \
             and put issuer paths into [[issuer]] issuer"
            .into()),
        Err(other) => Err(other.into()),
    }
}

/// An origin.
pub(super) fn origin(input: Input<'_>) -> Result<Origin, Refusal> {
    Ok(Origin::parse(input.text("https://idp.example.com")?)?)
}

/// The origins of applications in a browser, as it writes them in `Origin`.
pub(super) fn origins(input: Input<'_>) -> Result<Vec<String>, Refusal> {
    const ADVICE: &str = "write an array of origins, such as [\"https://app.example.com\"]; each application by name, since * \
         and null would let everyone in";
    let Input::Value(DeValue::Array(items), _) = input else {
        return Err(match input {
            Input::Value(other, _) => format!("is {}; {ADVICE}", kind(other)).into(),
            Input::Word(_) => ADVICE.into(),
        });
    };
    let origins = items.iter().map(|item| Origin::parse(item.get_ref().as_str()?).ok());
    match origins.collect::<Option<Vec<_>>>() {
        Some(origins) if origins.is_empty() => Err(format!("is empty; {ADVICE}").into()),
        Some(origins) => Ok(origins.iter().map(ToString::to_string).collect()),
        None => Err(format!("holds something else than an origin; {ADVICE}").into()),
    }
}

/// An issuer identifier, kept as it is written: RPs compare it byte for byte
/// (OpenID Connect Discovery 1.0, section 4.3).
pub(super) fn issuer(input: Input<'_>) -> Result<String, Refusal> {
    let text = input.text("https://idp.example.com")?;
    let (uri, _) = parse_url(text)?;
    // Section 2 of the same: no query and no fragment.
    if uri.query().is_some() {
        return Err(UrlError::Query.into());
    }
    Ok(text.to_owned())
}

/// The URL of an endpoint.
pub(super) fn endpoint(input: Input<'_>) -> Result<Uri, Refusal> {
    Ok(parse_url(input.text("https://idp.example.com/jwks")?)?.0)
}

/// The value of a member of the discovery document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Member {
    Flag(bool),
    Text(String),
    Texts(Vec<String>),
}

impl Member {
    /// As it stands in the document.
    pub(super) fn to_json(&self) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Text(text) => json::quote(text),
            Self::Texts(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| json::quote(text)).collect();
                format!("[{}]", texts.join(","))
            }
        }
    }
}

/// The value of a member of the discovery document: a text, a list of texts, true or false.
pub(super) fn member(input: Input<'_>) -> Result<Member, Refusal> {
    match input {
        Input::Value(DeValue::Boolean(flag), _) => Ok(Member::Flag(*flag)),
        Input::Value(DeValue::Array(items), _) => {
            let texts = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            let texts: Option<Vec<_>> = texts.collect();
            texts.map(Member::Texts).ok_or_else(|| {
                "holds something else than a text; write an array of strings, such as [\"S256\"]".into()
            })
        }
        other => Ok(Member::Text(other.text("https://idp.example.com/manual")?.to_owned())),
    }
}

/// The RFC 7638 thumbprint of a key.
pub(super) fn thumbprint(input: Input<'_>) -> Result<String, Refusal> {
    let text = input.text("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")?;
    match base64url::decode(text) {
        Some(digest) if digest.len() == 32 => Ok(text.to_owned()),
        _ => Err("is not a SHA-256 thumbprint (43 characters of base64url); \
                  `kidstamp thumbprint` prints it for each key"
            .into()),
    }
}

/// The `kid` of a key.
pub(super) fn kid(input: Input<'_>) -> Result<String, Refusal> {
    let text = input.text("1a2b")?;
    if text.is_empty() || text.len() > 128 || text.chars().any(char::is_control) {
        return Err("is not a key ID; write 1 to 128 bytes without control characters".into());
    }
    Ok(text.to_owned())
}

/// A path of a request, without a query.
pub(super) fn request_path(input: Input<'_>) -> Result<String, Refusal> {
    let text = input.text("/kidstamp/logout/my-client")?;
    let uri: Option<Uri> = text.parse().ok();
    let plain = uri.is_some_and(|uri| uri.authority().is_none() && uri.path() == text);
    if plain && text.starts_with('/') && !text.contains(['%', '#']) {
        Ok(text.to_owned())
    } else {
        Err("is not a plain path; write one such as \"/kidstamp/logout/my-client\"".into())
    }
}

/// A name that is not empty.
pub(super) fn name(input: Input<'_>) -> Result<String, Refusal> {
    let text = input.text("my-client")?;
    if text.is_empty() { Err("is empty".into()) } else { Ok(text.to_owned()) }
}

/// The name that the upstream's certificate must carry.
pub(super) fn server_name(input: Input<'_>) -> Result<String, Refusal> {
    let text = input.text("idp.example.com")?;
    match ServerName::try_from(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("is neither a DNS name nor an IP address; write one without a port".into()),
    }
}
