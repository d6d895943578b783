//! The nonces of logins under way: from the authorization request, by way of the code, to the ID token (OpenID Connect
//! Core §3.1.2.1, §3.1.3.7 (11)).
//!
//! For providers that lose the nonce, and only for clients that the configuration names. What is remembered is what one
//! honest provider would have kept: which authorization request a code answers. Where that is in doubt, nothing is
//! known: two requests under one `state` that differ, or one code under two logins, are never told apart by guessing.
//!
//! Neither a code nor a `state` is kept, only digests of them. The memory is bounded in number and time, and time is a
//! value that comes in.

use super::authorization_response::{only, parameters};
use aws_lc_rs::digest;
use std::collections::{HashMap, VecDeque};
use std::fmt;

/// A longer nonce is not remembered.
const MOST_BYTES: usize = 512;

/// How much is remembered, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBounds {
    /// Logins whose code has not come yet, and as many codes.
    pub entries: usize,
    /// How long each is remembered, in seconds.
    pub lifetime: i64,
}

/// A nonce, which ties an ID token to the browser that asked for it: not to be told.
#[derive(Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Nonce(..)")
    }
}

/// An authorization request, as far as the ID token at its end depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The place of the issuer in the configuration.
    pub issuer: usize,
    /// The client that asked.
    pub client: String,
    /// What its ID token must hold; `None` if it asked for none, or can't be relied on to have.
    pub nonce: Option<Nonce>,
}

/// An authorization request in the query of a request.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// `client_id`
    pub client: String,
    /// `state`, if there is one.
    pub state: Option<String>,
    /// `nonce`, if there is one that counts.
    pub nonce: Option<Nonce>,
}

/// What is known of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remembered {
    /// The nonce that its ID token must hold.
    Nonce(Nonce),
    /// The login that it is of had none.
    NoNonce,
    /// It is of another client or issuer, or more than one login may be meant.
    Ambiguous,
    /// Nothing.
    Unknown,
}

/// The logins under way.
#[derive(Debug, Default)]
pub struct Nonces {
    /// By `state`: no code has come for these yet.
    logins: Shelf,
    /// By code.
    codes: Shelf,
}

impl AuthorizationRequest {
    /// Reads the query of a request to the authorization endpoint; `None` if it names no client.
    ///
    /// Where a request object (`request`, `request_uri`) may say otherwise, and where a parameter stands twice, the
    /// nonce does not count.
    pub fn from_query(query: &str) -> Option<Self> {
        let parameters = parameters(query, 0);
        let count = |name: &str| parameters.iter().filter(|each| each.name == name).count();
        let is_plain = count("request") + count("request_uri") == 0 && count("state") < 2;
        let text = |name: &str| only(&parameters, name).map(str::to_owned);
        let (client, state, nonce) = (text("client_id")?, text("state"), text("nonce"));
        let counts = |nonce: &String| is_plain && (1..=MOST_BYTES).contains(&nonce.len());
        let nonce = nonce.filter(counts).map(Nonce);
        Some(Self { client, state, nonce })
    }
}

impl Nonces {
    /// Keeps a login under its `state` until its code comes.
    pub fn remember(&mut self, state: &str, login: Login, bounds: MemoryBounds, now: i64) {
        self.logins.put(Key::of(state), Some(login), bounds, now);
    }

    /// Keeps the code that the provider sent under that `state`. Where no login waits for it, the code can't become
    /// another login's later.
    pub fn follow(&mut self, state: &str, code: &str, bounds: MemoryBounds, now: i64) {
        let login = self.logins.get(&Key::of(state), now).flatten().cloned();
        self.codes.put(Key::of(code), login, bounds, now);
    }

    /// Keeps the code that the provider sent in answer to the very request of that login.
    pub fn answer(&mut self, login: Login, code: &str, bounds: MemoryBounds, now: i64) {
        self.codes.put(Key::of(code), Some(login), bounds, now);
    }

