//! The command line as its users type it: arguments in, text and exit code out.

#![allow(clippy::unwrap_used, clippy::string_slice, reason = "a test may assert by unwrapping")]

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

#[test]
fn commands() {
    trycmd::TestCases::new().case("tests/cli/*.trycmd").case("tests/cli/*.toml");
}

fn kidstamp(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kidstamp"))
        .args(arguments)
        .env_remove("KIDSTAMP_KEYS")
        .env_remove("KIDSTAMP_ADMIN")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// What a command that must succeed prints.
fn printed(arguments: &[&str], input: &[u8]) -> String {
    let output = kidstamp(arguments, input);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn fix_changes_no_other_byte_and_nothing_twice() {
    const KID: &str = "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI";
    let text = include_str!("fixtures/jwks/pocket-id-0.8.0.json");
    let pretty = include_str!("fixtures/jwks/pocket-id-0.8.0-pretty.json");
    for (before, blanks, colon) in [
        (text.to_owned(), "", ":"),
        (text.trim_end().to_owned(), "", ":"),
        (pretty.to_owned(), "\n            ", ": "),
        (pretty.replace('\n', "\r\n"), "\r\n            ", ": "),
    ] {
        let member = format!("{blanks}\"kid\"{colon}\"{KID}\",");
        for kids in ["missing", "all"] {
            let after = printed(&["fix", "--kid", kids], before.as_bytes());
            assert_eq!(after.replacen(&member, "", 1), before);
            assert!(after.contains(&member));
            let again = kidstamp(&["fix", "--kid", kids, "-"], after.as_bytes());
            assert_eq!(again.stdout, after.as_bytes());
            assert_eq!(again.stderr, b"");
        }
    }
}

#[test]
fn no_command_prints_a_secret() {
    let set = include_str!("fixtures/jwks/private-members.json");
    let symmetric = include_str!("fixtures/jwk/rfc7520-3.5-symmetric.json");
    let pem = include_str!("fixtures/keys/rfc7520-3.4-private.pem");
    let broken = pem.replace("-----END", "*\n-----END");
    let secrets = |text: &str| -> Vec<String> {
        let pieces = text.split(['"', '\n']).filter(|piece| piece.len() >= 40);
        pieces.map(|piece| piece[..40].to_owned()).collect()
    };
    // The modulus is public.
    let public = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_K";
    for input in [set, symmetric, pem, &broken] {
        for command in [&["fix"][..], &["thumbprint"], &["inspect", "-"]] {
            let Output { stdout, stderr, .. } = kidstamp(command, input.as_bytes());
            let told = String::from_utf8([stdout, stderr].concat()).unwrap();
            for secret in secrets(input).iter().filter(|secret| *secret != public) {
                assert!(!told.contains(secret), "{command:?} tells {secret}: {told}");
            }
        }
    }
}

#[test]
fn keys_are_made_listed_and_named_alike() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("keys");
    let dir = dir.to_str().unwrap();
    let mut kids = Vec::new();
    for arguments in [
        &["--alg", "ES256"][..],
        &["--alg", "ES256", "--name", "next", "--activate-in", "15m"],
        &["--alg", "PS256", "--name", "pss"],
    ] {
        let told = printed(&[&["keys", "generate", "--dir", dir], arguments].concat(), b"");
        let value = |name: &str| {
            let line = told.lines().find(|line| line.starts_with(name)).unwrap();
            line[name.len()..].trim().to_owned()
        };
        let (file, kid) = (value("file"), value("kid"));
        assert_eq!(printed(&["thumbprint", &file], b"").trim(), kid);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!told.contains("PRIVATE KEY"));
        let name = Path::new(&file).file_name().unwrap().to_str().unwrap().to_owned();
        kids.push((name, kid));
    }
    let list = printed(&["keys", "list", dir], b"");
    let states: Vec<Vec<&str>> =
        list.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    for (state, alg, (name, kid)) in
        [("active", "ES256", &kids[0]), ("ahead", "ES256", &kids[1]), ("active", "PS256", &kids[2])]
    {
        let row = states.iter().find(|row| row[4] == *name).unwrap();
        assert_eq!((row[0], row[1], row[2]), (state, kid.as_str(), alg));
    }
    assert_eq!(kids[0].0, "kidstamp.pem");
    assert!(kids[1].0.ends_with("Z-next.pem"));
    assert_eq!(kids[2].0, "pss.PS256.pem");

    let again = kidstamp(&["keys", "generate", "--dir", dir, "--alg", "ES256"], b"");
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8(again.stderr).unwrap().contains("is not overwritten"));
    assert_eq!(printed(&["thumbprint", &format!("{dir}/kidstamp.pem")], b"").trim(), kids[0].1);
}

