//! `kidstamp keys`: makes the bridge keys, and tells what each of them is for.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::output::{answer, note, refuse, visible};
use crate::config::parse_duration;
use crate::jose::{Alg, SigningKey};
use crate::keys::{KeyFileName, KeyRing, KeyState, create_file, load_directory};

/// Longer than anyone plans ahead, and short enough for the calendar.
const MOST_AHEAD: Duration = Duration::from_hours(24 * 3_650);

/// The commands about bridge keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a new bridge key in a file of its own.
    Generate(Generate),
    /// Print what each key of a directory is for at this moment.
    List(List),
    /// Make a new key for each algorithm that signs, to take over once every RP has seen it.
    Rotate(Rotate),
}

/// The key to make.
#[derive(Args, Debug)]
pub struct Generate {
    /// The directory of the bridge keys; made if it is missing
    #[arg(long, value_name = "DIR", env = "KIDSTAMP_KEYS", hide_env_values = true)]
    dir: PathBuf,
    /// The algorithm that the key signs with
    #[arg(long, value_name = "ALG", default_value = "RS256", value_parser = algs())]
    alg: Alg,
    /// The name of the file, without time and ending
    #[arg(long, value_name = "NAME", default_value = "kidstamp", value_parser = label)]
    name: String,
    /// When the key begins to sign; until then it is only published, so that RPs know it by then
    /// [default: at once]
    #[arg(long, value_name = "DURATION", value_parser = ahead)]
    activate_in: Option<Duration>,
}

/// The keys to tell about.
#[derive(Args, Debug)]
pub struct List {
    /// The directory of the bridge keys
    #[arg(value_name = "DIR", required = true, env = "KIDSTAMP_KEYS", hide_env_values = true)]
    dir: Option<PathBuf>,
    /// How long a key stays published after it has signed, as keys.retain in the configuration
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = parse_duration)]
    retain: Duration,
}

/// A new key after the ones that sign now.
#[derive(Args, Debug)]
pub struct Rotate {
    /// The directory of the bridge keys
    #[arg(value_name = "DIR", required = true, env = "KIDSTAMP_KEYS", hide_env_values = true)]
    dir: Option<PathBuf>,
    /// When the new keys begin to sign; longer than RPs cache the set, so that they know them by then
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = ahead)]
    activate_in: Duration,
    /// How long a key stays published after it has signed, as keys.retain in the configuration
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = parse_duration)]
    retain: Duration,
}

fn algs() -> impl TypedValueParser<Value = Alg> {
    let names = PossibleValuesParser::new(Alg::ALL.map(Alg::name));
    names.try_map(|name| Alg::from_name(&name).ok_or("not an algorithm"))
}

fn label(text: &str) -> Result<String, &'static str> {
    if KeyFileName::is_label(text) {
        Ok(text.to_owned())
    } else {
        Err("write up to 100 letters, digits, - and _, without a time in front")
    }
}

fn ahead(text: &str) -> Result<Duration, &'static str> {
    let duration = parse_duration(text)?;
    if duration <= MOST_AHEAD { Ok(duration) } else { Err("is out of range; allowed: 0s to 3650d") }
}

pub(super) fn run(command: &KeysCommand) -> ExitCode {
    let now = Timestamp::now().as_second();
    let done = match command {
        KeysCommand::Generate(generate) => generate.run(now),
        KeysCommand::List(list) => list.run(now),
        KeysCommand::Rotate(rotate) => rotate.run(now),
    };
    match done {
        Ok(text) => answer(&text),
        Err(reason) => refuse(&visible(&reason)),
    }
}

