//! kidstamp gives nothing away: no token and no key in its log, its metrics or its errors.

use crate::tokens::{self, claims, id_token_of};
use crate::{Answer, Key, Process, Sidecar, Upstream};

/// Everything that an operator, or whoever reads over their shoulder, gets to see.
fn outputs(process: &Process) -> String {
    ["/metrics", "/readyz", "/livez", "/status", "/status.json", "/x"]
        .iter()
        .fold(process.log(), |all, path| all + &process.admin(path).1)
}

#[test]
fn threat_35_no_token_is_seen_in_the_log_for_people() {
    assert_no_token_is_seen("text");
}

#[test]
fn threat_35_no_token_is_seen_in_the_log_for_machines() {
    assert_no_token_is_seen("json");
}

fn assert_no_token_is_seen(format: &str) {
    let upstream = Upstream::start();
    let settings = format!("server.log_format = \"{format}\"\nserver.log_requests = true");
    let (file, _folder) = Sidecar::before(&upstream).with(&settings).write();
    let process = Process::start(&["serve", "--config", file.to_str().unwrap()]);
    process.await_ready();
    let original = tokens::id_token();
    upstream.issue(&original);
    let resigned = id_token_of(
        &process.client().post_form("/token", "code=CANARY1&client_secret=CANARY2").text(),
    );
    let stranger = Key::stranger().sign(tokens::PLAIN, &claims());
    let broken = format!("{}CANARY3", &original[..original.len() - 20]);
    for token in [&stranger, &broken, &"CANARY4".to_owned()] {
        upstream.issue(token);
        process.client().post_form("/token", "code=CANARY1");
    }
    upstream.on("/bad", Answer::raw("CANARY5: no HTTP\r\n\r\n").then_close());
    let mut errors = String::new();
    for request in [
        format!(
            "GET /logout?id_token_hint={resigned}&state=CANARY6 HTTP/1.1\r\nHost: idp.test\r\n\r\n"
        ),
        format!(
            "GET /bad?access_token=CANARY7 HTTP/1.1\r\nHost: idp.test\r\nAuthorization: Bearer {resigned}\r\n\r\n"
        ),
        "GET /x?t=CANARY8 HTTP/1.1\r\nHost: CANARY9@x\r\nAuthorization: Bearer CANARY10\r\n\r\n"
            .to_owned(),
        "GET /CANARY11 HTTP/1.1\r\nHost: idp.test\r\nCookie: s=CANARY12\r\n\r\n".to_owned(),
        "POST /jwks.json?CANARY13 HTTP/1.1\r\nHost: idp.test\r\nContent-Length: 0\r\n\r\n"
            .to_owned(),
        "CANARY14\r\n\r\n".to_owned(),
    ] {
        if let Some(response) = process.client().send(request).try_response()
            && response.status >= 400
        {
            errors.push_str(&response.text());
        }
    }
    let seen = outputs(&process) + &errors;
    assert!(
        seen.contains("resigned") && seen.contains("kidstamp_tokens_total"),
        "or else this proves nothing"
    );
    assert!(!seen.contains("CANARY"), "{seen}");
    for token in [&original, &resigned, &stranger] {
        for part in token.split('.').skip(1) {
            assert!(!seen.contains(&part[..part.len().min(40)]), "{seen}");
        }
    }
}

/// threat_05: not of a good key, and not of one that is refused.
#[test]
fn threat_05_no_private_byte_is_seen_anywhere() {
    let pem = Key::bridge().pem();
    let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let upstream = Upstream::start();
    let (file, _folder) = Sidecar::before(&upstream).write();
    let process = Process::start(&["serve", "--config", file.to_str().unwrap()]);
    process.await_ready();
    let mut seen = process.client().post_form("/token", "grant_type=x").text();
    seen.push_str(&process.client().get("/jwks.json").text());
    seen.push_str(&outputs(&process));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cut.pem"), pem.replace("\n-----END", "A\n-----END"))
        .unwrap();
    std::fs::write(folder.path().join("20269999-bad.pem"), &pem).unwrap();
    let refused = Process::start(&[
        "serve",
        "--upstream",
        "http://127.0.0.1:9",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "off",
        "--keys",
        folder.path().to_str().unwrap(),
    ]);
    let (code, log) = refused.ended();
    assert_eq!(code, Some(2), "{log}");
    seen.push_str(&log);
    for line in lines {
        assert!(!seen.contains(line));
    }
    let url_safe: Vec<String> = Key::bridge().private_members();
    for member in url_safe {
        assert!(!seen.contains(&member));
    }
}
