//! Kidstamp as its users start it: a process with arguments, signals, a log and an exit code.

use crate::client::Client;
use crate::gate::eventually;
use crate::sidecar::ask_admin;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A process. Killed with the test.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    _folder: TempDir,
    kept: Option<TempDir>,
}

impl Process {
    /// Starts `kidstamp` with these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kidstamp"));
        command.args(arguments).stdin(Stdio::null());
        Self::spawn(command)
    }

    /// The same, with a socket that is bound already, as systemd hands it over. The shell makes it the third
    /// descriptor, and becomes the program: so it knows the number of the process.
    pub(crate) fn start_on(socket: impl Into<OwnedFd>, arguments: &[&str]) -> Self {
        let script = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" \"$@\"";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_kidstamp")]).args(arguments);
        command.stdin(Stdio::from(socket.into()));
        Self::spawn(command)
    }

    /// After these commands of a shell, which becomes the program.
    pub(crate) fn start_in_shell(before: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("/bin/sh");
        let script = format!("{before}; exec \"$0\" \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_kidstamp")]).args(arguments);
        command.stdin(Stdio::null());
        Self::spawn(command)
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn spawn(mut command: Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let child = command
            .env_clear()
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log, _folder: folder, kept: None }
    }

    /// Ends that folder with the process.
    pub(crate) fn keeping(mut self, folder: TempDir) -> Self {
        self.kept = Some(folder);
        self
    }

    /// What it has written to standard error so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The address after one of these texts in the line that tells them.
    fn address(&self, after: &[&str]) -> SocketAddr {
        eventually("kidstamp says where it listens", || {
            let log = self.log();
            let line = log.lines().find(|line| line.contains("listening on http"))?;
            let (_, rest) = after.iter().find_map(|after| line.split_once(after))?;
            let end = rest.find(|sign: char| !sign.is_ascii_digit() && !matches!(sign, '.' | ':'));
            rest[..end.unwrap_or(rest.len())].parse().ok()
        })
    }

    /// Where it serves clients.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.address(&["listening on http://"])
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.listen())
    }

    /// `GET path` at the admin address: status and body.
    pub(crate) fn admin(&self, path: &str) -> (u16, String) {
        ask_admin(self.address(&["admin=\"http://", "\"admin\":\"http://"]), path)
    }

    pub(crate) fn await_ready(&self) {
        eventually("kidstamp is ready", || (self.admin("/readyz").0 == 200).then_some(()));
    }

    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// The value of a metric; 0 if it is not there.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let (_, metrics) = self.admin("/metrics");
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().expect("a whole number"))
    }

    /// Waits for the end; the exit code and the whole log.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let status = eventually("kidstamp ends", || self.child.try_wait().unwrap());
        (status.code(), self.log())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