impl Generate {
    fn run(&self, now: i64) -> Result<String, String> {
        let active_from = self.activate_in.map(|ahead| from(now, ahead));
        let usual = self.alg.key_type().default_alg() == self.alg;
        let name = KeyFileName { active_from, alg: (!usual).then_some(self.alg) };
        let key = SigningKey::generate(self.alg).map_err(|error| error.to_string())?;
        let path =
            create_file(&self.dir, &name, &self.name, &key).map_err(|error| error.to_string())?;
        let file = shown(&path);
        let state = self.state(&path, now);
        let active = match active_from {
            Some(from) => time(from),
            None => "at once".to_owned(),
        };
        let next = match state {
            Some(State { alone: true, .. }) | None => {
                format!("start with: kidstamp serve --keys {}", shown(&self.dir))
            }
            Some(State { alone: false, .. }) => format!(
                "give every replica this file; leave the other keys in place until `kidstamp keys \
                 list {}` calls them retired",
                shown(&self.dir)
            ),
        };
        for warning in state.iter().flat_map(|state| &state.warnings) {
            note(&visible(&format!("warning: {warning}")));
        }
        Ok(format!(
            "file    {file}\nalg     {}\nkid     {}\nactive  {active}\nnext    {next}\n",
            self.alg,
            key.kid()
        ))
    }

    /// What the new key at `path` is among the others; `None` if the directory can't be read as a whole.
    fn state(&self, path: &Path, now: i64) -> Option<State> {
        let ring = match load_directory(&self.dir) {
            Ok((ring, _)) => ring,
            Err(error) => {
                note(&visible(&format!("warning: serve would refuse this directory: {error}")));
                return None;
            }
        };
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        Some(State::of(&ring, name, self.alg, now))
    }
}

/// A new key among the others of its directory.
struct State {
    alone: bool,
    warnings: Vec<String>,
}

impl State {
    fn of(ring: &KeyRing, name: &str, alg: Alg, now: i64) -> Self {
        let states: Vec<_> = ring
            .states(now, Duration::MAX)
            .map(|(key, state)| (key.name.as_str(), key.key.alg() == alg, state))
            .collect();
        let own = states.iter().find(|(other, ..)| *other == name).map(|(_, _, state)| *state);
        let others = || states.iter().filter(|(other, same, _)| *same && *other != name);
        let warning = match own {
            Some(KeyState::Retained | KeyState::Retired) => {
                let signs = others().find(|(.., state)| *state == KeyState::Active);
                let signs = signs.map(|(other, ..)| *other).unwrap_or_default();
                Some(format!(
                    "this key will never sign: {signs} is newer; make one that begins at a time, \
                     with --activate-in 15m, and delete this one"
                ))
            }
            Some(KeyState::Active) if others().any(|(.., state)| *state == KeyState::Retained) => Some(
                "this key signs at once, and RPs that cache the key set refuse its tokens until \
                 they fetch it again; --activate-in 15m would publish it ahead"
                    .to_owned(),
            ),
            Some(KeyState::Ahead) if !others().any(|(.., state)| *state == KeyState::Active) => {
                Some(format!(
                    "no key signs {alg} until then; leave --activate-in out for the first key"
                ))
            }
            _ => None,
        };
        Self { alone: states.len() == 1, warnings: warning.into_iter().collect() }
    }
}

impl List {
    fn run(&self, now: i64) -> Result<String, String> {
        let directory = self.dir.as_deref().ok_or("say which directory")?;
        let (ring, warnings) = load_directory(directory).map_err(|error| error.to_string())?;
        for warning in warnings {
            note(&visible(&format!("warning: {warning}")));
        }
        Ok(table(&ring, now, self.retain))
    }
}

