//! Writing single values as TOML; what stands here is read again by [`super::value`].

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use ipnet::IpNet;
use serde_json::{Value, json};

use super::duration;
use super::model::{Listen, SocketMode, UpstreamUrl};
use super::origin::Origin;
use super::value::{Member, Word};

/// A key, in quotes if it needs them.
pub(super) fn key(key: &str) -> String {
    let bare = !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if bare { key.to_owned() } else { quoted(key) }
}

/// How a value stands in TOML: what `config show` writes can be read again.
pub(super) trait Render {
    /// The value in TOML.
    fn render(&self) -> String;

    /// What values of the type look like, as a JSON Schema.
    fn schema() -> Value;
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

impl Render for String {
    fn render(&self) -> String {
        quoted(self)
    }

    fn schema() -> Value {
        json!({"type": "string"})
    }
}

impl Render for bool {
    fn render(&self) -> String {
        self.to_string()
    }

    fn schema() -> Value {
        json!({"type": "boolean"})
    }
}

impl Render for usize {
    fn render(&self) -> String {
        self.to_string()
    }

    fn schema() -> Value {
        json!({"type": "integer", "minimum": 0})
    }
}

impl Render for NonZeroUsize {
    fn render(&self) -> String {
        self.to_string()
    }

    fn schema() -> Value {
        json!({"type": "integer", "minimum": 1})
    }
}

impl Render for Duration {
    fn render(&self) -> String {
        quoted(&duration::format(*self))
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": duration::PATTERN})
    }
}

impl Render for SocketAddr {
    fn render(&self) -> String {
        quoted(&self.to_string())
    }

    fn schema() -> Value {
        json!({"type": "string", "description": "an IP address and a port"})
    }
}

impl Render for UpstreamUrl {
    fn render(&self) -> String {
        match &self.socket {
            Some(path) => quoted(&format!("unix:{}", path.display())),
            None => self.origin.render(),
        }
    }

    fn schema() -> Value {
        json!({"type": "string"})
    }
}

impl Render for Listen {
    fn render(&self) -> String {
        quoted(&self.to_string())
    }

    fn schema() -> Value {
        json!({"type": "string"})
    }
}

impl Render for SocketMode {
    fn render(&self) -> String {
        quoted(&format!("{:04o}", self.0))
    }

    fn schema() -> Value {
        json!({"type": "string"})
    }
}

impl Render for Option<SocketAddr> {
    fn render(&self) -> String {
        self.map_or_else(|| quoted("off"), |address| address.render())
    }

    fn schema() -> Value {
        json!({"type": "string", "description": "an IP address and a port, or off"})
    }
}

impl Render for Origin {
    fn render(&self) -> String {
        quoted(&self.to_string())
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^https?://[^/]+/?$"})
    }
}

impl Render for Uri {
    fn render(&self) -> String {
        quoted(&self.to_string())
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^https?://"})
    }
}

impl Render for PathBuf {
    fn render(&self) -> String {
        quoted(&self.to_string_lossy())
    }

    fn schema() -> Value {
        json!({"type": "string", "description": "a path; a relative one starts at the folder of this file"})
    }
}

impl Render for Vec<String> {
    fn render(&self) -> String {
        toml::Value::from(self.clone()).to_string()
    }

    fn schema() -> Value {
        json!({"type": "array", "items": {"type": "string"}, "minItems": 1})
    }
}

impl Render for Vec<IpNet> {
    fn render(&self) -> String {
        toml::Value::from(self.iter().map(ToString::to_string).collect::<Vec<_>>()).to_string()
    }

    fn schema() -> Value {
        json!({"type": "array", "items": {"type": "string"}})
    }
}

impl Render for Member {
    fn render(&self) -> String {
        match self {
            Self::Flag(flag) => flag.render(),
            Self::Text(text) => text.render(),
            Self::Texts(texts) => texts.render(),
        }
    }

    fn schema() -> Value {
        json!({"anyOf": [{"type": "boolean"}, {"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
    }
}

impl<T: Word> Render for T {
    fn render(&self) -> String {
        quoted(T::WORDS.iter().find(|(_, value)| value == self).map_or("", |(word, _)| word))
    }

    fn schema() -> Value {
        let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
        json!({"enum": words})
    }
}