    /// What the ID token must hold that `client` gets of that issuer for the code. It may ask again: whether a code is
    /// good a second time is for the provider to say.
    pub fn of_code(&self, code: &str, issuer: usize, client: &str, now: i64) -> Remembered {
        match self.codes.get(&Key::of(code), now) {
            None => Remembered::Unknown,
            Some(Some(login)) if login.issuer == issuer && login.client == client => {
                login.nonce.clone().map_or(Remembered::NoNonce, Remembered::Nonce)
            }
            Some(_) => Remembered::Ambiguous,
        }
    }

    /// How many logins and codes are kept.
    pub fn len(&self) -> (usize, usize) {
        (self.logins.entries.len(), self.codes.entries.len())
    }
}

/// The digest of a code or a `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key([u8; 32]);

impl Key {
    fn of(text: &str) -> Self {
        let mut key = [0; 32];
        let digest = digest::digest(&digest::SHA256, text.as_bytes());
        key.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Self(key)
    }
}

/// Logins by key; the oldest give way to new ones.
#[derive(Debug, Default)]
struct Shelf {
    entries: HashMap<Key, Entry>,
    /// Each key once, with the time at which it should be looked at again.
    order: VecDeque<(i64, Key)>,
}

#[derive(Debug)]
struct Entry {
    /// `None` where it is ambiguous.
    login: Option<Login>,
    until: i64,
}

impl Shelf {
    fn get(&self, key: &Key, now: i64) -> Option<Option<&Login>> {
        let entry = self.entries.get(key).filter(|entry| now < entry.until)?;
        Some(entry.login.as_ref())
    }

    /// What stands there already, and is not the same, makes it ambiguous; and it stays so as long as somebody asks.
    fn put(&mut self, key: Key, login: Option<Login>, bounds: MemoryBounds, now: i64) {
        self.make_room(bounds, now);
        let until = now.saturating_add(bounds.lifetime);
        match self.entries.get_mut(&key) {
            Some(entry) => {
                if entry.until <= now {
                    entry.login = login;
                } else if entry.login != login {
                    entry.login = None;
                }
                entry.until = entry.until.max(until);
            }
            None => {
                self.entries.insert(key, Entry { login, until });
                self.order.push_back((until, key));
            }
        }
    }

