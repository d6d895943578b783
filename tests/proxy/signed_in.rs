//! NTLM and Negotiate sign a user in on a connection (RFC 4559): what the client does on one of its own goes over
//! one of its own at the upstream, and over no other client's.

use crate::{Answer, Client, Sidecar, Upstream};

const OFFER: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\n\
     Content-Length: 3\r\n\r\nno\n";
const CHALLENGE: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM TlRMTVNTUAACAAAA\r\nContent-Length: 0\r\n\r\n";

fn upstream() -> Upstream {
    let upstream = Upstream::start();
    upstream
        .on("/offer", Answer::raw(OFFER))
        .on("/negotiate", Answer::raw(CHALLENGE))
        .on("/authenticate", Answer::ok("text/plain", "signed in"))
        .on("/plain", Answer::ok("text/plain", "as who is signed in"));
    upstream
}

/// The number of the upstream's connection that the last request for `path` came over.
fn connection(upstream: &Upstream, path: &str) -> usize {
    upstream.requests().iter().rfind(|request| request.path() == path).unwrap().connection
}

fn ask(client: &mut Client, path: &str, message: &str) -> u16 {
    let credentials =
        if message.is_empty() { String::new() } else { format!("Authorization: {message}\r\n") };
    client.send(format!("GET {path} HTTP/1.1\r\nHost: idp.test\r\n{credentials}\r\n"));
    client.response().status
}

/// All steps of a login; the upstream's connection that it came about on.
fn sign_in(client: &mut Client, upstream: &Upstream) -> usize {
    assert_eq!(ask(client, "/offer", ""), 401);
    let first = connection(upstream, "/offer");
    assert_eq!(ask(client, "/negotiate", "NTLM TlRMTVNTUAABAAAA"), 401);
    assert_eq!(ask(client, "/authenticate", "NTLM TlRMTVNTUAADAAAA"), 200);
    for path in ["/negotiate", "/authenticate"] {
        assert_eq!(connection(upstream, path), first, "{path} over the same connection");
    }
    first
}

#[test]
fn a_login_of_several_steps_has_a_connection_of_its_own() {
    let upstream = upstream();
    let sidecar = Sidecar::before(&upstream).start();
    let (mut alice, mut bob) = (sidecar.client(), sidecar.client());
    let of_alice = sign_in(&mut alice, &upstream);
    // Nobody else's request goes over it, while she is away …
    for _ in 0..3 {
        assert_eq!(ask(&mut bob, "/plain", ""), 200);
        assert_ne!(connection(&upstream, "/plain"), of_alice);
        assert_eq!(sidecar.client().get("/plain").status, 200);
        assert_ne!(connection(&upstream, "/plain"), of_alice);
    }
    let of_bob = sign_in(&mut bob, &upstream);
    assert_ne!(of_alice, of_bob);
    // … and hers do, though they no longer say who she is.
    for _ in 0..3 {
        assert_eq!(ask(&mut alice, "/plain", ""), 200);
        assert_eq!(connection(&upstream, "/plain"), of_alice);
        assert_eq!(ask(&mut bob, "/plain", ""), 200);
        assert_eq!(connection(&upstream, "/plain"), of_bob);
    }
    // A post as well, and what has no body.
    assert_eq!(alice.post_form("/plain", "a=b").status, 200);
    assert_eq!(connection(&upstream, "/plain"), of_alice);
    alice.send("HEAD /nothing HTTP/1.1\r\nHost: idp.test\r\n\r\n").response_head().unwrap();
    assert_eq!(connection(&upstream, "/nothing"), of_alice);
    // With her connection, hers at the upstream ends.
    drop(alice);
    for _ in 0..5 {
        assert_eq!(sidecar.client().get("/plain").status, 200);
        assert_ne!(connection(&upstream, "/plain"), of_alice);
        assert_ne!(connection(&upstream, "/plain"), of_bob);
    }
}

#[test]
fn credentials_that_come_unasked_bind_as_well() {
    let upstream = upstream();
    let sidecar = Sidecar::before(&upstream).start();
    for scheme in ["Negotiate YIIabc", "negotiate YIIabc", "NTLM TlRMTVNTUAABAAAA"] {
        let mut client = sidecar.client();
        assert_eq!(ask(&mut client, "/authenticate", scheme), 200);
        let bound = connection(&upstream, "/authenticate");
        assert_eq!(sidecar.client().get("/plain").status, 200);
        assert_ne!(connection(&upstream, "/plain"), bound, "{scheme}");
        assert_eq!(ask(&mut client, "/plain", ""), 200);
        assert_eq!(connection(&upstream, "/plain"), bound, "{scheme}");
    }
    // A scheme that says in each request who it is from binds nothing.
    let mut client = sidecar.client();
    assert_eq!(ask(&mut client, "/authenticate", "Basic dTpw"), 200);
    let shared = connection(&upstream, "/authenticate");
    assert_eq!(sidecar.client().get("/plain").status, 200);
    assert_eq!(connection(&upstream, "/plain"), shared);
}

/// A connection that the upstream has closed meanwhile takes the login along: the next request goes over another
/// one, as nobody's, and whoever asks is asked to sign in again.
#[test]
fn a_login_ends_with_its_connection() {
    let upstream = upstream();
    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    upstream.on("/bye", Answer::raw(closing).then_close());
    let sidecar = Sidecar::before(&upstream).start();
    let mut client = sidecar.client();
    let bound = sign_in(&mut client, &upstream);
    assert_eq!(ask(&mut client, "/bye", ""), 200);
    assert_eq!(connection(&upstream, "/bye"), bound);
    assert_eq!(client.post_form("/plain", "a=b").status, 200);
    assert_ne!(connection(&upstream, "/plain"), bound);
    assert_ne!(sign_in(&mut client, &upstream), bound);
}
