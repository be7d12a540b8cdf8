//! Whole processes: an example of a package, started with a clean environment, given real signals.
//!
//! **Invariant:** no process outlives the value that stands for it. **Invariant:** a signal is sent
//! only to a process that has not been reaped, so never to another one that got its number.

mod binary;
mod output;

use std::ffi::OsString;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::Location;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lamplighter::Signal;
use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process, waitid};

use self::output::{Output, Stream};
use crate::patience::{PATIENCE, bounded, fail};

/// A program to be started: an example of a package of this workspace.
///
/// It gets a clean environment: `PATH`, `HOME`, `TMPDIR` and what [`env`](Self::env) says, nothing
/// else. Its standard input is empty. Signals that this process was told to ignore, as a background
/// job of a script is, have their default meaning in it again.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    under: Vec<OsString>,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    stdout: Reader,
    stderr: Reader,
}

/// Who reads what the program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// The test, to the end.
    Stays,
    /// Nobody after the first line, as behind `head -1`.
    LeavesAfterOneLine,
    /// Nobody at all: the pipe's other end is closed from the beginning.
    Gone,
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

    fn command(&self) -> Command {
        let mut words = default_signals();
        words.extend(self.under.iter().cloned());
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
        command
            .stdin(Stdio::null())
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

/// A process that was started. Dropped, it is killed.
pub struct Process {
    pid: Pid,
    name: String,
    begun: Instant,
    /// Whether it has been reaped, so that its number is not its own any more.
    reaped: Arc<Mutex<bool>>,
    output: Output,
}

/// How a process ended, and what it had to say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exit {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
    /// From its start to its end.
    pub took: Duration,
}