    /// Forgets what is over, and the oldest, so that one more fits. One that was asked for since has a second chance.
    fn make_room(&mut self, bounds: MemoryBounds, now: i64) {
        let most = bounds.entries.saturating_sub(1);
        while let Some((time, key)) = self.order.front().copied() {
            if time > now && self.entries.len() <= most {
                break;
            }
            self.order.pop_front();
            match self.entries.get(&key).map(|entry| entry.until) {
                Some(until) if until > time && until > now => self.order.push_back((until, key)),
                _ => {
                    self.entries.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: MemoryBounds = MemoryBounds { entries: 100, lifetime: 600 };

    fn login(client: &str, nonce: &str) -> Login {
        let nonce = (!nonce.is_empty()).then(|| Nonce(nonce.to_owned()));
        Login { issuer: 0, client: client.to_owned(), nonce }
    }

    /// A memory of a client "rp", whose clock stands.
    #[derive(Default)]
    struct Memory(Nonces);

    impl Memory {
        fn remember(&mut self, state: &str, nonce: &str) {
            self.0.remember(state, login("rp", nonce), BOUNDS, 0);
        }

        fn follow(&mut self, state: &str, code: &str) {
            self.0.follow(state, code, BOUNDS, 0);
        }

        fn of_code(&self, code: &str) -> Remembered {
            self.0.of_code(code, 0, "rp", 0)
        }
    }

    fn nonce(text: &str) -> Remembered {
        Remembered::Nonce(Nonce(text.to_owned()))
    }

    #[test]
    fn a_code_leads_to_the_nonce_of_its_login() {
        let mut memory = Memory::default();
        memory.remember("s1", "n1");
        memory.remember("s2", "n2");
        memory.follow("s2", "c2");
        memory.follow("s1", "c1");
        assert_eq!([memory.of_code("c1"), memory.of_code("c2")], [nonce("n1"), nonce("n2")]);
        assert_eq!(memory.of_code("c3"), Remembered::Unknown);
        // A request that is repeated, a page that is loaded again.
        memory.remember("s1", "n1");
        memory.follow("s1", "c1");
        memory.follow("s1", "c4");
        assert_eq!([memory.of_code("c1"), memory.of_code("c4")], [nonce("n1"), nonce("n1")]);
        memory.0.answer(login("rp", "n5"), "c5", BOUNDS, 0);
        assert_eq!(memory.of_code("c5"), nonce("n5"));
    }

    /// Whoever knows the state of another's login can't put his nonce in its place.
    #[test]
    fn two_logins_under_one_state_are_ambiguous() {
        for others in ["mine", ""] {
            for first in [true, false] {
                let mut memory = Memory::default();
                let mut order = [("theirs", !first), (others, first)];
                order.sort_by_key(|(_, late)| *late);
                for (nonce, _) in order {
                    memory.remember("s", nonce);
                }
                memory.follow("s", "c");
                assert_eq!(memory.of_code("c"), Remembered::Ambiguous, "{others:?} {first}");
            }
        }
        let mut memory = Memory::default();
        memory.0.remember("s", login("rp", "n"), BOUNDS, 0);
        memory.0.remember("s", login("other", "n"), BOUNDS, 0);
        memory.follow("s", "c");
        assert_eq!(memory.of_code("c"), Remembered::Ambiguous);
    }

    /// A stolen code does not become that of the thief's login.
    #[test]
    fn a_code_stays_with_the_login_that_it_came_for() {
        let mut memory = Memory::default();
        memory.remember("theirs", "n1");
        memory.remember("mine", "n2");
        memory.follow("theirs", "stolen");
        memory.follow("mine", "stolen");
        assert_eq!(memory.of_code("stolen"), Remembered::Ambiguous);
        // Not even where nobody's nonce was remembered when it came.
        memory.follow("unknown", "other");
        memory.follow("mine", "other");
        assert_eq!(memory.of_code("other"), Remembered::Ambiguous);
        memory.0.answer(login("rp", "n2"), "other", BOUNDS, 0);
        assert_eq!(memory.of_code("other"), Remembered::Ambiguous);
    }

    #[test]
    fn a_code_is_good_for_its_client_and_issuer_alone() {
        let mut memory = Memory::default();
        memory.remember("s", "n");
        memory.follow("s", "c");
        assert_eq!(memory.0.of_code("c", 0, "other", 0), Remembered::Ambiguous);
        assert_eq!(memory.0.of_code("c", 1, "rp", 0), Remembered::Ambiguous);
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut nonces = Nonces::default();
        nonces.remember("s", login("rp", "n"), BOUNDS, 0);
        nonces.follow("s", "c", BOUNDS, 599);
        assert_eq!(nonces.of_code("c", 0, "rp", 1198), nonce("n"));
        assert_eq!(nonces.of_code("c", 0, "rp", 1199), Remembered::Unknown);
        nonces.follow("s", "late", BOUNDS, 600);
        assert_eq!(nonces.of_code("late", 0, "rp", 600), Remembered::Ambiguous);
        // What is ambiguous stays so for as long as the last of those who asked may take.
        nonces.remember("s2", login("rp", "mine"), BOUNDS, 1000);
        nonces.remember("s2", login("rp", "theirs"), BOUNDS, 1500);
        nonces.remember("s2", login("rp", "mine"), BOUNDS, 1700);
        nonces.follow("s2", "c2", BOUNDS, 2000);
        assert_eq!(nonces.of_code("c2", 0, "rp", 2000), Remembered::Ambiguous);
        nonces.remember("s3", login("rp", "n"), BOUNDS, 9000);
        assert_eq!(nonces.len(), (1, 1));
    }

    #[test]
    fn a_request_is_read_as_one_that_says_one_thing() {
        let read = |query: &str| {
            let request = AuthorizationRequest::from_query(query)?;
            Some((request.client, request.state, request.nonce.map(|nonce| nonce.0)))
        };
        let some = |text: &str| Some(text.to_owned());
        let all = Some(("rp".to_owned(), some("a b"), some("n+1")));
        assert_eq!(read("client_id=rp&state=a%20b&nonce=n%2b1&scope=openid"), all);
        assert_eq!(read("client_id=rp"), Some(("rp".to_owned(), None, None)));
        for doubtful in [
            "client_id=rp&state=s&nonce=a&nonce=b",
            "client_id=rp&state=s&nonce=a&request=x.y.z",
            "client_id=rp&state=s&nonce=a&request_uri=urn:x",
            "client_id=rp&state=s&nonce=",
            "client_id=rp&state=s",
        ] {
            assert_eq!(read(doubtful), Some(("rp".to_owned(), some("s"), None)), "{doubtful}");
        }
        let doubled = read("client_id=rp&state=s&state=t&nonce=a");
        assert_eq!(doubled, Some(("rp".to_owned(), None, None)));
        let long = format!("client_id=rp&nonce={}", "a".repeat(513));
        assert_eq!(read(&long), Some(("rp".to_owned(), None, None)));
        for nobody in ["", "state=s&nonce=n", "client_id=a&client_id=b&nonce=n"] {
            assert_eq!(read(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn a_nonce_is_in_no_debug_text() {
        let text = format!("{:?}", (login("rp", "hunter2"), nonce("hunter2")));
        assert!(!text.contains("hunter2"), "{text}");
        let mut memory = Memory::default();
        memory.remember("hunter2", "hunter2");
        memory.follow("hunter2", "hunter2");
        assert!(!format!("{:?}", memory.0).contains("hunter2"));
    }

    /// What somebody does: asks under a state, or is sent a code under one.
    #[derive(Debug, Clone)]
    enum Act {
        Ask { state: u8, nonce: u8 },
        Send { state: u8, code: u8 },
        Wait(u8),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (0..4_u8, 0..4_u8).prop_map(|(state, nonce)| Act::Ask { state, nonce }),
            (0..4_u8, 0..6_u8).prop_map(|(state, code)| Act::Send { state, code }),
            any::<u8>().prop_map(Act::Wait),
        ]
    }

    proptest! {
        /// Whatever happens: a nonce is that of a request which came, within the lifetime, under the one state
        /// that the code was sent under; and nothing ever grows past its bounds.
        #[test]
        fn a_nonce_is_only_ever_that_of_the_login_of_the_code(
            acts in proptest::collection::vec(act(), 0..60),
            entries in 1_usize..6,
        ) {
            let bounds = MemoryBounds { entries, lifetime: 300 };
            let mut nonces = Nonces::default();
            let mut now = 0_i64;
            let (mut asked, mut sent) = (Vec::new(), Vec::new());
            for act in acts {
                match act {
                    Act::Ask { state, nonce } => {
                        let login = login("rp", &format!("n{nonce}"));
                        nonces.remember(&format!("s{state}"), login, bounds, now);
                        asked.push((now, state, nonce));
                    }
                    Act::Send { state, code } => {
                        nonces.follow(&format!("s{state}"), &format!("c{code}"), bounds, now);
                        sent.push((now, state, code));
                    }
                    Act::Wait(seconds) => now += i64::from(seconds),
                }
                let (logins, codes) = nonces.len();
                prop_assert!(logins <= entries && codes <= entries);
                prop_assert!(nonces.logins.order.len() == logins && nonces.codes.order.len() == codes);
                for code in 0..6_u8 {
                    let found = nonces.of_code(&format!("c{code}"), 0, "rp", now);
                    let Remembered::Nonce(Nonce(nonce)) = found else { continue };
                    let fits = sent.iter().any(|(then, state, of)| {
                        let request = asked.iter().any(|(when, under, asked)| {
                            when <= then && under == state && format!("n{asked}") == nonce
                        });
                        *of == code && now < then + 300 && request
                    });
                    prop_assert!(fits, "{nonce} for c{code}");
                }
            }
        }

        /// With room for all, two nonces under one state within the lifetime are never told apart.
        #[test]
        fn no_order_of_requests_tells_two_logins_of_one_state_apart(
            times in proptest::collection::vec(0_i64..300, 2..6),
        ) {
            let mut nonces = Nonces::default();
            let mut times = times;
            times.sort_unstable();
            for (index, time) in times.iter().enumerate() {
                nonces.remember("s", login("rp", &format!("n{}", index % 2)), BOUNDS, *time);
            }
            nonces.follow("s", "c", BOUNDS, 300);
            prop_assert_eq!(nonces.of_code("c", 0, "rp", 300), Remembered::Ambiguous);
        }
    }
}
