//! The whole proxy: whatever a client sends and a provider answers, it neither panics nor hangs, and every token with
//! its signature that comes out is one that the provider wrote.
//!
//! An input is what a client sends and, after a line of its own with `~~~~`, what the provider answers to every
//! request that is not for its documents.

use kidstamp::config::{self, KnownRule, Override, Overrides};
use kidstamp::proxy::in_memory::{Outcome, PIPE, Proxy};
use kidstamp::rules;
use kidstamp::token::restore;
use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

const SEPARATOR: &[u8] = b"\n~~~~\n";
/// More than any deadline of the configuration below.
const PATIENCE: Duration = Duration::from_secs(20);

const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:0"
admin = "off"
workers = 1
log_requests = false
[server.limits]
body_idle = "2s"
[upstream]
url = "http://127.0.0.1:9"
[upstream.timeouts]
first_byte = "2s"
body_idle = "2s"
[[issuer]]
issuer = "https://idp.test"
ephemeral_key = true
[tokens]
id_token = "resign"
access_token = "auto"
userinfo = "auto"
introspection = "auto"
jarm = "auto"
"#;

const DISCOVERY: &str = r#"{"issuer":"https://idp.test","jwks_uri":"https://idp.test/jwks","authorization_endpoint":"https://idp.test/a","token_endpoint":"https://idp.test/t","userinfo_endpoint":"https://idp.test/u","introspection_endpoint":"https://idp.test/i","end_session_endpoint":"https://idp.test/e","response_types_supported":["code"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}"#;
const KEYS: &str = include_str!("../../tests/fixtures/jwt/launder-upstream-jwks.json");

struct Stage {
    proxy: Proxy,
    answer: Arc<Mutex<Vec<u8>>>,
    _folder: TempDir,
}

thread_local! {
    static STAGE: RefCell<Stage> = RefCell::new(Stage::new());
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("kidstamp.toml");
        std::fs::write(&file, CONFIG).expect("a file");
        let overrides = Overrides {
            config: Some(Override::from_flag("--config", file.to_str().expect("a path"))),
            ..Overrides::default()
        };
        let rules: Vec<KnownRule<'_>> = rules::all().map(KnownRule::from).collect();
        let config = config::load(&overrides, &rules).expect("a good configuration");
        let answer = Arc::new(Mutex::new(Vec::new()));
        let dial = {
            let answer = Arc::clone(&answer);
            move || {
                let (near, far) = duplex(PIPE);
                tokio::task::spawn_local(provide(far, Arc::clone(&answer)));
                near
            }
        };
        let proxy = Proxy::start(config, Arc::new(dial)).expect("a proxy");
        assert!(proxy.await_documents(PATIENCE), "the documents are read");
        Self { proxy, answer, _folder: folder }
    }
}

/// One connection of the provider.
async fn provide(mut stream: DuplexStream, answer: Arc<Mutex<Vec<u8>>>) {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => head.extend_from_slice(&buffer[..read]),
        }
    }
    let document = |body: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
            .into_bytes()
    };
    let bytes = if head.starts_with(b"GET /.well-known/openid-configuration HTTP") {
        document(DISCOVERY)
    } else if head.starts_with(b"GET /jwks HTTP") {
        document(KEYS)
    } else {
        answer.lock().expect("no panic elsewhere").clone()
    };
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
    // What the proxy still sends must not make it wait.
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

pub(super) fn run(data: &[u8]) {
    let Some((client, provider)) = parts(data) else { return };
    only_what_the_provider_wrote(&exchange(client, provider), client, provider);
}

/// What a client sends, and what the provider answers.
fn parts(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let place = data.windows(SEPARATOR.len()).position(|window| window == SEPARATOR)?;
    Some((data.get(..place)?, data.get(place + SEPARATOR.len()..)?))
}

/// What the client is answered.
fn exchange(client: &[u8], provider: &[u8]) -> Vec<u8> {
    STAGE.with_borrow_mut(|stage| {
        *stage.answer.lock().expect("no panic elsewhere") = provider.to_vec();
        match stage.proxy.exchange(client, PATIENCE) {
            Outcome::Answered(answer) => answer,
            Outcome::Hung => panic!("the connection did not end"),
            Outcome::Panicked => panic!("the proxy panicked"),
        }
    })
}

/// The control: where the provider's token is good, the target does see a signature.
#[test]
fn a_good_token_is_signed_in_memory() {
    let input = include_bytes!("../corpus/proxy/token");
    let (client, provider) = parts(input).expect("two parts");
    let answer = String::from_utf8(exchange(client, provider)).expect("text");
    let token = answer.split('"').find_map(restore).expect("a token that was signed anew");
    assert!(String::from_utf8_lossy(provider).contains(&token));
}

/// Every token with a carrier in `answer` was made of one in `provider`, or is the client's own.
fn only_what_the_provider_wrote(answer: &[u8], client: &[u8], provider: &[u8]) {
    // Written with escapes, a token stands there in other letters.
    if provider.iter().any(|byte| b"%\\&".contains(byte)) {
        return;
    }
    let is_of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    for word in answer.split(|byte| !is_of_token(byte)) {
        let Ok(word) = std::str::from_utf8(word) else { continue };
        if let Some(original) = restore(word) {
            let wrote = |text: &[u8], token: &str| {
                !token.is_empty()
                    && text.windows(token.len()).any(|window| window == token.as_bytes())
            };
            let known = wrote(provider, &original) || wrote(provider, word) || wrote(client, word);
            assert!(known, "signed, though the provider did not write it: {word}");
        }
    }
}
