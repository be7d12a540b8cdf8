//! The end of the process: the last words, bounded, then the exit (floor 1).
//!
//! **Invariant:** no destructor, exit handler, lock or full pipe can keep the process alive.

use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

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

/// The thread that prints the last words, since that could block. It is there before they are needed: a
/// process that has used up its threads has none for them then.
pub(super) struct Printer {
    words: Sender<Words>,
    thread: JoinHandle<()>,
}

struct Words {
    stopping: Vec<Arc<dyn Guarded>>,
    reason: Reason,
    /// Dropped when they are printed.
    _printed: Sender<()>,
}

impl Printer {
    /// # Errors
    ///
    /// When the OS gives no thread.
    pub(super) fn start() -> io::Result<Self> {
        let (words, last) = channel::<Words>();
        let thread = os_thread("lamp-last-words", move || {
            // None, if the stops end as they should.
            for words in last {
                print(&words.stopping, words.reason);
            }
        })?;
        Ok(Self { words, thread })
    }

    /// Ends the thread, which has had nothing to do.
    pub(super) fn end(self) {
        drop(self.words);
        drop(self.thread.join());
    }

    /// Prints what `stopping` know and ends the process with [`EXIT_ABANDONED`].
    pub(super) fn end_process(&self, stopping: Vec<Arc<dyn Guarded>>, reason: Reason) -> ! {
        let (printed, is_printed) = channel();
        let words = Words {
            stopping,
            reason,
            _printed: printed,
        };
        if self.words.send(words).is_ok() {
            let _over = is_printed.recv_timeout(LAST_WORDS);
        }
        exit()
    }
}

/// stderr may be closed, or a full pipe that nobody reads: errors are of no use here.
fn print(stopping: &[Arc<dyn Guarded>], reason: Reason) {
    // Each as soon as it is known, in case the next one hangs.
    let say = |text: &str| drop(io::stderr().write_all(text.as_bytes()));
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
