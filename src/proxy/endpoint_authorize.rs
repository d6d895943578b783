//! Authorization responses: redirects and pages that bring tokens through the browser.
//!
//! The authorization endpoint sends them to a user who is signed in. To one who had to sign in first, they
//! come from wherever the provider's login pages lead, so redirects are looked at on every path that is not
//! known for something else, and pages there if they answer a POST of a form and the provider offers such
//! response types. What brings no token passes as it came.

use super::asked::Asked;
use super::body::Body;
use super::nonces::{self, Asking};
use super::rewrite;
use super::vouch::{Treated, Vouched, passed, vouch};
use super::worker::Worker;
use crate::token::{
    AuthorizationCode, AuthorizationResponse, TokenKind, UpstreamToken, repair_issuer_in_page,
    repair_issuer_parameter,
};
use crate::upstream::{Endpoint, Route, Site};
use bytes::Bytes;
use http::header::{HeaderValue, LOCATION};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode};

/// What the response to a request may be, as the request says.
pub(super) struct Expected {
    /// The target of a request that has a query.
    target: Option<PathAndQuery>,
    issuer: Option<usize>,
    /// A page may bring tokens.
    pub(super) page: bool,
    /// A login of a client whose nonces are remembered.
    asking: Option<Asking>,
    /// The way of codes is followed.
    follows: bool,
}

impl Expected {
    /// What may answer `request`; `None` if no authorization response can.
    pub(super) fn of<B>(site: &Site, route: Option<&Route>, request: &Request<B>) -> Option<Self> {
        let page = match route.map(|route| route.endpoint) {
            Some(Endpoint::Authorization) => true,
            None | Some(Endpoint::Other) => request.method() == Method::POST,
            Some(_) => return None,
        };
        Some(Self {
            target: request
                .uri()
                .path_and_query()
                .filter(|target| target.query().is_some())
                .cloned(),
            issuer: route.map(|route| route.issuer),
            page: page && site.reads_pages,
            asking: site.restores_nonces.then(|| Asking::of(route, request.uri())).flatten(),
            follows: site.restores_nonces,
        })
    }

    /// The issuer of the first of the tokens: by the path, or by its own word, which is checked later.
    fn issuer<'t>(&self, site: &Site, response: &AuthorizationResponse<'t>) -> Option<usize> {
        let token = response.tokens().find(|token| token.kind() != TokenKind::AccessToken);
        let claimed = || token.and_then(UpstreamToken::claimed_issuer);
        self.issuer.or_else(|| site.issuer_named(claimed))
    }

    /// Remembers the code of a response, or that none has come yet.
    fn follow(&self, worker: &Worker, code: impl FnOnce() -> Option<AuthorizationCode>) {
        if self.follows {
            nonces::follow(worker, self.asking.as_ref(), code());
        }
    }

    fn query(&self) -> &str {
        self.target.as_ref().and_then(PathAndQuery::query).unwrap_or_default()
    }
}

/// Treats a response that may be an authorization response; returns what was done, for the log.
pub(super) async fn treat(
    worker: &Worker,
    site: &Site,
    expected: &Expected,
    response: Response<Body>,
) -> Treated {
    // On the heap, since few responses need it.
    if response.status().is_redirection() {
        Box::pin(treat_redirect(worker, site, expected, response)).await
    } else if expected.page && response.status() == StatusCode::OK {
        Box::pin(treat_page(worker, site, expected, response)).await
    } else {
        expected.follow(worker, || None);
        Ok((response, None))
    }
}

async fn treat_redirect(
    worker: &Worker,
    site: &Site,
    expected: &Expected,
    mut response: Response<Body>,
) -> Treated {
    // Two of them would be read differently by different browsers.
    let mut locations = response.headers().get_all(LOCATION).iter();
    let (Some(location), None) = (locations.next(), locations.next()) else {
        return Ok((response, None));
    };
    let mut location = location.clone();
    expected.follow(worker, || {
        AuthorizationCode::in_location(location.to_str().ok()?, expected.query())
    });
    if let Some(new) = with_issuer(site, expected, &location) {
        location = new;
        response.headers_mut().insert(LOCATION, location.clone());
    }
    let Some(redirect) = location
        .to_str()
        .ok()
        .and_then(|location| AuthorizationResponse::from_location(location, expected.query()))
    else {
        return Ok((response, None));
    };
    let vouched = judge(worker, site, expected, &redirect).await;
    vouched.check()?;
    vouched.annotate(response.headers_mut());
    if !vouched.tokens.is_empty()
        && let Ok(mut new) = HeaderValue::from_bytes(&redirect.with(&vouched.tokens))
    {
        new.set_sensitive(true);
        response.headers_mut().insert(LOCATION, new);
    }
    Ok((response, vouched.deed))
}