impl Process {
    fn spawn(program: Program) -> Result<Self, (Program, std::io::Error)> {
        let mut child = match program.command().spawn() {
            Ok(child) => child,
            Err(error) => return Err((program, error)),
        };
        let begun = Instant::now();
        let output = Output::default();
        // Both are there: they were piped above.
        if let Some(stdout) = child.stdout.take() {
            output.read(Stream::Stdout, stdout, program.stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            output.read(Stream::Stderr, stderr, program.stderr);
        }
        let pid = Pid::from_child(&child);
        let reaped = Arc::new(Mutex::new(false));
        reap(child, pid, Arc::clone(&reaped), output.clone());
        let name = program.path.display().to_string();
        Ok(Self {
            pid,
            name,
            begun,
            reaped,
            output,
        })
    }

    /// Its number.
    #[must_use]
    pub const fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends it a signal, now. Without effect if it is gone.
    pub fn signal(&self, signal: Signal) {
        self.kill(number(signal));
    }

    /// Sends a signal to another process, for one that this one has started.
    ///
    /// # Panics
    ///
    /// If there is no such process.
    #[track_caller]
    pub fn signal_other(&self, pid: i32, signal: Signal) {
        let here = Location::caller();
        let other = Pid::from_raw(pid).map(|pid| kill_process(pid, number(signal)));
        if !matches!(other, Some(Ok(()))) {
            self.gave_up(
                here,
                &format!("no process {pid} to send {signal} to: {other:?}"),
            );
        }
    }

    fn kill(&self, signal: rustix::process::Signal) {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped {
            // It may have ended by itself in this very moment, which is as good.
            let _gone = kill_process(self.pid, signal);
        }
    }

    /// The numbers of the processes that it has started and that are there.
    #[must_use]
    pub fn children(&self) -> Vec<i32> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid());
        let children = std::fs::read_to_string(path).unwrap_or_default();
        children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect()
    }

    /// Where it listens: resolves when it has printed `ready on http://ADDRESS`.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], or if it ended first; with everything that it has printed.
    #[track_caller]
    pub fn ready(&self) -> impl Future<Output = SocketAddr> + use<'_> {
        const READY: &str = "ready on http://";
        let here = Location::caller();
        async move {
            let line = self.wait_for(here, READY, 1).await;
            let addr = line
                .split(READY)
                .nth(1)
                .and_then(|addr| addr.trim().parse().ok());
            addr.unwrap_or_else(|| self.gave_up(here, &format!("no address in {line:?}")))
        }
    }

    /// The first line on either stream that contains `text`; resolves when it was printed.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], or if it ended first; with everything that it has printed.
    #[track_caller]
    pub fn line(&self, text: &str) -> impl Future<Output = String> {
        self.nth_line(text, 1)
    }

    /// The `count`-th line on either stream that contains `text`; resolves when it was printed.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], or if it ended first; with everything that it has printed.
    #[track_caller]
    pub fn nth_line(&self, text: &str, count: usize) -> impl Future<Output = String> {
        let here = Location::caller();
        async move { self.wait_for(here, text, count).await }
    }

    /// Every line on either stream so far that contains `text`.
    #[must_use]
    pub fn lines(&self, text: &str) -> Vec<String> {
        self.output.lines(text)
    }

    async fn wait_for(&self, here: &Location<'_>, text: &str, count: usize) -> String {
        let what = format!("line {count} with {text:?}");
        match bounded(PATIENCE, self.output.line(text, count)).await {
            Some(Some(line)) => line,
            Some(None) => self.gave_up(here, &format!("it ended without {what}")),
            None => self.gave_up(here, &format!("waited {PATIENCE:?} for {what}")),
        }
    }

    /// Resolves when the process is gone and everything that it wrote is read.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], with everything that it has printed.
    #[track_caller]
    pub fn exit(&self) -> impl Future<Output = Exit> {
        self.exit_within(PATIENCE)
    }

    /// As [`exit`](Self::exit), with another bound than [`PATIENCE`]: a budget and some patience.
    ///
    /// # Panics
    ///
    /// After `limit`, with everything that it has printed.
    #[track_caller]
    pub fn exit_within(&self, limit: Duration) -> impl Future<Output = Exit> {
        let here = Location::caller();
        async move {
            let ended = bounded(limit, self.output.ended()).await;
            let (status, at) = ended
                .unwrap_or_else(|| self.gave_up(here, &format!("waited {limit:?} for its end")));
            Exit {
                code: status.code(),
                signal: std::os::unix::process::ExitStatusExt::signal(&status),
                stdout: self.output.text(Stream::Stdout),
                stderr: self.output.text(Stream::Stderr),
                took: at.duration_since(self.begun),
            }
        }
    }

    fn gave_up(&self, here: &Location<'_>, what: &str) -> ! {
        fail(
            here,
            &format!("{}: {what}; it printed:{}", self.name, self.output),
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill(rustix::process::Signal::KILL);
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("pid", &self.pid)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Exit {
    /// Everything, for the message of an assertion.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            signal,
            stdout,
            stderr,
            took,
        } = self;
        write!(
            f,
            "code {code:?}, signal {signal:?} after {took:?}\nstdout:\n{stdout}stderr:\n{stderr}"
        )
    }
}

/// Waits for the end of a process on a thread of its own.
fn reap(mut child: Child, pid: Pid, reaped: Arc<Mutex<bool>>, output: Output) {
    drop(std::thread::spawn(move || {
        // Left as a zombie until the lock is held, so that its number stays its own for `kill`.
        let waited = waitid(
            WaitId::Pid(pid),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        );
        let at = Instant::now();
        let mut reaped = reaped.lock().unwrap_or_else(PoisonError::into_inner);
        *reaped = true;
        let status = match waited {
            Ok(_) | Err(_) => child.wait().unwrap_or_else(|_| ExitStatus::default()),
        };
        output.end(status, at);
    }));
}

const fn number(signal: Signal) -> rustix::process::Signal {
    match signal {
        Signal::Sigterm => rustix::process::Signal::TERM,
        Signal::Sigint => rustix::process::Signal::INT,
        Signal::Sigquit => rustix::process::Signal::QUIT,
        Signal::Sighup => rustix::process::Signal::HUP,
        Signal::Sigusr1 => rustix::process::Signal::USR1,
        Signal::Sigusr2 => rustix::process::Signal::USR2,
    }
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
