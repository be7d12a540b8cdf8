//! OS threads: for code that blocks, and for watching a runtime that may be blocked (floor 1).
//!
//! **Invariant:** no thread holds the process: `main` may return while they run.
//! **Invariant:** the runtime's blocking pool is never used, since its tasks do hold the process.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::{Builder, JoinHandle};

use tokio::sync::oneshot;

use super::roll::Kind;
use super::{TaskEnd, TaskName, Tasks, panic_message};

/// A thread that was started; resolves to how it ended.
///
/// There is no way to end it from outside. Dropping this lets it run on; it stays in
/// [`Tasks::live_threads`] until it ends.
#[derive(Debug)]
pub(crate) struct Thread<T> {
    outcome: oneshot::Receiver<TaskEnd<T>>,
}

impl Tasks {
    /// Runs `f`, which may block, on a thread of its own, inside the context of the runtime
    /// and the span of the tasks.
    ///
    /// # Errors
    ///
    /// When the OS gives no thread.
    pub(crate) fn thread<T: Send + 'static>(
        &self,
        name: impl Into<TaskName>,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Thread<T>> {
        let name = name.into();
        let title = name.to_string();
        let runtime = self.runtime.clone();
        let (run, outcome) = self.counted(name, move || {
            let _context = runtime.enter();
            f()
        });
        os_thread(&title, run)?;
        Ok(Thread { outcome })
    }

    /// Runs `f` once `takes` has passed, as a task that stands for a thread: counted among the
    /// threads, and nobody can end it either.
    #[expect(clippy::disallowed_methods, reason = "the place that starts threads")]
    pub(crate) fn virtual_thread<T: Send + 'static>(
        &self,
        name: impl Into<TaskName>,
        takes: impl Future<Output = ()> + Send + 'static,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Thread<T> {
        let (run, outcome) = self.counted(name.into(), f);
        drop(self.runtime.spawn(async move {
            takes.await;
            run();
        }));
        Thread { outcome }
    }

    /// `f`, counted among the threads from here to its end, and where its end is told.
    fn counted<T, F>(
        &self,
        name: TaskName,
        f: F,
    ) -> (
        impl FnOnce() + Send + use<T, F>,
        oneshot::Receiver<TaskEnd<T>>,
    )
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let entry = self.rolls.enter(Kind::Thread, name);
        let (home, on_panic) = (self.home.clone(), self.on_panic);
        let (tx, outcome) = oneshot::channel();
        let run = move || {
            let at_home = home.enter();
            let end = catch_unwind(AssertUnwindSafe(f)).map_or_else(
                |payload| {
                    let message = panic_message(payload.as_ref());
                    on_panic(&entry.name(), &message);
                    TaskEnd::Panicked(message)
                },
                TaskEnd::Done,
            );
            drop(at_home);
            drop(home);
            // First out of the roll, so that one whose outcome is known is not live.
            drop(entry);
            // Nobody may be waiting any more.
            drop(tx.send(end));
        };
        (run, outcome)
    }
}

impl<T> Future for Thread<T> {
    type Output = TaskEnd<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TaskEnd<T>> {
        Pin::new(&mut self.outcome)
            .poll(cx)
            .map(|outcome| outcome.unwrap_or(TaskEnd::Aborted))
    }
}

/// Starts a thread that nobody counts, for floor 1 itself.
///
/// # Errors
///
/// When the OS gives no thread.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that starts threads"
)]
pub(crate) fn os_thread<T: Send + 'static>(
    name: &str,
    f: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    // A name with a zero byte in it, which a user's hook may have, would panic.
    Builder::new().name(name.replace('\0', " ")).spawn(f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::clock::Clock;
    use lamplighter_lifecycle::Instant;
    use std::panic::resume_unwind;
    use std::sync::mpsc;
    use tokio::runtime::Handle;

    fn tasks() -> Tasks {
        Tasks::new(Handle::current(), &|_, _| ())
    }

    #[tokio::test]
    async fn a_thread_tells_what_its_code_returned() {
        let tasks = tasks();
        let thread = tasks.thread("add", || 1 + 2).unwrap();
        assert_eq!(thread.await, TaskEnd::Done(3));
        assert!(tasks.live_threads().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_virtual_thread_takes_its_time_by_a_paused_clock_and_is_counted_till_then() {
        let tasks = tasks();
        let takes = std::time::Duration::from_secs(3600);
        let clock = Clock::new();
        clock.begin(&Handle::current());
        let sleep = clock.sleep_until(Instant::ZERO + takes);
        let thread = tasks.virtual_thread("sync", sleep, move || clock.now());
        assert_eq!(tasks.live_threads(), ["sync".into()]);
        assert_eq!(thread.await, TaskEnd::Done(Instant::ZERO + takes));
        assert!(tasks.live_threads().is_empty());
    }

    #[tokio::test]
    async fn a_thread_that_panics_tells_the_message() {
        let thread = tasks()
            .thread("fails", || -> () { resume_unwind(Box::new("disk full")) })
            .unwrap();
        assert_eq!(thread.await, TaskEnd::Panicked("disk full".into()));
    }

    #[tokio::test]
    async fn a_thread_that_still_runs_is_named_and_not_waited_for() {
        let tasks = tasks();
        let (release, released) = mpsc::channel::<()>();
        let thread = tasks
            .thread("stuck".to_owned(), move || released.recv().is_err())
            .unwrap();
        assert_eq!(tasks.live_threads(), [TaskName::from("stuck")]);
        tasks.ended().await;
        drop(release);
        assert_eq!(thread.await, TaskEnd::Done(true));
    }

    #[tokio::test]
    async fn a_thread_finds_the_runtime_and_takes_any_name() {
        let thread = tasks()
            .thread("a\0b".to_owned(), || {
                let name = std::thread::current().name().map(str::to_owned);
                (Handle::current().id(), name)
            })
            .unwrap();
        let TaskEnd::Done((runtime, name)) = thread.await else {
            panic!("the thread did not end well")
        };
        assert_eq!(runtime, Handle::current().id());
        assert_eq!(name.as_deref(), Some("a b"));
    }
}
