//! Writing single values as TOML; what stands here is read again by [`super::value`].

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use ipnet::IpNet;

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
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

impl Render for String {
    fn render(&self) -> String {
        quoted(self)
    }
}

impl Render for bool {
    fn render(&self) -> String {
        self.to_string()
    }
}

impl Render for usize {
    fn render(&self) -> String {
        self.to_string()
    }
}

impl Render for NonZeroUsize {
    fn render(&self) -> String {
        self.to_string()
    }
}

impl Render for Duration {
    fn render(&self) -> String {
        quoted(&duration::format(*self))
    }
}

impl Render for SocketAddr {
    fn render(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Render for UpstreamUrl {
    fn render(&self) -> String {
        match &self.socket {
            Some(path) => quoted(&format!("unix:{}", path.display())),
            None => self.origin.render(),
        }
    }
}

impl Render for Listen {
    fn render(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Render for SocketMode {
    fn render(&self) -> String {
        quoted(&format!("{:04o}", self.0))
    }
}

impl Render for Option<SocketAddr> {
    fn render(&self) -> String {
        self.map_or_else(|| quoted("off"), |address| address.render())
    }
}

impl Render for Origin {
    fn render(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Render for Uri {
    fn render(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Render for PathBuf {
    fn render(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Render for Vec<String> {
    fn render(&self) -> String {
        toml::Value::from(self.clone()).to_string()
    }
}

impl Render for Vec<IpNet> {
    fn render(&self) -> String {
        toml::Value::from(self.iter().map(ToString::to_string).collect::<Vec<_>>()).to_string()
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
}

impl<T: Word> Render for T {
    fn render(&self) -> String {
        quoted(T::WORDS.iter().find(|(_, value)| value == self).map_or("", |(word, _)| word))
    }
}
