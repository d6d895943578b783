//! The kinds of token that a provider sends, and what each must be like to be taken for one.
//!
//! A token of one kind must never be vouched for as another (RFC 8725 §2.8, §3.11, §3.12): the header's `typ`
//! and the claims that only one kind has tell them apart.

use super::decide::Mode;
use crate::json::{Kind, Value};

/// What a token is, as the place says where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenKind {
    /// OpenID Connect Core §2
    IdToken,
    /// RFC 9068, and what providers before it made
    AccessToken,
    /// A userinfo response as JWT (OpenID Connect Core §5.3.2)
    UserInfo,
    /// An introspection response as JWT (RFC 9701)
    Introspection,
    /// An authorization response as JWT (JARM §2.1)
    Jarm,
    /// OpenID Connect Back-Channel Logout §2.4
    LogoutToken,
}

/// What is to happen to the tokens of an issuer, kind by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modes {
    /// To ID tokens.
    pub id_token: Mode,
    /// To access tokens.
    pub access_token: Mode,
    /// To userinfo responses that are JWTs.
    pub userinfo: Mode,
    /// To introspection responses that are JWTs.
    pub introspection: Mode,
    /// To authorization responses that are JWTs.
    pub jarm: Mode,
    /// To logout tokens.
    pub logout_token: Mode,
}

impl Default for Modes {
    /// ID tokens are what relying parties refuse; anything else is changed only where somebody asks for it.
    fn default() -> Self {
        Self {
            id_token: Mode::Auto,
            access_token: Mode::Pass,
            userinfo: Mode::Pass,
            introspection: Mode::Pass,
            jarm: Mode::Pass,
            logout_token: Mode::Pass,
        }
    }
}

impl Modes {
    /// What is to happen to tokens of `kind`.
    pub fn of(&self, kind: TokenKind) -> Mode {
        match kind {
            TokenKind::IdToken => self.id_token,
            TokenKind::AccessToken => self.access_token,
            TokenKind::UserInfo => self.userinfo,
            TokenKind::Introspection => self.introspection,
            TokenKind::Jarm => self.jarm,
            TokenKind::LogoutToken => self.logout_token,
        }
    }

    /// True if a token of some kind may be signed anew.
    pub fn may_resign(&self) -> bool {
        TokenKind::ALL.into_iter().any(|kind| matches!(self.of(kind), Mode::Auto | Mode::Resign))
    }
}

/// The event of a logout token (OpenID Connect Back-Channel Logout §2.4).
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

impl TokenKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::IdToken,
        Self::AccessToken,
        Self::UserInfo,
        Self::Introspection,
        Self::Jarm,
        Self::LogoutToken,
    ];

    /// The word for settings and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::IdToken => "id_token",
            Self::AccessToken => "access_token",
            Self::UserInfo => "userinfo",
            Self::Introspection => "introspection",
            Self::Jarm => "jarm",
            Self::LogoutToken => "logout_token",
        }
    }

    /// The words for messages to people.
    pub fn title(self) -> &'static str {
        match self {
            Self::IdToken => "ID token",
            Self::AccessToken => "access token",
            Self::UserInfo => "userinfo response",
            Self::Introspection => "introspection response",
            Self::Jarm => "authorization response",
            Self::LogoutToken => "logout token",
        }
    }

    /// True if a token of this kind may have this `typ`, in lower case (RFC 7515 §4.1.9).
    pub(super) fn may_have_typ(self, typ: Option<&str>) -> bool {
        match (self, typ) {
            // RFC 9701 §5: required, so that it is never taken for the token that it tells about.
            (Self::Introspection, typ) => typ == Some("token-introspection+jwt"),
            (_, None | Some("jwt")) => true,
            (Self::AccessToken, Some(typ)) => typ == "at+jwt",
            (Self::LogoutToken, Some(typ)) => typ == "logout+jwt",
            _ => false,
        }
    }

    /// True if a token of this kind may be signed with the secret of the client that it is for. An access token is for
    /// somebody else, who must not know it.
    pub(super) fn may_have_mac(self) -> bool {
        self != Self::AccessToken
    }

    /// True if a token of this kind must say whom it is for. Access tokens of many an old provider don't.
    pub(super) fn needs_audience(self) -> bool {
        self != Self::AccessToken
    }

    /// True if a token of this kind must say when it ends. Userinfo need not (OpenID Connect Core §5.3.2),
    /// introspection should not (RFC 9701 §5), and logout tokens did not before the final text.
    pub(super) fn needs_expiry(self) -> bool {
        matches!(self, Self::IdToken | Self::AccessToken | Self::Jarm)
    }

    /// True if the claims have what makes a token of this kind, beside what all kinds have.
    pub(super) fn fits(self, claims: Value<'_>) -> bool {
        match self {
            Self::IdToken | Self::AccessToken => true,
            Self::UserInfo => claims.get_str("sub").is_some(),
            Self::Introspection => {
                let told = claims.get("token_introspection");
                claims.get("iat").is_some() && told.is_some_and(|told| told.kind() == Kind::Object)
            }
            Self::Jarm => ["code", "error", "id_token", "access_token"]
                .into_iter()
                .any(|name| claims.get_str(name).is_some()),
            Self::LogoutToken => is_logout(claims),
        }
    }
}

/// OpenID Connect Back-Channel Logout §2.6 (4) to (7).
fn is_logout(claims: Value<'_>) -> bool {
    let event = claims.get("events").and_then(|events| events.get(LOGOUT_EVENT));
    let names_session = ["sub", "sid"].into_iter().any(|name| claims.get_str(name).is_some());
    event.is_some_and(|event| event.kind() == Kind::Object)
        && names_session
        && claims.get("iat").is_some()
        && claims.get_str("jti").is_some()
        && claims.get("nonce").is_none()
}