impl Rotate {
    fn run(&self, now: i64) -> Result<String, String> {
        let directory = self.dir.as_deref().ok_or("say which directory")?;
        let (ring, warnings) = load_directory(directory).map_err(|error| error.to_string())?;
        for warning in warnings {
            note(&visible(&format!("warning: {warning}")));
        }
        let states: Vec<_> = ring.states(now, self.retain).collect();
        let in_state = |state: KeyState| states.iter().filter(move |(_, other)| *other == state);
        let mut text = String::new();
        for (active, _) in in_state(KeyState::Active) {
            let alg = active.key.alg();
            // Whoever runs this twice wants one new key, not two.
            if let Some((next, _)) = in_state(KeyState::Ahead).find(|(key, _)| key.key.alg() == alg)
            {
                let begins = next.active_from.map(time).unwrap_or_default();
                text.push_str(&format!("{alg}: {} takes over at {begins} already\n", next.name));
                continue;
            }
            let begins = from(now, self.activate_in);
            let usual = alg.key_type().default_alg() == alg;
            let name = KeyFileName { active_from: Some(begins), alg: (!usual).then_some(alg) };
            let key = SigningKey::generate(alg).map_err(|error| error.to_string())?;
            // Several may begin in the same second.
            let label = format!("kidstamp-{}", alg.name().to_lowercase());
            let path =
                create_file(directory, &name, &label, &key).map_err(|error| error.to_string())?;
            text.push_str(&format!(
                "{alg}: {} takes over at {} (kid {})\n",
                shown(&path),
                time(begins),
                key.kid()
            ));
        }
        if text.is_empty() {
            return Err(format!(
                "{}: no key signs now; kidstamp keys generate --dir makes the first one",
                directory.display()
            ));
        }
        text.push_str(
            "give every replica the new files before that; leave the old ones in place\n",
        );
        for (retired, _) in in_state(KeyState::Retired) {
            text.push_str(&format!("{} is retired and may be deleted\n", retired.name));
        }
        Ok(text)
    }
}

fn table(ring: &KeyRing, now: i64, retain: Duration) -> String {
    let title = ["STATE", "KID", "ALG", "ACTIVE FROM", "FILE"].map(str::to_owned);
    let rows = ring.states(now, retain).map(|(key, state)| {
        [
            state.name().to_owned(),
            key.key.kid().to_owned(),
            key.key.alg().name().to_owned(),
            key.active_from.map_or_else(|| "always".to_owned(), time),
            visible(&key.name).into_owned(),
        ]
    });
    let rows = std::iter::once(title).chain(rows);
    rows.map(|[state, kid, alg, from, file]| {
        // A kid has 43 characters, a time 20, and no state or alg more than its column.
        format!("{state:<8}  {kid:<43}  {alg:<5}  {from:<20}  {file}\n")
    })
    .collect()
}

/// The first whole second that is `ahead` from `now`.
fn from(now: i64, ahead: Duration) -> i64 {
    let seconds = ahead.as_secs() + u64::from(ahead.subsec_nanos() > 0);
    now.saturating_add_unsigned(seconds)
}

/// RFC 3339.
fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .map_or_else(|_| "outside the calendar".to_owned(), |time| time.to_string())
}

