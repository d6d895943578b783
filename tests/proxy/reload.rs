//! A new configuration while kidstamp serves: nothing under way is lost, what is wrong is refused as a whole.

use crate::http1::End;
use crate::{Answer, Client, Gate, Key, Process, Sidecar, Upstream, eventually};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// The program, and its configuration, which tests change.
struct Served {
    process: Process,
    file: PathBuf,
    text: String,
}

impl Served {
    fn before(upstream: &Upstream) -> Self {
        Self::with(upstream, "")
    }

    fn with(upstream: &Upstream, settings: &str) -> Self {
        let (file, folder) = Sidecar::before(upstream).with(settings).write();
        let text = fs::read_to_string(&file).unwrap();
        let process = Process::start(&["serve", "--config", file.to_str().unwrap()]);
        let process = process.keeping(folder);
        process.await_ready();
        Self { process, file, text }
    }

    /// Writes another configuration, as whole as a careful editor does.
    fn write(&self, text: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, &self.file).unwrap();
    }

    /// Writes another configuration, and waits until it was read.
    fn reload(&self, text: &str, result: &str) {
        let before = self.reloads(result);
        self.write(text);
        self.process.signal("-HUP");
        eventually("it is read again", || (self.reloads(result) > before).then_some(()));
    }

    fn reloads(&self, result: &str) -> u64 {
        self.process.metric(&format!("kidstamp_config_reloads_total{{result=\"{result}\"}}"))
    }
}

