//! The status page: the same as `/status.json`, for people. No script, nothing from elsewhere; every text that is
//! not kidstamp's own is escaped, since issuers, key IDs and findings hold what a provider wrote.

use super::status::{Counts, Issuer, Status};
use std::fmt::{self, Write as _};

/// What a browser may do with the page: show it.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "\
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{max-width:70em;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse;margin:.5em 0 1.5em}th,td{text-align:left;vertical-align:top;padding:.2em 1em .2em 0;\
border-bottom:1px solid #8884}code{overflow-wrap:anywhere}.ok,.attention,.alarm{padding:.1em .6em;border-radius:.3em;\
color:#fff}.ok{background:#2a7a3b}.attention{background:#9a6b00}.alarm{background:#b3261e}";

/// A text that is shown as it is written.
struct Text<'t>(&'t str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for sign in self.0.chars() {
            match sign {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // What is not seen, or turns the direction of what is.
                _ if sign.is_control()
                    || matches!(sign, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
                {
                    write!(f, "\\u{:04x}", u32::from(sign))?;
                }
                _ => f.write_char(sign)?,
            }
        }
        Ok(())
    }
}

/// The page.
pub(super) fn html(status: &Status) -> Result<String, fmt::Error> {
    let mut page = String::new();
    let level = status.level.name();
    write!(
        page,
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>kidstamp: {level}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n\
         <h1>kidstamp <span class=\"{level}\">{level}</span></h1>\n\
         <p>Version {}, before <code>{}</code>; {} since {}; as of {}. The same as data: <a href=\"/status.json\">\
         /status.json</a>.</p>\n",
        status.version,
        Text(&status.upstream),
        if status.serving { "serving" } else { "draining" },
        status.started,
        status.time,
    )?;
    write!(
        page,
        "<h2>Is the bridge still needed?</h2>\n<p>{}</p>\n<ul>\n",
        Text(status.bridge.text)
    )?;
    for (reason, is_needed) in status.bridge.sunset.reasons() {
        writeln!(page, "<li>{reason}: {}</li>", if is_needed { "yes" } else { "no" })?;
    }
    page.push_str("</ul>\n");
    list(&mut page, "Settings that deserve a look", &status.warnings)?;
    for issuer in &status.issuers {
        write_issuer(&mut page, issuer)?;
    }
    write_tokens(&mut page, status)?;
    counts(&mut page, "Tokens that came back and were restored, by place", &status.restores)?;
    counts(&mut page, "Exchanges with the provider that failed", &status.upstream_failures)?;
    counts(&mut page, "New configurations", &status.reloads)?;
    page.push_str("</body></html>\n");
    Ok(page)
}

fn write_issuer(page: &mut String, issuer: &Issuer) -> fmt::Result {
    let level = issuer.level.name();
    writeln!(
        page,
        "<h2>Issuer <code>{}</code> <span class=\"{level}\">{level}</span></h2>",
        Text(issuer.issuer.as_deref().unwrap_or("(not known yet)")),
    )?;
    match (&issuer.fetched, issuer.age_seconds) {
        (Some(fetched), Some(age)) => writeln!(
            page,
            "<p>Documents of {fetched}, {age} seconds ago{}; {} attempts succeeded, {} failed.</p>",
            if issuer.usable { "" } else { ", which is too old: the key set is answered with 502" },
            issuer.attempts.succeeded,
            issuer.attempts.failed,
        )?,
        _ => page.push_str("<p>There are no documents of the provider yet.</p>\n"),
    }
    if let Some(error) = &issuer.error {
        writeln!(page, "<p>The last attempt failed: {}</p>", Text(error))?;
    }
    if issuer.findings.is_empty() {
        page.push_str("<p>Nothing is wrong with its documents.</p>\n");
    } else {
        head(page, &["rule", "where", "what was found", "what became of it", "reference"])?;
        for finding in &issuer.findings {
            writeln!(
                page,
                "<tr><td><code>{}</code><br>{}</td><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td></tr>",
                finding.rule,
                Text(finding.summary),
                Text(&finding.pointer),
                Text(&finding.detail),
                finding.effect,
                Text(finding.reference),
            )?;
        }
        page.push_str("</table>\n");
    }
    head(page, &["published key", "type", "alg", "use", "of"])?;
    for key in &issuer.published {
        let text = |value: &Option<String>| Text(value.as_deref().unwrap_or("-")).to_string();
        writeln!(
            page,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            text(&key.kid),
            text(&key.kty),
            text(&key.alg),
            text(&key.usage),
            key.by,
        )?;
    }
    page.push_str("</table>\n");
    head(page, &["bridge key", "alg", "state"])?;
    for key in &issuer.bridge_keys {
        writeln!(
            page,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            Text(&key.kid),
            key.alg,
            key.state
        )?;
    }
    page.push_str("</table>\n");
    Ok(())
}

fn write_tokens(page: &mut String, status: &Status) -> fmt::Result {
    page.push_str("<h2>Tokens</h2>\n");
    head(page, &["kind", "what happened", "why", "how often", "what to do"])?;
    for tokens in &status.tokens {
        writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            tokens.kind,
            tokens.action,
            tokens.reason,
            tokens.count,
            Text(tokens.advice.unwrap_or("")),
        )?;
    }
    page.push_str("</table>\n");
    if !status.token_findings.is_empty() {
        head(page, &["rule", "found in tokens and token responses", "how often"])?;
        for finding in &status.token_findings {
            writeln!(
                page,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                finding.rule,
                Text(finding.summary),
                finding.count
            )?;
        }
        page.push_str("</table>\n");
    }
    Ok(())
}

fn head(page: &mut String, columns: &[&str]) -> fmt::Result {
    page.push_str("<table><tr>");
    for column in columns {
        write!(page, "<th>{column}</th>")?;
    }
    page.push_str("</tr>\n");
    Ok(())
}

fn list(page: &mut String, title: &str, texts: &[String]) -> fmt::Result {
    if texts.is_empty() {
        return Ok(());
    }
    writeln!(page, "<h2>{title}</h2>\n<ul>")?;
    for text in texts {
        writeln!(page, "<li>{}</li>", Text(text))?;
    }
    page.push_str("</ul>\n");
    Ok(())
}

fn counts(page: &mut String, title: &str, counts: &Counts) -> fmt::Result {
    if counts.values().all(|count| *count == 0) {
        return Ok(());
    }
    writeln!(page, "<h2>{title}</h2>\n<ul>")?;
    for (word, count) in counts {
        writeln!(page, "<li>{word}: {count}</li>")?;
    }
    page.push_str("</ul>\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_wrote_is_shown_and_not_acted_on() {
        let text = Text("<script>alert('x')</script> & \"q\" \u{202e}gpj\u{7}\r\n é").to_string();
        assert_eq!(
            text,
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;q&quot; \\u202egpj\\u0007\\u000d\\u000a é"
        );
    }
}
