//! The token endpoint: an ID token that relying parties could not verify is signed anew.

use crate::tokens::{self, PLAIN, claims};
use crate::{Answer, Gate, Key, Process, Sidecar, Upstream};
use std::thread;

const LOGIN: &str = "grant_type=authorization_code&code=abc";

#[test]
fn a_token_without_kid_is_signed_anew_and_can_be_turned_back() {
    let upstream = Upstream::start();
    let original = tokens::id_token();
    upstream.issue(&original);
    let sidecar = Sidecar::before(&upstream).start();
    let response = sidecar.client().post_form("/token", LOGIN);
    let resigned = tokens::id_token_of(&response.text());
    assert_ne!(resigned, original);
    assert_eq!(tokens::verify(&resigned, &sidecar.jwks()), Ok(()));
    assert_eq!(tokens::header_of(&resigned)["kid"], Key::bridge().thumbprint());
    assert_eq!(tokens::header_of(&resigned)["typ"], "JWT");
    assert_eq!(kidstamp::token::restore(&resigned), Some(original.clone()));
    assert!(
        tokens::verify(&original, &sidecar.jwks()).is_err(),
        "or else this would prove nothing"
    );
    assert_eq!(sidecar.resigned("kid_missing"), 1);
}

/// One line a request: what was done, why, and with which key.
#[test]
fn the_log_says_which_key_signed_and_why() {
    let upstream = Upstream::start();
    upstream.issue(&tokens::id_token());
    let settings = "server.log_format = \"json\"\nserver.log_requests = true";
    let (file, _folder) = Sidecar::before(&upstream).with(settings).write();
    let process = Process::start(&["serve", "--config", file.to_str().unwrap()]);
    process.await_ready();
    process.client().post_form("/token", LOGIN);
    process.client().get("/x");
    process.terminate();
    let (_, log) = process.ended();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &serde_json::Value| line["target"] == "kidstamp::request")
        .collect();
    let [token, other] = &lines[..] else { panic!("two requests: {log}") };
    assert_eq!(token["endpoint"], "token");
    assert_eq!(token["decision"], "resigned");
    assert_eq!(token["reason"], "kid_missing");
    assert_eq!(token["kid"], Key::bridge().thumbprint());
    assert_eq!(other["endpoint"], "other");
    for member in ["decision", "reason", "kid"] {
        assert_eq!(other[member], serde_json::Value::Null, "{member}");
    }
    assert_eq!(log.matches(&Key::bridge().thumbprint()).count(), 1, "no line of its own: {log}");
}

#[test]
fn threat_24_every_other_byte_of_the_response_stays() {
    let upstream = Upstream::start();
    let original = tokens::id_token();
    upstream.issue(&original);
    let sidecar = Sidecar::before(&upstream).start();
    let text = sidecar.client().post_form("/token", LOGIN).text();
    let resigned = tokens::id_token_of(&text);
    assert_eq!(text.replace(&resigned, &original), tokens::token_response(&original));
    let payload = tokens::payload_of(&resigned);
    let (start, rest) = payload.split_once("\"_kidstamp\":\"").expect("the carrier");
    let (_, rest) = rest.split_once("\",").expect("the end of the carrier");
    assert_eq!(
        format!("{start}{rest}"),
        tokens::payload_of(&original),
        "each claim stays to the letter"
    );
}

#[test]
fn threat_44_nothing_of_the_old_body_is_said_of_the_new_one() {
    let upstream = Upstream::start();
    let body = tokens::token_response(&tokens::id_token());
    let stale = "ETag: \"old\"\r\nDigest: SHA-256=x\r\nContent-Digest: sha-256=:x:\r\nRepr-Digest: sha-256=:x:\r\n\
                 Content-MD5: x\r\n";
    let kept = "Cache-Control: no-store\r\nPragma: no-cache\r\nX-Own: y\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n";
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\n{stale}{kept}Content-Length: {}\r\n\r\n",
        body.len()
    );
    upstream.on("/token", Answer::raw(head).then(body));
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    let response = client.post_form("/token", LOGIN);
    for field in ["etag", "digest", "content-digest", "repr-digest", "content-md5"] {
        assert_eq!(response.header(field), None, "{field}");
    }
    let length = response.body.len().to_string();
    assert_eq!(response.header("content-length"), Some(length.as_str()));
    assert_eq!(response.header("content-type"), Some("application/json;charset=UTF-8"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.head.all("set-cookie"), ["a=b", "c=d"]);
    assert_eq!(client.get("/x").text(), "ok", "the length was right");
}

#[test]
fn a_chunked_response_is_treated_too() {
    let upstream = Upstream::start();
    let body = tokens::token_response(&tokens::id_token());
    let (one, two) = body.split_at(body.len() / 2);
    let head =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n";
    let chunks = format!("{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n", one.len(), two.len());
    upstream.on("/token", Answer::raw(head).then(chunks));
    let sidecar = Sidecar::before(&upstream).start();
    let response = sidecar.client().post_form("/token", LOGIN);
    let resigned = tokens::id_token_of(&response.text());
    assert_eq!(tokens::verify(&resigned, &sidecar.jwks()), Ok(()));
}

/// The provider must be asked for a response that can be read.
#[test]
fn threat_43_the_provider_is_asked_for_a_whole_plain_response() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream).start();
    sidecar
        .client()
        .send("POST /token HTTP/1.1\r\nHost: idp.test\r\nAccept-Encoding: gzip\r\nRange: bytes=0-1\r\n")
        .send("If-None-Match: \"x\"\r\nContent-Length: 0\r\n\r\n")
        .response();
    let request = upstream.request();
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    assert_eq!((request.header("range"), request.header("if-none-match")), (None, None));
}