/// In what a client gets: the address that is passed on for it, which `trusted_proxies` decides.
fn passed_on(client: &mut Client, upstream: &Upstream) -> String {
    client.send("GET /x HTTP/1.1\r\nHost: idp.test\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let request = upstream.requests().pop().unwrap();
    request.header("x-forwarded-for").unwrap().to_owned()
}

#[test]
fn a_new_configuration_counts_and_no_connection_is_dropped() {
    let (upstream, gate) = (Upstream::start(), Gate::new());
    upstream.on("/slow", Answer::ok("text/plain", "done").after(&gate));
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst";
    upstream.on("/half", Answer::raw(half).then_wait(&gate).then("-last"));
    let served = Served::before(&upstream);
    let (mut slow, mut half, mut idle) =
        (served.process.client(), served.process.client(), served.process.client());
    slow.send("GET /slow HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    half.send("GET /half HTTP/1.1\r\nHost: idp.test\r\n\r\n");
    let head = half.response_head().unwrap();
    assert_eq!(half.bytes(5), b"first");
    assert_eq!(idle.get("/x").status, 200);
    let set = idle.get("/jwks.json").text();
    assert_eq!(set.matches("\"kid\"").count(), 2);

    let rules = "\n[rules]\n\"jwks/kid-missing\" = \"warn\"\n";
    served.reload(&format!("{}{rules}", served.text), "success");
    let set = idle.get("/jwks.json").text();
    assert_eq!(set.matches("\"kid\"").count(), 1, "the rule no longer repairs: {set}");
    assert_eq!(served.process.client().get("/jwks.json").text(), set);

    gate.open();
    assert_eq!(slow.response().text(), "done");
    let mut rest = half.bytes(5);
    assert_eq!((head.status, rest.as_slice()), (200, &b"-last"[..]));
    rest.clear();
    for client in [&mut slow, &mut half, &mut idle] {
        assert_eq!(client.get("/x").text(), "ok", "the connection goes on");
    }
}

#[test]
fn limits_and_trust_change_and_what_is_fixed_is_named() {
    let upstream = Upstream::start();
    let served = Served::before(&upstream);
    let mut before = served.process.client();
    assert_eq!(passed_on(&mut before, &upstream), "127.0.0.1");
    let text = served.text.replace(
        "server.workers = 1",
        "server.workers = 2\nserver.trusted_proxies = [\"127.0.0.1\"]",
    );
    assert_ne!(text, served.text);
    served.reload(&text, "success");
    let mut after = served.process.client();
    assert_eq!(passed_on(&mut after, &upstream), "203.0.113.9, 127.0.0.1");
    let log = eventually("the log names it", || {
        let log = served.process.log();
        log.contains("server.workers has changed, which needs a restart").then_some(log)
    });
    assert!(!log.contains("server.listen has changed"), "{log}");
}

#[test]
fn a_wrong_configuration_is_refused_with_file_and_line() {
    let upstream = Upstream::start();
    let served = Served::before(&upstream);
    let mut client = served.process.client();
    let set = client.get("/jwks.json").text();
    let lines = served.text.lines().count();
    let no_key = served.text.replace("keys = \"", "keys = \"/nowhere");
    for (wrong, word) in [
        (format!("{}\n[rules]\n\"jwks/kid-mising\" = \"off\"\n", served.text), "jwks/kid-mising"),
        (format!("{}\n[server\n", served.text), "kidstamp.toml:"),
        (no_key, "/nowhere"),
        (String::new(), "upstream"),
    ] {
        served.reload(&wrong, "refused");
        eventually("the log says why", || {
            let log = served.process.log();
            let mut told = log.lines().filter(|line| line.contains("stays as it was"));
            told.any(|line| line.contains(word)).then_some(())
        });
        assert_eq!(client.get("/jwks.json").text(), set, "the old one goes on");
        assert_eq!(served.process.client().get("/x").status, 200);
    }
    let log = served.process.log();
    let line = format!("kidstamp.toml:{}:", lines + 3);
    assert!(log.contains(&line), "{line} in {log}");
    served.reload(&served.text, "success");
    assert_eq!(client.get("/jwks.json").text(), set);
    assert_eq!(served.process.admin("/readyz").0, 200);
}

#[test]
fn a_changed_file_is_seen_without_a_signal() {
    let upstream = Upstream::start();
    let served = Served::before(&upstream);
    served.write(&format!("{}\n[rules]\n\"jwks/kid-missing\" = \"warn\"\n", served.text));
    eventually("the change is seen", || (served.reloads("success") == 1).then_some(()));
    let set = served.process.client().get("/jwks.json").text();
    assert_eq!(set.matches("\"kid\"").count(), 1, "{set}");
}

#[test]
fn keys_are_read_again() {
    let upstream = Upstream::start();
    let served = Served::before(&upstream);
    let keys = served.file.with_file_name("keys");
    fs::write(keys.join("bridge.pem"), Key::stranger().pem()).unwrap();
    served.reload(&served.text, "success");
    let set = served.process.client().get("/jwks.json").text();
    assert!(set.contains(&Key::stranger().thumbprint()), "{set}");
    assert!(!set.contains(&Key::bridge().thumbprint()), "{set}");
    // A second issuer comes, and the first keeps what is known of it.
    fs::create_dir(keys.with_file_name("other")).unwrap();
    let other = keys.with_file_name("other").join("other.pem");
    fs::write(other, Key::next().pem()).unwrap();
    let more = "\n[[issuer]]\nissuer = \"https://idp.test/other\"\nkeys = \"other\"\n";
    served.reload(&format!("{}{more}", served.text), "success");
    assert_eq!(served.process.client().get("/jwks.json").text(), set);
}

/// Under constant load, through many reloads of two configurations: no request fails.
#[test]
fn no_request_is_lost_while_configurations_come_and_go() {
    let upstream = Upstream::start();
    let served = Served::with(&upstream, "");
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let asking: Vec<_> = (0..4)
        .map(|number| {
            let mut client = served.process.client();
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let response = match number % 3 {
                        0 => client.get("/jwks.json"),
                        1 => client.post_form("/token", "grant_type=x"),
                        _ => client.get("/x"),
                    };
                    assert_eq!((response.status, response.end), (200, End::Complete));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for round in 0..6 {
        let workers = "server.limits.body_idle = \"20s\"\n";
        let text =
            if round % 2 == 0 { format!("{workers}{}", served.text) } else { served.text.clone() };
        let before = answered.load(Ordering::Relaxed);
        served.reload(&text, "success");
        eventually("requests go on", || {
            (answered.load(Ordering::Relaxed) > before + 20).then_some(())
        });
    }
    stop.store(true, Ordering::Relaxed);
    for asking in asking {
        asking.join().expect("every request was answered");
    }
}
