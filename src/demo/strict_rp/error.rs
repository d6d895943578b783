//! Why the relying party refuses, in the words that its user would see.

use crate::demo::http::HttpError;
use crate::jose::JwsError;

/// Why a login, a look at userinfo or a logout failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RpError {
    /// No answer, or not HTTP.
    #[error("{0}")]
    Http(String),
    /// The provider answered with an error.
    #[error("{what} answered {status}: {text}")]
    Provider {
        /// The endpoint.
        what: &'static str,
        /// The HTTP status, or 302 for an error that came with the browser.
        status: u16,
        /// What the provider says.
        text: String,
    },
    /// A document without a member that has to be there.
    #[error("{what} is not usable: {why}")]
    Document {
        /// The document.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Discovery is by another issuer (OpenID Connect Discovery §4.3).
    #[error("The discovery document is of issuer {found}, not of {expected}.")]
    DiscoveryIssuer {
        /// As configured.
        expected: String,
        /// As published.
        found: String,
    },
    /// A key without a string `kid` or `kty`: the whole set is refused.
    #[error("Bad JWK value: key {position} of {count} has no {member}.")]
    BadJwk {
        /// Its place, from 1.
        position: usize,
        /// How many keys there are.
        count: usize,
        /// What it lacks.
        member: &'static str,
    },
    /// The browser came back with a `state` that was not sent.
    #[error("The login was not started here.")]
    UnknownState,
    /// Not a signed token.
    #[error("The ID token can't be read: {0}.")]
    Token(JwsError),
    /// An algorithm other than the registered one.
    #[error("JWT signing algorithm `{0}` not allowed.")]
    Algorithm(String),
    /// The token names no key, or one that is not in the set.
    #[error("JWT signature not verified: {0}.")]
    NoSuchKey(String),
    /// A signature that is not by the key that the token names.
    #[error("JWT signature not verified.")]
    Signature,
    /// A claim that is not what it has to be (OpenID Connect Core §3.1.3.7).
    #[error("The ID token's `{claim}` is {found:?}, not {expected:?}.")]
    Claim {
        /// The claim.
        claim: &'static str,
        /// What it has to be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The ID token is too old.
    #[error("The ID token has expired.")]
    Expired,
    /// Userinfo is about someone else (OpenID Connect Core §5.3.2).
    #[error("Userinfo is about {found}, the ID token about {expected}.")]
    Subject {
        /// `sub` of the ID token.
        expected: String,
        /// `sub` of userinfo.
        found: String,
    },
    /// Nobody has signed in.
    #[error("Nobody is signed in.")]
    NotSignedIn,
    /// No random numbers.
    #[error("The system has no random numbers.")]
    Random,
}

impl From<HttpError> for RpError {
    fn from(error: HttpError) -> Self {
        Self::Http(error.to_string())
    }
}
