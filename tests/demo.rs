//! `kidstamp demo` as its user runs it.

use kidstamp::demo::http::{browse, get};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

fn demo() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kidstamp"));
    command.arg("demo").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command
}

#[test]
fn it_tells_what_happens_without_and_with_kidstamp() {
    let output = demo().output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert_eq!(errors, "");
    // In this order, each on a line of its own.
    let mut lines = text.lines();
    for expected in [
        "Straight to the provider",
        "  ok      Login: refused, because a key has no kid",
        "          The relying party says: Bad JWK value: key 1 of 1 has no kid.",
        "Through kidstamp",
        "  ok      Key set: every key has a kid of its own, nothing else of the provider's changed",
        "                  \"kty\": \"RSA\"",
        "          +     {",
        "  ok      Login: accepted, with an ID token that names its key",
        "              \"alg\": \"RS256\"",
        "  ok      Userinfo: read, with the provider's own access token",
        "          {\"name\":\"Demo\",\"preferred_username\":\"demo\",\"sub\":\"demo\"}",
        "  ok      Logout past kidstamp: refused by the provider, since it did not sign the ID token as it is now",
        "  ok      Logout: accepted, since the provider gets its own ID token back, to the byte",
        "Through kidstamp, with an ID token by a key that is not published",
        "  ok      Login: still refused, and the ID token does not carry kidstamp's signature",
        "          The relying party says: JWT signature not verified: the token names no key.",
        "All 7 steps went as they had to.",
    ] {
        assert!(lines.any(|line| line == expected), "{expected:?} in its place in:\n{text}");
    }
    let kids = text.matches("\n          +       \"kid\": \"").count();
    assert_eq!(kids, 2, "both keys get a kid in:\n{text}");
    assert!(!text.contains("FAILED") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn colours_are_for_who_wants_them() {
    let text = |variable| {
        let output = demo().env(variable, "1").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let forced = text("CLICOLOR_FORCE");
    assert!(forced.contains("\u{1b}[1m\u{1b}[32mok"), "{forced}");
    assert!(forced.contains("\u{1b}[32m+       \"kid\""), "{forced}");
    assert!(!text("NO_COLOR").contains('\u{1b}'));
}

/// Does not outlive a test that fails.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = self.0.kill();
    }
}

#[test]
fn what_it_keeps_can_be_tried() {
    let mut kept = Kept(demo().arg("--keep").stdout(Stdio::piped()).spawn().unwrap());
    let mut stdout = BufReader::new(kept.0.stdout.take().unwrap());
    let mut commands = Vec::new();
    // The last command that is named ends the reading: the process itself goes on.
    while commands.len() < 7 {
        let mut line = String::new();
        assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it ended after {commands:?}");
        if let Some(command) = line.trim().strip_prefix("curl ") {
            commands.push(command.trim_start_matches("-L ").trim().to_owned());
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answers: Vec<String> = commands
        .iter()
        .map(|command| {
            let url = command.split_whitespace().next().unwrap();
            let answer = runtime.block_on(async {
                if url.ends_with("json") { get(url).await } else { browse(url).await }
            });
            answer.unwrap().into_body()
        })
        .collect();
    let [plain, repaired, refused, accepted, userinfo, signed_out, forged] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert!(!plain.contains("\"kid\"") && repaired.matches("\"kid\"").count() == 2);
    assert_eq!(refused, "Login refused. Bad JWK value: key 1 of 1 has no kid.\n");
    assert_eq!(accepted, "Signed in as demo.\n");
    assert!(userinfo.contains("\"sub\":\"demo\""), "{userinfo}");
    assert_eq!(signed_out, "Signed out.\n");
    assert_eq!(forged, "Login refused. JWT signature not verified: the token names no key.\n");
    let interrupted =
        Command::new("kill").args(["-INT", &kept.0.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert!(kept.0.wait().unwrap().success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    let (url, _) = commands[0].split_once(' ').unwrap();
    assert!(runtime.block_on(get(url)).is_err(), "the port is free again");
}
