//! Paths, compared the way servers understand them.
//!
//! `/%6awks.json`, `//jwks.json`, `/a/../jwks.json`, `/jwks.json/` and `/jwks.json;x` reach the key set at one
//! provider or another, and some servers ignore case. A request that only looks different must not get the
//! unrepaired set, so endpoints are matched on this form; what is forwarded is what came.

use std::borrow::Cow;

/// `path` with escapes resolved, dot segments and empty segments removed, parameters cut off, in lower case.
pub fn normalise(path: &str) -> Cow<'_, str> {
    if is_normal(path) {
        return Cow::Borrowed(path);
    }
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split(['/', '\\']) {
        // Path parameters (RFC 3986 §3.3), which servlet containers cut off.
        let segment = segment.split(';').next().unwrap_or_default();
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    Cow::Owned(format!("/{}", segments.join("/")).to_lowercase())
}

/// True if normalising would change nothing: nearly every path is told by this one pass.
fn is_normal(path: &str) -> bool {
    let mut last = 0;
    for (at, byte) in path.bytes().enumerate() {
        let odd = match byte {
            b'%' | b'\\' | b';' | b'A'..=b'Z' => true,
            // An empty segment, or a dot that may begin a dot segment.
            b'/' | b'.' => last == b'/' && at > 0,
            other => !other.is_ascii(),
        };
        if odd {
            return false;
        }
        last = byte;
    }
    path.len() == 1 || last != b'/'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn aliases_become_one() {
        for alias in [
            "/jwks.json",
            "/%6awks.json",
            "/%6Awks%2Ejson",
            "//jwks.json",
            "/./jwks.json",
            "/a/../jwks.json",
            "/a/%2e%2e/jwks.json",
            "/jwks.json/",
            "/jwks.json;x=1",
            "/jwks.json/.",
            "/JWKS.json",
            "/\\jwks.json",
            "/../../jwks.json",
        ] {
            assert_eq!(normalise(alias), "/jwks.json", "{alias}");
        }
        assert_eq!(normalise("/"), "/");
        assert_eq!(normalise("/.well-known/jwks.json"), "/.well-known/jwks.json");
        assert_eq!(normalise("/a/b-c_d~1"), "/a/b-c_d~1");
        assert_ne!(normalise("/jwks.json2"), "/jwks.json");
    }

    #[test]
    fn ordinary_paths_are_not_copied() {
        for path in ["/", "/token", "/api/oidc/token", "/a.b/c"] {
            assert!(matches!(normalise(path), Cow::Borrowed(_)), "{path}");
        }
    }

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(path in "/[a-zA-Z./;\\\\~_-]{0,20}") {
            let once = normalise(&path).into_owned();
            prop_assert_eq!(normalise(&once), once.as_str());
        }
    }
}
