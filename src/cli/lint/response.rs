//! `--token FILE`: a token, or the token response that it came in, with its head perhaps, as `curl -i` shows it.

use super::super::input::Input;
use super::super::output::visible;
use super::context::Context;
use crate::clock;
use crate::rules::jwks::RepairedSet;
use crate::rules::token_response::{self, Facts, Head};
use crate::rules::{Effect, Finding, Settings, claims};
use crate::token::{Examined, TokenResponse, examine, issuer_of};

/// What came of looking at a token and what was around it.
pub(in super::super) struct Looked {
    pub(in super::super) findings: Vec<Finding>,
    pub(in super::super) examined: Examined,
}

/// Looks at the token of the provider of `set` whose issuer is `issuer`; the error is for the operator.
pub(in super::super) fn look(
    input: &Input,
    context: &Context,
    set: &RepairedSet,
    issuer: Option<&str>,
) -> Result<Looked, String> {
    let text = input.text("a token, or a token response")?;
    let (head, body) = match text.starts_with("HTTP/") {
        true => {
            text.split_once("\r\n\r\n").or_else(|| text.split_once("\n\n")).unwrap_or((text, ""))
        }
        false => ("", text.trim()),
    };
    let mut findings = Vec::new();
    let unmarked = body.strip_prefix('\u{feff}').unwrap_or(body);
    let is_response = unmarked.starts_with('{');
    let as_response = || format!("{{\"id_token\":{}}}", crate::json::quote(body));
    let client = match is_response {
        true => context.client_of(unmarked),
        false => context.client_of(&as_response()),
    };
    let rules = context.rules_for(client);
    let response = if is_response {
        let repaired = token_response::repair(body, Facts::default(), rules)
            .map_err(|error| format!("{}: {error}", input.name))?;
        findings.extend(repaired.findings);
        if !head.is_empty() {
            findings.extend(of_head(head, rules));
        }
        repaired.text.into_owned()
    } else {
        as_response()
    };
    let parsed = TokenResponse::parse(response.as_bytes())
        .map_err(|error| format!("{}: {error}", input.name))?;
    let token =
        parsed.id_token().ok_or_else(|| format!("{}: there is no ID token in it", input.name))?;
    let options = context.claims(issuer, client);
    let examined = examine(&token, set, &options, clock::now())
        .map_err(|error| format!("{}: not a token: {error}", input.name))?;
    findings.extend(examined.issuer.as_deref().and_then(|name| of_issuer(name, &options)));
    Ok(Looked { findings, examined })
}

/// The token is of another issuer than the one that was asked about, and nothing says that they are one.
fn of_issuer(name: &str, options: &claims::Options) -> Option<Finding> {
    let expected = options.issuer.as_str();
    if expected.is_empty()
        || name == expected
        || options.issuer_aliases.iter().any(|alias| alias == name)
    {
        return None;
    }
    let is_slash = super::differ_by_slash(name, expected);
    Some(Finding {
        rule: "token/issuer-other",
        pointer: "/iss".to_owned(),
        detail: format!(
            "\"{}\" is not \"{}\"; if both are names of one provider, configure the first as one of issuer.aliases",
            visible(name),
            visible(expected)
        ),
        effect: Effect::Kept,
        flaw: is_slash.then_some("issuer-trailing-slash"),
    })
}

/// `iss` of the token in `input`, if one can be found.
pub(in super::super) fn issuer_in(input: &Input) -> Option<String> {
    let text = input.text("").ok()?;
    let (_, body) =
        text.split_once("\r\n\r\n").or_else(|| text.split_once("\n\n")).unwrap_or(("", text));
    let body = body.trim().trim_start_matches('\u{feff}');
    let response = if body.starts_with('{') {
        body.to_owned()
    } else {
        format!("{{\"id_token\":{}}}", crate::json::quote(body))
    };
    issuer_of(TokenResponse::parse(response.as_bytes()).ok()?.id_token()?.text())
}

fn of_head(head: &str, rules: &Settings) -> Vec<Finding> {
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let field = |name: &str| {
        let mut named = fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim())
    };
    let head = Head {
        status: status.unwrap_or(200),
        content_type: field("content-type"),
        cache_control: field("cache-control"),
    };
    token_response::repair_head(head, rules).findings
}
