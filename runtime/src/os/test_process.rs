//! For tests: the test itself once more, in a process of its own, to be killed or stopped (floor 1).
//!
//! A test calls [`of`] with itself. In the process of the test runner that starts the test binary
//! again for this one test and hands out the other end; in the new process it runs the given body
//! and exits with its result.
//!
//! **Invariant:** no wait here is without a bound, and none of them lets time pass to see what
//! happens: each waits for a line or for the end.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::any::type_name;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::scope;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::tasks::os_thread;

/// Far beyond what any test needs, on whatever machine.
const PATIENCE: Duration = Duration::from_secs(100);
const ROLE: &str = "LAMPLIGHTER_TEST_PROCESS";

/// The process of `test`, running `body`; never returns in that process.
///
/// Between the two, `how` may wrap the command, as `sh -c` does.
#[expect(clippy::disallowed_methods, reason = "the end of a test's own process")]
pub(crate) fn of_with<T>(_test: T, how: &[&str], body: impl FnOnce() -> i32) -> TestProcess {
    let path = type_name::<T>();
    let name = path.split_once("::").map_or(path, |(_, name)| name);
    if std::env::var(ROLE).is_ok_and(|role| role == name) {
        let code = body();
        #[expect(clippy::exit, reason = "the end of a test's own process")]
        std::process::exit(code);
    }
    TestProcess::start(name, how)
}

pub(crate) fn of<T>(test: T, body: impl FnOnce() -> i32) -> TestProcess {
    of_with(test, &[], body)
}

/// Says a line to the process of the test runner.
pub(crate) fn say(line: &str) {
    // On a line of its own: the test runner in this process writes there too.
    let mut out = std::io::stdout().lock();
    drop(out.write_all(format!("\n>{line}\n").as_bytes()));
    drop(out.flush());
}

/// The next line that the process of the test runner says; nothing at its end.
pub(crate) fn hear() -> String {
    let mut line = String::new();
    drop(std::io::stdin().read_line(&mut line));
    line.trim_end().to_owned()
}

/// The test's other process. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct TestProcess {
    process: std::process::Child,
    lines: Receiver<String>,
    errors: Receiver<String>,
}

impl TestProcess {
    fn start(name: &str, how: &[&str]) -> Self {
        let exe = std::env::current_exe().expect("the test binary has a path");
        // Whoever starts the tests may ignore signals, as a shell does for what it runs in the
        // background; the tests are about signals that mean what they usually do.
        let default = ["env", "--default-signal"];
        let mut words: Vec<std::ffi::OsString> =
            default.iter().chain(how).map(Into::into).collect();
        words.push(exe.into());
        let (program, arguments) = words.split_first().expect("one word at least");
        let mut process = Command::new(program)
            .args(arguments)
            .args([name, "--exact", "--nocapture"])
            .env(ROLE, name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the test binary starts again");
        let stdout = process.stdout.take().expect("stdout is piped");
        let mut stderr = process.stderr.take().expect("stderr is piped");
        let (line, lines) = channel();
        os_thread("test-lines", move || {
            for text in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(text) = text.strip_prefix('>') {
                    drop(line.send(text.to_owned()));
                }
            }
        })
        .expect("a thread for its lines");
        let (error, errors) = channel();
        os_thread("test-errors", move || {
            let mut text = Vec::new();
            drop(stderr.read_to_end(&mut text));
            drop(error.send(String::from_utf8_lossy(&text).into_owned()));
        })
        .expect("a thread for its errors");
        Self {
            process,
            lines,
            errors,
        }
    }

    /// Waits for its next line and fails unless it is this one.
    #[track_caller]
    pub(crate) fn says(&self, expected: &str) {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => assert_eq!(line, expected),
            Err(error) => panic!("no line instead of {expected:?}: {error}"),
        }
    }

    /// Every line it still says before its end.
    pub(crate) fn rest(&self) -> Vec<String> {
        self.lines.iter().collect()
    }

    pub(crate) fn tell(&mut self, line: &str) {
        let stdin = self.process.stdin.as_mut().expect("stdin is piped");
        writeln!(stdin, "{line}").expect("it listens");
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    pub(crate) fn kill(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it has not been waited for");
    }

    /// Stops it as SIGSTOP does; it is stopped when this returns.
    pub(crate) fn freeze(&self) {
        self.kill(Signal::STOP);
        let (_, status) = waitpid(Some(self.pid()), WaitOptions::UNTRACED)
            .expect("it is our child")
            .expect("it has stopped or ended");
        assert!(status.stopped(), "it ended instead of stopping");
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> End {
        let (done, ended) = channel();
        // The wait would close it, and a process that listens would hear the end.
        let _stdin = self.process.stdin.take();
        scope(|scope| {
            let pid = self.pid();
            scope.spawn(move || {
                if ended.recv_timeout(PATIENCE).is_err() {
                    let _ = kill_process(pid, Signal::KILL);
                }
            });
            let status = self.process.wait().expect("it is our child");
            let _ = done.send(());
            End {
                status,
                errors: self.errors.recv().expect("its errors were read"),
            }
        })
    }
}

impl Drop for TestProcess {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct End {
    status: ExitStatus,
    pub(crate) errors: String,
}

impl End {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub(crate) fn killed_by(&self) -> Option<i32> {
        self.status.signal()
    }
}
