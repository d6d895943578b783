//! Redirects: only the values of tokens change; where one leads, and all else it says, stays.

use kidstamp::token::{AuthorizationResponse, TokenKind};
use url::Url;

pub(super) fn run(data: &[u8]) {
    let (query, location) = super::halves(data);
    let (Ok(query), Ok(location)) = (std::str::from_utf8(query), std::str::from_utf8(location))
    else {
        return;
    };
    let Some(response) = AuthorizationResponse::from_location(location, query) else { return };
    let tokens: Vec<(TokenKind, String)> =
        response.tokens().map(|token| (token.kind(), token.text().to_owned())).collect();
    for (_, token) in &tokens {
        assert!(
            !query.contains(token.as_str()),
            "a token of the request is taken for one of the response"
        );
    }
    let new: Vec<(TokenKind, String)> = tokens
        .iter()
        .map(|(kind, _)| (*kind, format!("NEW-{}", kind.name().replace('_', "-"))))
        .collect();
    let after = String::from_utf8(response.with(&new)).expect("text stays text");
    assert_eq!(response.with(&[]), location.as_bytes());
    // Taken back, it is the response as it was, but for how the tokens were written.
    let before_token = location.find('=').expect("a parameter");
    assert_eq!(after.get(..before_token), location.get(..before_token));
    let (Ok(old), Ok(new_url)) = (Url::parse(location), Url::parse(&after)) else { return };
    assert_eq!(
        (old.scheme(), old.host(), old.port(), old.path(), old.username(), old.password()),
        (
            new_url.scheme(),
            new_url.host(),
            new_url.port(),
            new_url.path(),
            new_url.username(),
            new_url.password()
        ),
    );
    let parameters = |url: &Url| -> Vec<(String, String)> {
        let pairs = |part: &str| -> Vec<(String, String)> {
            url::form_urlencoded::parse(part.as_bytes()).into_owned().collect()
        };
        let mut all = pairs(url.query().unwrap_or_default());
        all.extend(pairs(url.fragment().unwrap_or_default()));
        all
    };
    let (old, new_parameters) = (parameters(&old), parameters(&new_url));
    assert_eq!(old.len(), new_parameters.len());
    let mut changed = 0;
    for (old, new) in old.iter().zip(&new_parameters) {
        assert_eq!(old.0, new.0);
        if old.1 != new.1 {
            assert!(new.1.starts_with("NEW-"), "{} became {}", old.1, new.1);
            changed += 1;
        }
    }
    assert!(changed <= tokens.len());
}