fn shown(path: &Path) -> String {
    visible(&path.display().to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    const NOW: i64 = 1_800_000_000;

    fn generate(dir: &Path, alg: Alg, name: &str, activate_in: Option<u64>) -> Generate {
        let activate_in = activate_in.map(Duration::from_secs);
        Generate { dir: dir.to_owned(), alg, name: name.to_owned(), activate_in }
    }

    fn told(text: &str, what: &str) -> String {
        let line = text.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_once("  ").unwrap().1.trim().to_owned()
    }

    #[test]
    fn a_key_of_every_algorithm_reads_back() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("a/keys");
        for alg in Alg::ALL {
            let text = generate(&dir, alg, alg.name(), None).run(NOW).unwrap();
            let file = PathBuf::from(told(&text, "file"));
            let name = file.file_name().unwrap().to_str().unwrap();
            let parsed = KeyFileName::parse(name).unwrap();
            let key = SigningKey::from_file(&fs::read(&file).unwrap(), parsed.alg).unwrap();
            assert_eq!(key.alg(), alg);
            assert_eq!(key.kid(), told(&text, "kid"));
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(key.public().rsa_bits().is_none_or(|bits| bits == 2_048));
        }
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        let (ring, warnings) = load_directory(&dir).unwrap();
        assert_eq!(warnings, [""; 0]);
        assert_eq!(ring.active(NOW).len(), Alg::ALL.len());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), Alg::ALL.len(), "nothing hidden is left");
    }

    #[test]
    fn no_key_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let again = || generate(dir.path(), Alg::Es256, "kidstamp", None).run(NOW);
        let text = again().unwrap();
        let before = fs::read(told(&text, "file")).unwrap();
        let error = again().unwrap_err();
        assert!(error.contains("kidstamp.pem exists and is not overwritten"), "{error}");
        assert_eq!(fs::read(told(&text, "file")).unwrap(), before);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing hidden is left");
    }

    #[test]
    fn a_rotation_in_a_table() {
        let dir = tempfile::tempdir().unwrap();
        generate(dir.path(), Alg::Es256, "old", None).run(NOW).unwrap();
        let text = generate(dir.path(), Alg::Es256, "new", Some(900)).run(NOW).unwrap();
        assert_eq!(told(&text, "active"), "2027-01-15T08:15:00Z");
        assert!(told(&text, "file").ends_with("/20270115T081500Z-new.pem"));
        let states = |now| {
            let (ring, _) = load_directory(dir.path()).unwrap();
            let table = table(&ring, now, Duration::from_hours(1));
            let rows = table.lines().map(|line| line.replace("  ", " ")).collect::<Vec<_>>();
            rows.iter()
                .skip(1)
                .map(|row| {
                    let words: Vec<&str> = row.split_whitespace().collect();
                    [words[0], words[2], words[3], words[4]].join(" ")
                })
                .collect::<Vec<_>>()
        };
        let (old, new) =
            ("ES256 always old.pem", "ES256 2027-01-15T08:15:00Z 20270115T081500Z-new.pem");
        assert_eq!(states(NOW), [format!("active {old}"), format!("ahead {new}")]);
        assert_eq!(states(NOW + 900), [format!("retained {old}"), format!("active {new}")]);
        assert_eq!(states(NOW + 4_500), [format!("retired {old}"), format!("active {new}")]);
    }

    #[test]
    fn a_rotation_makes_one_key_for_each_algorithm_that_signs() {
        let dir = tempfile::tempdir().unwrap();
        let rotate = || Rotate {
            dir: Some(dir.path().to_owned()),
            activate_in: Duration::from_secs(900),
            retain: Duration::from_hours(1),
        };
        generate(dir.path(), Alg::Es256, "old", None).run(NOW).unwrap();
        generate(dir.path(), Alg::Es384, "old384", None).run(NOW).unwrap();
        let text = rotate().run(NOW).unwrap();
        assert_eq!(text.matches(" takes over at 2027-01-15T08:15:00Z (kid ").count(), 2, "{text}");
        let again = rotate().run(NOW).unwrap();
        assert_eq!(again.matches("Z already").count(), 2, "twice makes no more: {again}");
        let (ring, _) = load_directory(dir.path()).unwrap();
        assert_eq!(ring.states(NOW, Duration::MAX).count(), 4);
        let later = rotate().run(NOW + 4_600).unwrap();
        assert!(later.contains("old.pem is retired and may be deleted"), "{later}");
        assert!(rotate().dir.is_some());
        let empty = tempfile::tempdir().unwrap();
        let rotate = Rotate { dir: Some(empty.path().to_owned()), ..rotate() };
        assert!(rotate.run(NOW).unwrap_err().contains("kidstamp keys generate"));
    }

    #[test]
    fn keys_that_would_surprise_are_warned_about() {
        let dir = tempfile::tempdir().unwrap();
        let warnings = |name: &str, active_from: Option<i64>| {
            let key = SigningKey::generate(Alg::Es256).unwrap();
            let parts = KeyFileName { active_from, alg: None };
            let path = create_file(dir.path(), &parts, name, &key).unwrap();
            let (ring, _) = load_directory(dir.path()).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap();
            State::of(&ring, name, Alg::Es256, NOW).warnings.join("\n")
        };
        assert!(warnings("a", Some(NOW + 1)).contains("no key signs ES256 until then"));
        assert_eq!(warnings("b", None), "");
        assert!(warnings("c", None).contains("signs at once"));
        assert!(warnings("d", Some(NOW - 1)).contains("signs at once"));
        assert!(warnings("e", None).contains("never sign: 20270115T075959Z-d.pem is newer"));
        assert_eq!(warnings("f", Some(NOW + 9)), "");
    }
}