#[test]
fn a_new_key_goes_through_no_link() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = dir.path().join("elsewhere");
    symlink(&elsewhere, dir.path().join("kidstamp.pem")).unwrap();
    let dir = dir.path().to_str().unwrap();
    let output = kidstamp(&["keys", "generate", "--dir", dir, "--alg", "ES256"], b"");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!elsewhere.exists());
    assert_eq!(fs::read_dir(dir).unwrap().count(), 1, "nothing hidden is left");
}

#[test]
fn keys_that_others_may_read_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    printed(&["keys", "generate", "--dir", path, "--alg", "ES256"], b"");
    let file = dir.path().join("kidstamp.pem");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let output = kidstamp(&["keys", "list", path], b"");
    assert!(output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("may be read by everyone"));
}

#[test]
fn health_asks_the_running_process() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in ["200 OK\r\n\r\n", "503 Service Unavailable\r\n\r\nno answer\n"] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let count = std::io::Read::read(&mut stream, &mut request).unwrap();
            asked.push(String::from_utf8_lossy(&request[..count]).into_owned());
            stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).unwrap();
        }
        asked
    });
    let well = kidstamp(&["health", "--live", "--admin", &address], b"");
    assert_eq!((well.status.code(), well.stdout, well.stderr), (Some(0), vec![], vec![]));
    let ill = kidstamp(&["health", "--admin", &address], b"");
    assert_eq!(ill.status.code(), Some(1));
    let told = String::from_utf8(ill.stderr).unwrap();
    assert_eq!(told, format!("http://{address}/readyz: 503 no answer\n"));
    let asked = server.join().unwrap();
    assert!(asked[0].starts_with("GET /livez ") && asked[1].starts_with("GET /readyz "));
}

/// A provider with these two documents, until the test ends.
fn provider(jwks: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let issuer = url.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let length = std::io::Read::read(&mut stream, &mut head).unwrap();
            let asks_for_keys =
                head.get(..length).is_some_and(|head| head.starts_with(b"GET /keys "));
            let discovery = format!(
                r#"{{"issuer":"{issuer}","jwks_uri":"{issuer}/keys","response_types_supported":["code"],
                "subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256","ES256"]}}"#
            );
            let body = if asks_for_keys { jwks } else { &discovery };
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
            let _ = write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    url
}

#[test]
fn init_writes_what_a_provider_needs_and_config_check_accepts_it() {
    let flawed = provider(include_str!("fixtures/jwks/pocket-id-0.8.0.json"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kidstamp.toml");
    printed(&["init", &flawed, "--output", path.to_str().unwrap()], b"");
    let toml = fs::read_to_string(&path).unwrap();
    assert!(toml.contains("jwks/kid-missing /keys/0/kid"), "{toml}");
    assert!(toml.contains(&format!("issuer = \"{flawed}\"")), "{toml}");
    printed(&["config", "check", path.to_str().unwrap()], b"");
    let again = kidstamp(&["init", &flawed, "--output", path.to_str().unwrap()], b"");
    assert_eq!(again.status.code(), Some(2), "an edited configuration is not written over");
    let lint = kidstamp(&["lint", &flawed], b"");
    assert_eq!(lint.status.code(), Some(1));
}

#[test]
fn a_provider_without_flaws_needs_nothing() {
    let good = provider(include_str!("fixtures/jwks/published-es256.json"));
    let output = kidstamp(&["init", &good], b"");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing is needed"));
    assert_eq!(kidstamp(&["lint", &good], b"").status.code(), Some(0));
    assert_eq!(kidstamp(&["lint", "http://127.0.0.1:1"], b"").status.code(), Some(2));
}
