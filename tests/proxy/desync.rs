//! Messages that two servers could understand in two ways, from `tests/fixtures/http1/desync.jsonl`: one line a rule.
//!
//! For requests, what counts is what reaches the provider: nothing, or exactly what was meant. For responses, what
//! the client gets, and what the next one gets.

use crate::http1::{End, Head};
use crate::tokens::discovery_with;
use crate::{Answer, Request, Response, Sidecar, Upstream};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::thread;

const CASES: &str = include_str!("../fixtures/http1/desync.jsonl");

/// What is not as it should be yet, and why. A case that turns good must leave this list.
const NOT_YET: [(&str, &str); 0] = [];

/// Requests in one go whose second one is meant, by what the rule says, though it is named as if it were not.
const MEANT: [&str; 2] = ["upgrade-smuggle", "zero-cl-smuggle"];

/// Responses whose body turns out to be none after the head has been sent: breaking off is all that is left.
const BREAKS_OFF: [&str; 1] = ["r-chunk-ext-lf"];

#[derive(Clone, Deserialize)]
struct Case {
    id: String,
    dir: String,
    expect: String,
    b64: String,
}

impl Case {
    fn all(dir: &str) -> Vec<Self> {
        let cases = CASES.lines().map(|line| serde_json::from_str::<Self>(line).expect("a case"));
        cases.filter(|case| case.dir == dir).collect()
    }

    fn bytes(&self) -> Vec<u8> {
        STANDARD.decode(&self.b64).unwrap()
    }
}