#[test]
fn a_token_that_strict_relying_parties_accept_passes_untouched() {
    let upstream = Upstream::start();
    upstream.publish(&[Key::idp().jwk(",\"kid\":\"k1\"")]);
    let token = Key::idp().sign(r#"{"alg":"RS256","kid":"k1"}"#, &claims());
    upstream.issue(&token);
    let sidecar = Sidecar::before(&upstream).start();
    let response = sidecar.client().post_form("/token", LOGIN);
    assert_eq!(response.text(), tokens::token_response(&token));
    assert_eq!(sidecar.passed("acceptable"), 1);
}

#[test]
fn a_kid_that_names_no_published_key_is_mended() {
    for kid in ["\"\"", "null", "7", "\"other\""] {
        let upstream = Upstream::start();
        let header = format!("{{\"alg\":\"RS256\",\"kid\":{kid}}}");
        upstream.issue(&Key::idp().sign(&header, &claims()));
        let sidecar = Sidecar::before(&upstream).start();
        let response = sidecar.client().post_form("/token", LOGIN);
        let resigned = tokens::id_token_of(&response.text());
        assert_eq!(tokens::verify(&resigned, &sidecar.jwks()), Ok(()), "{kid}");
    }
}

/// A key that is new in the set is in no relying party's cache yet.
#[test]
fn a_rotation_is_invisible_and_fetched_once_for_all_that_wait() {
    const CLIENTS: usize = 6;
    let upstream = Upstream::start();
    upstream.publish(&[Key::idp().jwk(",\"kid\":\"old\"")]);
    let sidecar = Sidecar::before(&upstream).start();
    let before = upstream.fetches_of("/jwks.json").len();
    let gate = Gate::new();
    let set = format!("{{\"keys\":[{}]}}", Key::next().jwk(",\"kid\":\"new\""));
    upstream.on("/jwks.json", Answer::json(set).after(&gate));
    upstream.issue(&Key::next().sign(r#"{"alg":"RS256","kid":"new"}"#, &claims()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = sidecar.client();
            thread::spawn(move || client.post_form("/token", LOGIN).text())
        })
        .collect();
    crate::eventually("every token has come", || {
        let answered = upstream.requests().iter().filter(|r| r.path() == "/token").count();
        (answered == CLIENTS && upstream.fetches_of("/jwks.json").len() > before).then_some(())
    });
    gate.open();
    for client in clients {
        let resigned = tokens::id_token_of(&client.join().unwrap());
        assert_eq!(tokens::verify(&resigned, &sidecar.jwks()), Ok(()));
        assert_eq!(tokens::header_of(&resigned)["kid"], Key::bridge().thumbprint());
    }
    assert_eq!(upstream.fetches_of("/jwks.json").len(), before + 1, "one fetch for all of them");
    assert_eq!(sidecar.resigned("kid_unsettled"), CLIENTS as u64);
}

/// What is fetched when the token comes may be the set from before.
#[test]
fn a_rotation_during_a_refresh_is_invisible_too() {
    let upstream = Upstream::start();
    let eager = "jwks.refresh_min = \"100ms\"\njwks.refresh_max = \"100ms\"";
    let sidecar = Sidecar::before(&upstream).with(eager).start();
    let (asked, gate) = (Gate::new(), Gate::new());
    let old = format!("{{\"keys\":[{}]}}", Key::idp().jwk(""));
    upstream.on(
        "/jwks.json",
        Answer::nothing().then_open(&asked).then_wait(&gate).then_answer(Answer::json(old)),
    );
    asked.wait();
    upstream.publish(&[Key::next().jwk("")]);
    let (answered, token) = (Gate::new(), Key::next().sign(PLAIN, &claims()));
    upstream.on("/token", Answer::json(tokens::token_response(&token)).then_open(&answered));
    let mut client = sidecar.client();
    let login = thread::spawn(move || client.post_form("/token", LOGIN).text());
    answered.wait();
    // Once it has done these, its only event loop has the token in hand, and waits for the old set.
    for _ in 0..3 {
        sidecar.client().get("/x");
    }
    gate.open();
    let resigned = tokens::id_token_of(&login.join().unwrap());
    assert_eq!(tokens::verify(&resigned, &sidecar.jwks()), Ok(()));
}

#[test]
fn threat_11_a_key_that_leaves_the_set_is_vouched_for_no_more() {
    let upstream = Upstream::start();
    let eager = "jwks.refresh_min = \"100ms\"\njwks.refresh_max = \"100ms\"";
    let sidecar = Sidecar::before(&upstream).with(eager).start();
    sidecar.client().post_form("/token", LOGIN);
    assert_eq!(sidecar.resigned("kid_missing"), 1);
    upstream.publish(&[Key::next().jwk("")]);
    crate::eventually("the new set is there", || {
        sidecar.jwks().contains(&Key::next().thumbprint()).then_some(())
    });
    assert!(!sidecar.jwks().contains(&Key::idp().thumbprint()));
    let old = tokens::id_token();
    upstream.issue(&old);
    let response = sidecar.client().post_form("/token", LOGIN);
    assert_eq!(response.text(), tokens::token_response(&old));
    assert_eq!(sidecar.passed("signature"), 1);
    upstream.issue(&Key::next().sign(PLAIN, &claims()));
    let resigned = tokens::id_token_of(&sidecar.client().post_form("/token", LOGIN).text());
    assert_eq!(tokens::verify(&resigned, &sidecar.jwks()), Ok(()));
}
