//! The main function's companion: a runtime whose end is bounded, and the watchdog beside it
//! (floor 1).
//!
//! **Invariant:** no task or thread that is stuck, and nothing that is slow, holds the process once the
//! stops have ended.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

#[cfg(unix)]
use super::signal::file_size;
use super::tasks::os_thread;
use super::watchdog::Companion;

/// Runs `future` to its end on a runtime of its own; what `main` calls instead of `#[tokio::main]`.
///
/// The runtime has one worker thread for each core, or `TOKIO_WORKER_THREADS` of them, and all of
/// tokio's features.
///
/// When this returns, `future` has ended and so has the stop of every server on this runtime whose
/// stop had begun by then, also of one that was merely dropped. None of this waits for ever:
///
/// * A stop ends within its budget. A thread beside the runtime sees to it: when a stop is not over
///   by the end of its budget, or 1 s after a third signal, it prints what is known about the stop
///   on stderr and ends the process with exit code 12. It does so even if every worker thread is
///   blocked. Time in which the process was frozen does not count.
/// * Tasks that are left then are dropped, and get 100 ms for it. Blocking ones
///   (`spawn_blocking`) and blocked ones are left behind: they end with the process. All of it, the end
///   of the runtime's threads and the closing of its descriptors included, takes a millisecond or two;
///   what takes longer than 1 s, on a machine that is starved or traced, is left behind as well. This is
///   behind the stops and their budgets, as is what `main` still does: the 2 s that `Plan::explain` adds
///   for the platform are for that.
///
/// A write beyond the limit of file sizes (`ulimit -f`), of a log say, is an error from here on: SIGXFSZ,
/// which would end the process in the middle of its work, is caught, unless the program has seen to it.
///
/// `#[tokio::main]` promises neither: there, one `spawn_blocking` that never returns holds the
/// process for ever.
///
/// It does not stop servers: one that still runs when `future` ends is dropped with its runtime. A
/// stop without a deadline (`drain()`, `OnDeadline::KeepWaiting`) is waited for without one, until a
/// signal or a `stop()` gives it one.
///
/// It can be called again, and on several threads at once; one thread then watches for all of them.
///
/// # Panics
///
/// When called on a thread of a runtime, since it would block it; when the OS gives no threads or
/// descriptors for a runtime; and when `future` panics, after the same waiting.
///
/// ```
/// assert_eq!(lamplighter::block_on(async { 6 * 7 }), 42);
/// ```
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = start();
    let companion = started(Companion::start(runtime.handle()));
    // Nothing is used after the panic but what the runtime itself keeps consistent.
    let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(future)));
    runtime.block_on(companion.stops_ended());
    leave_behind(PARTING, move || {
        runtime.shutdown_timeout(LEFTOVERS);
        drop(companion);
    });
    ended.unwrap_or_else(|panic| resume_unwind(panic))
}

/// How long a runtime and the thread beside it may take to end: 500 times what they do where nothing
/// is wrong, and half of what the platform adds to a budget.
const PARTING: Duration = Duration::from_secs(1);

/// Does something on a thread of its own, and waits for it no longer than `limit`.
fn leave_behind<F: FnOnce() + Send + 'static>(limit: Duration, work: F) {
    fn take<F>(work: &Mutex<Option<F>>) -> Option<F> {
        work.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
    // Shared, since a closure is lost with the thread that the OS does not give.
    let work = Arc::new(Mutex::new(Some(work)));
    let (done, ended) = channel::<()>();
    let theirs = Arc::clone(&work);
    let thread = os_thread("lamp-leaver", move || {
        if let Some(work) = take(&theirs) {
            work();
        }
        drop(done);
    });
    match thread {
        // Nothing is sent: it ends with its sender, or the limit does.
        Ok(_left) => drop(ended.recv_timeout(limit)),
        // Better without a limit than not at all.
        Err(_) => {
            if let Some(work) = take(&work) {
                work();
            }
        }
    }
}

/// How long tasks that are left may take to be dropped.
const LEFTOVERS: Duration = Duration::from_millis(100);

fn start() -> Runtime {
    #[expect(
        clippy::panic,
        reason = "documented: a mistake in the program's structure"
    )]
    if Handle::try_current().is_ok() {
        panic!(
            "lamplighter::block_on was called on a thread of a tokio runtime, which it would \
             block; call it from main, or await the future instead"
        );
    }
    #[cfg(unix)]
    file_size::survive_its_limit();
    started(build(UNBUILT, make))
}

/// How long a runtime may take to be made, which takes less than a millisecond: not a matter of a busy
/// machine any more.
const UNBUILT: Duration = Duration::from_secs(5);

fn make() -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.thread_name("lamp-worker").enable_all().build()
}

/// Has something made on a thread that can be left behind, if that takes longer than `limit`.
///
/// Where the OS gives some threads and then no more, as it does at the edge of a limit, tokio 1.54 panics
/// with workers that run already, and waits for ever for their end as it unwinds.
fn build<T: Send + 'static>(
    limit: Duration,
    make: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (built, runtime) = channel();
    // Whoever has waited for it may be gone.
    let builder = os_thread("lamp-builder", move || drop(built.send(make())))?;
    match runtime.recv_timeout(limit) {
        Ok(built) => built,
        // What tokio does not take from its environment.
        Err(RecvTimeoutError::Disconnected) => match builder.join() {
            Err(panic) => resume_unwind(panic),
            Ok(()) => Err(io::Error::other("its builder has ended")),
        },
        Err(RecvTimeoutError::Timeout) => {
            let some = "the OS gives some of its threads, and not all: see `ulimit -u`, `ulimit -v` and \
                        pids.max of the cgroup, or set TOKIO_WORKER_THREADS to fewer";
            Err(io::Error::new(io::ErrorKind::TimedOut, some))
        }
    }
}

#[expect(
    clippy::panic,
    reason = "documented: without threads there is nothing to run the future on, nor to return"
)]
fn started<T>(result: io::Result<T>) -> T {
    match result {
        Ok(started) => started,
        Err(error) => panic!("cannot start a runtime: {error}"),
    }
}

#[cfg(all(test, unix))]
mod tests;