/// Runs every case, a few at a time; fails with a table of what went wrong.
fn run_all(dir: &str, count: usize, check: fn(&Case) -> Result<(), String>) {
    let cases = Case::all(dir);
    assert_eq!(cases.len(), count);
    let results: Vec<(String, Result<(), String>)> = thread::scope(|scope| {
        let threads: Vec<_> = cases
            .chunks(cases.len().div_ceil(8))
            .map(|cases| {
                scope.spawn(move || {
                    cases.iter().map(|case| (case.id.clone(), check(case))).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut wrong = String::new();
    for (id, result) in results {
        match (NOT_YET.iter().find(|(known, _)| *known == id), result) {
            (None, Ok(())) => {}
            (None, Err(problem)) => wrong += &format!("{id}: {problem}\n"),
            (Some((_, reason)), Err(_)) => println!("skipped: desync {id}: {reason}"),
            (Some(_), Ok(())) => wrong += &format!("{id}: is good now; take it out of NOT_YET\n"),
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// What came of a request case.
struct Outcome {
    responses: Vec<Response>,
    /// What came after the responses that were waited for.
    rest: String,
    requests: Vec<Request>,
}

/// Sends a case on one connection. At `/jwks`, the provider has its key set or something that means nothing.
fn exchange(case: &Case, jwks_path: &str) -> Outcome {
    let upstream = Upstream::start();
    let discovery = discovery_with("https://idp.test", &format!("https://idp.test{jwks_path}"));
    upstream.on("/.well-known/openid-configuration", Answer::json(discovery));
    let set = format!("{{\"keys\":[{}]}}", crate::Key::idp().jwk(""));
    upstream.on(jwks_path, Answer::json(set)).on("/token", Answer::json("{}"));
    // The silence after a head that never ends.
    let sidecar =
        Sidecar::before(&upstream).with("server.limits.header_timeout = \"500ms\"").start();
    let mut client = sidecar.client();
    client.send(case.bytes());
    let mut responses = Vec::new();
    let awaited = match case.expect.as_str() {
        "twoonly" => 2,
        "incomplete" => 0,
        _ => 1,
    };
    while responses.len() < awaited
        && let Some(response) = client.try_response()
    {
        responses.push(response);
    }
    let rest = client.finish().rest();
    Outcome { responses, rest, requests: upstream.requests() }
}

#[test]
fn threat_07_no_request_is_understood_in_two_ways() {
    run_all("request", 110, |case| {
        check_request(case, "/jwks.json")?;
        check_request(case, "/jwks").map_err(|problem| format!("with the key set there: {problem}"))
    });
}

fn check_request(case: &Case, jwks_path: &str) -> Result<(), String> {
    let outcome = exchange(case, jwks_path);
    let complete: Vec<&Request> =
        outcome.requests.iter().filter(|request| request.end == End::Complete).collect();
    let paths: Vec<&str> = complete.iter().map(|request| request.path()).collect();
    let statuses: Vec<u16> = outcome.responses.iter().map(|response| response.status).collect();
    let told = format!("{statuses:?}, then {:?}, and {paths:?} at the upstream", outcome.rest);
    let must = |is: bool, what: &str| if is { Ok(()) } else { Err(format!("{what}: {told}")) };

    let is_meant = MEANT.contains(&case.id.as_str());
    must(is_meant || !outcome.requests.iter().any(|r| r.path() == "/smuggled"), "smuggled")?;
    for request in &outcome.requests {
        must(is_framed_once(&request.head), "two lengths at the upstream")?;
        must(!request.head.all("host").contains(&"evil.test"), "another host at the upstream")?;
        let framing = ["content-length", "transfer-encoding", "host", "x-kidstamp-issuer"];
        let in_trailers =
            |name: &str| request.trailers.iter().any(|(field, _)| field.eq_ignore_ascii_case(name));
        must(!framing.iter().any(|name| in_trailers(name)), "framing in the trailers")?;
    }
    match case.expect.as_str() {
        "safe" | "strip-kidstamp" | "strip-forwarded" => {
            must(!statuses.is_empty(), "no answer")?;
            must(complete.len() <= if is_meant { 2 } else { 1 }, "more than was meant")?;
            must(statuses[0] < 500, "the upstream is blamed")?;
            let spoofed = outcome.requests.iter().flat_map(|request| &request.head.fields).any(
                |(name, value)| {
                    name.to_ascii_lowercase().contains("kidstamp")
                        || value.contains("evil.test")
                        || value == "1.2.3.4"
                },
            );
            must(!spoofed, "what a client may not say")
        }
        "reject" => {
            must(
                statuses.iter().all(|status| (400..500).contains(status) || *status == 505),
                "not refused",
            )?;
            must(complete.is_empty() && outcome.requests.len() <= 1, "it reached the upstream")?;
            must(!outcome.rest.contains("HTTP/1.1 2"), "something was answered after it")
        }
        "incomplete" => {
            must(complete.is_empty() && outcome.requests.len() <= 1, "taken for complete")?;
            must(!outcome.rest.contains("HTTP/1.1 2"), "answered as if it were complete")
        }
        "twoonly" => {
            let local = usize::from(jwks_path == "/jwks");
            must(statuses.len() == 2 && outcome.rest.is_empty(), "not two responses")?;
            must(
                complete.len() == 2 - local && outcome.requests.len() == complete.len(),
                "not two requests",
            )
        }
        other => Err(format!("an unknown expectation: {other}")),
    }
}

fn is_framed_once(head: &Head) -> bool {
    // `Content_Length` is one, too, to a server in the manner of CGI.
    let lengths = ["content-length", "transfer-encoding", "content_length", "transfer_encoding"];
    lengths.iter().map(|name| head.all(name).len()).sum::<usize>() < 2
}

#[test]
fn threat_08_no_response_is_understood_in_two_ways() {
    run_all("response", 28, check_response);
}

fn check_response(case: &Case) -> Result<(), String> {
    let (upstream, bytes) = (Upstream::start(), case.bytes());
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    // Where the end of the connection ends the response, or nothing else does.
    let ends =
        case.expect != "safe" || text.contains("HTTP/1.0") || text.contains("Connection: close");
    let answer = Answer::raw(&bytes);
    upstream.on("/bad", if ends { answer.then_close() } else { answer });
    let sidecar = Sidecar::before(&upstream).with("upstream.timeouts.first_byte = \"2s\"").start();
    let response =
        sidecar.client().send("GET /bad HTTP/1.1\r\nHost: idp.test\r\n\r\n").try_response();
    for _ in 0..3 {
        let next = sidecar.client().get("/next");
        if next.status != 200 || next.text() != "ok" {
            return Err(format!("the next client got {next:?}"));
        }
    }
    let told = format!("{response:?}");
    let must = |is: bool, what: &str| if is { Ok(()) } else { Err(format!("{what}: {told}")) };
    let refused = response.as_ref().is_some_and(|response| response.status == 502);
    must(!told.contains("EVIL"), "EVIL")?;
    match (case.expect.as_str(), response) {
        ("502", _) => must(refused, "not refused"),
        ("incomplete-502", None) => Ok(()),
        ("incomplete-502", Some(response)) => {
            must(refused || response.end == End::Broken, "taken for complete")
        }
        ("safe", None) => Err("no answer".to_owned()),
        ("safe", Some(_)) if refused => Ok(()),
        ("safe", Some(response)) => {
            let breaks_off = BREAKS_OFF.contains(&case.id.as_str());
            must((response.end == End::Broken) == breaks_off, "broken")?;
            must(is_framed_once(&response.head), "two lengths")?;
            for (name, value) in fields_of(&text) {
                let values = response.head.all(name);
                must(values.contains(&value), &format!("{name} is not as it was"))?;
            }
            Ok(())
        }
        (other, _) => Err(format!("an unknown expectation: {other}")),
    }
}

/// The fields of a response that must be passed on to the letter.
fn fields_of(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let fields = text.split("\r\n").filter_map(|line| line.split_once(": "));
    fields.filter(|(name, _)| ["Location", "Set-Cookie"].contains(name))
}
