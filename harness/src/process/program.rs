//! A program that is to be started: what it is given, and what is kept from it.
//!
//! **Invariant:** nothing of the test's own environment gets through but what is named here.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use lamplighter::Signal;

use super::{Process, binary, number};
use crate::patience::fail;

/// A program to be started: an example of a package of this workspace.
///
/// It gets a clean environment: `PATH`, `HOME`, `TMPDIR` and what [`env`](Self::env) says, nothing
/// else. Its standard input is empty. Signals that this process was told to ignore, as a background
/// job of a script is, have their default meaning in it again.
#[derive(Clone, Debug)]
pub struct Program {
    pub(super) path: PathBuf,
    under: Vec<OsString>,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    given: Option<Box<Given>>,
    pub(super) stdout: Reader,
    pub(super) stderr: Reader,
}

/// Who reads what the program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// The test, to the end.
    Stays,
    /// Nobody after the first line, as behind `head -1`.
    LeavesAfterOneLine,
    /// Nobody at all: the pipe's other end is closed from the beginning.
    Gone,
}

/// A socket that the program is started with, once for each of these names.
#[derive(Clone, Debug)]
struct Given {
    socket: Arc<OwnedFd>,
    names: String,
    script: String,
}

/// What the environment keeps of ours.
const KEPT: [&str; 4] = ["PATH", "HOME", "TMPDIR", "LLVM_PROFILE_FILE"];

impl Program {
    /// The example of this name, built if it is not there or older than one of its sources.
    ///
    /// Built with the profile and into the target directory of the running test.
    ///
    /// # Panics
    ///
    /// If it does not build, with what cargo says.
    #[must_use]
    #[track_caller]
    pub fn example(package: &str, name: &str) -> Self {
        let here = Location::caller();
        let path = binary::example(package, name).unwrap_or_else(|error| fail(here, &error));
        Self {
            path,
            under: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            given: None,
            stdout: Reader::Stays,
            stderr: Reader::Stays,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl ToString) -> Self {
        self.env.push((name.into(), value.to_string().into()));
        self
    }

    /// Starts it by means of another program, which is given these arguments, then the path of this
    /// one and its arguments: `nohup`, `unshare`.
    #[must_use]
    pub fn under<A: Into<OsString>>(mut self, words: impl IntoIterator<Item = A>) -> Self {
        self.under.extend(words.into_iter().map(Into::into));
        self
    }

    /// Starts it with this socket as its descriptors from 3 on, one for each name, as a service
    /// manager does (`sd_listen_fds(3)`). Whoever starts it goes on to hold the socket.
    ///
    /// # Panics
    ///
    /// If there are more than six names, or none: a shell can do no more.
    #[must_use]
    #[track_caller]
    pub fn inheriting(mut self, socket: impl Into<OwnedFd>, names: &[&str]) -> Self {
        let count = names.len();
        assert!((1..=6).contains(&count), "1 to 6 names, not {count}");
        // Standard input is the one descriptor beside its output that a program can be started with.
        let copies: String = (3..3 + count).map(|fd| format!(" {fd}<&0")).collect();
        let script = format!(
            "exec{copies} </dev/null; export LISTEN_PID=$$ LISTEN_FDS={count}; exec \"$@\""
        );
        self.given = Some(Box::new(Given {
            socket: Arc::new(socket.into()),
            names: names.join(":"),
            script,
        }));
        self
    }

    /// Starts it with a signal ignored, as a shell starts a background job.
    #[must_use]
    pub fn ignoring(self, signal: Signal) -> Self {
        let trap = format!("trap '' {}; exec \"$@\"", short_name(signal));
        self.under(["sh", "-c", &trap, "sh"])
    }

    /// Nobody reads its standard output after the first line.
    #[must_use]
    pub const fn stdout_read_for_one_line(mut self) -> Self {
        self.stdout = Reader::LeavesAfterOneLine;
        self
    }

    /// Nobody reads its standard error: whatever it writes there fails.
    #[must_use]
    pub const fn stderr_unread(mut self) -> Self {
        self.stderr = Reader::Gone;
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// If the operating system refuses.
    #[must_use]
    #[track_caller]
    pub fn start(self) -> Process {
        let here = Location::caller();
        match Process::spawn(self) {
            Ok(process) => process,
            Err((program, error)) => fail(here, &format!("cannot start {program:?}: {error}")),
        }
    }

    pub(super) fn command(&self) -> Command {
        let mut words = default_signals();
        words.extend(self.under.iter().cloned());
        if let Some(given) = &self.given {
            // Last of all, so that the number is the program's own.
            words.extend(["sh", "-c", &given.script, "sh"].map(Into::into));
        }
        words.push(self.path.clone().into());
        words.extend(self.args.iter().cloned());
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).env_clear();
        for name in KEPT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(self.env.iter().cloned());
        let stdin = match &self.given {
            Some(given) => {
                command.env("LISTEN_FDNAMES", &given.names);
                given
                    .socket
                    .try_clone()
                    .map_or_else(|_| Stdio::null(), Stdio::from)
            }
            None => Stdio::null(),
        };
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// The words in front that give ignored signals their default meaning again; none are needed if
/// none is ignored.
fn default_signals() -> Vec<OsString> {
    let ignored = std::fs::read_to_string("/proc/self/status")
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default();
    let words: Vec<OsString> = Signal::ALL
        .into_iter()
        .filter(|signal| ignored & 1 << (number(*signal).as_raw() - 1) != 0)
        .map(|signal| format!("--default-signal={}", short_name(signal)).into())
        .collect();
    if words.is_empty() {
        return words;
    }
    std::iter::once("env".into()).chain(words).collect()
}

/// The name that shells and `env` know a signal by.
const fn short_name(signal: Signal) -> &'static str {
    match signal {
        Signal::Sigterm => "TERM",
        Signal::Sigint => "INT",
        Signal::Sigquit => "QUIT",
        Signal::Sighup => "HUP",
        Signal::Sigusr1 => "USR1",
        Signal::Sigusr2 => "USR2",
    }
}
