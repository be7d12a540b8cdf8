//! The end of the process: the last words, bounded, then the exit (floor 1).
//!
//! **Invariant:** no destructor, exit handler, lock or full pipe can keep the process alive.

use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;

use super::{AFTER_ABANDON, Guarded, LAST_WORDS};
use crate::os::tasks::os_thread;

/// The exit code of a stop that was abandoned.
pub(super) const EXIT_ABANDONED: i32 = 12;

/// Why the process is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The time of the stop is over.
    Budget,
    /// The stop was given up on, and was not over even so.
    Abandoned,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget => f.write_str("the stop did not end within its budget"),
            Self::Abandoned => write!(
                f,
                "the stop did not end within {AFTER_ABANDON:?} of a third signal"
            ),
        }
    }
}

/// Prints what `stopping` know and ends the process with [`EXIT_ABANDONED`].
pub(super) fn process(stopping: Vec<Arc<dyn Guarded>>, reason: Reason) -> ! {
    let (done, printed) = channel();
    // Without a thread nothing is printed: doing it here could block.
    let printer = os_thread("lamp-last-words", move || {
        print(&stopping, reason);
        let _ = done.send(());
    });
    if printer.is_ok() {
        let _ = printed.recv_timeout(LAST_WORDS);
    }
    exit()
}

/// stderr may be closed, or a full pipe that nobody reads: errors are of no use here.
fn print(stopping: &[Arc<dyn Guarded>], reason: Reason) {
    // Each as soon as it is known, in case the next one hangs.
    let say = |text: &str| drop(std::io::stderr().write_all(text.as_bytes()));
    say(&format!(
        "lamplighter: {reason}; ending the process with code {EXIT_ABANDONED}\n"
    ));
    for guarded in stopping {
        if let Ok(mut report) = catch_unwind(AssertUnwindSafe(|| guarded.partial_report())) {
            if !report.ends_with('\n') {
                report.push('\n');
            }
            say(&report);
        }
    }
}

/// `_exit`: handlers of `atexit` could block, and destructors of statics could wait for threads.
#[cfg(unix)]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that ends the process: the stop did not end by itself"
)]
fn exit() -> ! {
    signal_hook::low_level::exit(EXIT_ABANDONED)
}

#[cfg(not(unix))]
#[expect(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "the one place that ends the process: the stop did not end by itself"
)]
fn exit() -> ! {
    std::process::exit(EXIT_ABANDONED)
}
