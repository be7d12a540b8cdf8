//! Whole processes: an example of a package, started with a clean environment, given real signals.
//!
//! **Invariant:** no process outlives the value that stands for it. **Invariant:** a signal is sent
//! only to a process that has not been reaped, so never to another one that got its number.

mod binary;
mod output;
mod program;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::Location;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lamplighter::Signal;
use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process, waitid};

pub use program::Program;

use self::output::{Output, Stream};
use crate::patience::{PATIENCE, bounded, fail};

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
