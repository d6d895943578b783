//! The claims that decide whether a token may be vouched for (OpenID Connect Core §2, RFC 7519 §4.1).

use super::kind::TokenKind;
use crate::json::{Document, Kind, Value};
use std::borrow::Cow;

/// The claims of a token that verification looks at.
#[derive(Debug)]
pub(super) struct Claims<'d> {
    pub(super) issuer: Cow<'d, str>,
    pub(super) audiences: Vec<Cow<'d, str>>,
    /// When it ends; kinds that must say so do.
    pub(super) expires: Option<f64>,
    pub(super) not_before: Option<f64>,
    pub(super) issued_at: Option<f64>,
    /// True if a top-level claim has the carrier's name.
    pub(super) has_carrier: bool,
    /// True if the token is bound to a key (RFC 7800 §3.1).
    pub(super) is_bound: bool,
}

/// Why a payload is not a set of claims that can be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl<'d> Claims<'d> {
    /// Of a payload that was read strictly: an object with `iss`, and with `aud` and `exp` where the kind of token has
    /// them, in the types of RFC 7519 §4.1.
    pub(super) fn of(payload: &'d Document<'_>, token: TokenKind) -> Result<Self, Malformed> {
        let root = payload.root();
        if root.kind() != Kind::Object || !token.fits(root) {
            return Err(Malformed);
        }
        let (aud, exp) = (root.get("aud"), root.get("exp"));
        if (aud.is_none() && token.needs_audience()) || (exp.is_none() && token.needs_expiry()) {
            return Err(Malformed);
        }
        Ok(Self {
            issuer: root.get_str("iss").ok_or(Malformed)?,
            audiences: aud.map(audiences).transpose()?.unwrap_or_default(),
            expires: exp.map(numeric_date).transpose()?,
            not_before: root.get("nbf").map(numeric_date).transpose()?,
            issued_at: root.get("iat").map(numeric_date).transpose()?,
            has_carrier: root.get(super::CARRIER).is_some(),
            is_bound: root.get("cnf").is_some(),
        })
    }
}

/// `aud`: a string or an array of strings, at least one (RFC 7519 §4.1.3).
fn audiences(aud: Value<'_>) -> Result<Vec<Cow<'_, str>>, Malformed> {
    if let Some(one) = aud.as_str() {
        return Ok(vec![one]);
    }
    let all: Option<Vec<_>> = aud.elements().map(|element| element.as_str()).collect();
    all.filter(|all| !all.is_empty()).ok_or(Malformed)
}

/// A NumericDate (RFC 7519 §2): a JSON number of seconds, which may have a fraction.
fn numeric_date(value: Value<'_>) -> Result<f64, Malformed> {
    if value.kind() != Kind::Number {
        return Err(Malformed);
    }
    value.raw().parse().ok().filter(|seconds: &f64| seconds.is_finite()).ok_or(Malformed)
}