/// The `Location` with the issuer that relying parties know, where the provider has another name for itself in it.
fn with_issuer(site: &Site, expected: &Expected, location: &HeaderValue) -> Option<HeaderValue> {
    let location = location.to_str().ok()?;
    let new = repaired_issuer(site, expected, |issuer, aliases| {
        repair_issuer_parameter(location, expected.query(), issuer, aliases)
    })?;
    let mut new = HeaderValue::from_str(&new).ok()?;
    new.set_sensitive(true);
    Some(new)
}

/// What `repair` makes of the name that relying parties know and the others that the provider has for itself, if any.
fn repaired_issuer<T>(
    site: &Site,
    expected: &Expected,
    repair: impl FnOnce(&str, &[String]) -> Option<T>,
) -> Option<T> {
    let issuer = expected.issuer.or_else(|| site.issuer_named(|| None))?;
    let snapshot = site.snapshot(issuer)?;
    let claims = &snapshot.treatments.of(None).trust.claims;
    let has_aliases = !claims.issuer_aliases.is_empty();
    has_aliases.then(|| repair(&claims.issuer, &claims.issuer_aliases)).flatten()
}

async fn treat_page(
    worker: &Worker,
    site: &Site,
    expected: &Expected,
    response: Response<Body>,
) -> Treated {
    let media_type = rewrite::media_type(response.headers());
    if !matches!(&*media_type, "text/html" | "application/xhtml+xml") {
        expected.follow(worker, || None);
        return Ok((response, None));
    }
    let (mut parts, mut html) = match rewrite::read(worker, response).await {
        Ok((parts, html)) if html.is_empty() => {
            return Ok((Response::from_parts(parts, Body::Empty), None));
        }
        Ok(read) => read,
        Err((response, "encoded")) => {
            expected.follow(worker, || None);
            let word = passed(worker, TokenKind::IdToken, "encoded");
            return Ok((response, Some(word.into())));
        }
        // Too long for a form that posts itself, or broken off.
        Err((response, _)) => {
            expected.follow(worker, || None);
            return Ok((response, None));
        }
    };
    expected.follow(worker, || AuthorizationCode::in_page(&html, expected.query()));
    let repaired = repaired_issuer(site, expected, |issuer, aliases| {
        repair_issuer_in_page(&html, expected.query(), issuer, aliases)
    });
    if let Some(new) = repaired {
        rewrite::forget_old_body(&mut parts.headers);
        html = Bytes::from(new);
    }
    let Some(page) = AuthorizationResponse::from_page(&html, expected.query()) else {
        return Ok((Response::from_parts(parts, Body::Full(html)), None));
    };
    let vouched = judge(worker, site, expected, &page).await;
    vouched.check()?;
    vouched.annotate(&mut parts.headers);
    let new = if vouched.tokens.is_empty() {
        html.clone()
    } else {
        rewrite::forget_old_body(&mut parts.headers);
        Bytes::from(page.with(&vouched.tokens))
    };
    Ok((Response::from_parts(parts, Body::Full(new)), vouched.deed))
}

async fn judge(
    worker: &Worker,
    site: &Site,
    expected: &Expected,
    response: &AuthorizationResponse<'_>,
) -> Vouched {
    match expected.issuer(site, response) {
        Some(issuer) => {
            let mut asked = Asked::default();
            asked.learn_from_form(&Bytes::copy_from_slice(expected.query().as_bytes()));
            vouch(worker, issuer, &asked, response.tokens()).await
        }
        None => Vouched::of_nobody(worker, response.tokens().map(UpstreamToken::kind)),
    }
}
