//! The one place that spawns: named tasks on the server's runtime, each counted until it is gone
//! (floor 1).
//!
//! **Invariant:** a task is counted until its future has been dropped, however it ended.
//! **Invariant:** a panic of a task ends that task alone, and is told to whoever made the [`Tasks`].
//! **Invariant:** whatever runs here logs into the span that was current where the [`Tasks`] were made.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};

use super::log::{self, Home};

mod hand_over;
mod roll;
mod thread;

pub(crate) use hand_over::HandOver;
pub(crate) use roll::{Rolls, TaskName};
pub(crate) use thread::os_thread;

use roll::{Entry, Kind};

/// Spawns the tasks and threads of one server and knows which of them live.
///
/// Clones spawn into the same rolls. Dropping it stops nothing.
#[derive(Clone)]
pub(crate) struct Tasks {
    runtime: Handle,
    home: Home,
    rolls: Rolls,
    on_panic: OnPanic,
}

/// Is told the name of what panicked and the panic's message, on the thread of the panic.
pub(crate) type OnPanic = &'static (dyn Fn(&TaskName, &str) + Send + Sync);

/// How a task or thread ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TaskEnd<T> {
    /// It ran to its end.
    Done(T),
    /// It panicked, with this message.
    Panicked(String),
    /// It was aborted, or its runtime was shut down.
    Aborted,
}

impl Tasks {
    /// Spawns on `runtime`; panics of tasks and threads are told to `on_panic` as they happen.
    ///
    /// All of them log into the span that is current now.
    pub(crate) fn new(runtime: Handle, on_panic: OnPanic) -> Self {
        Self {
            runtime,
            home: Home::here(),
            rolls: Rolls::default(),
            on_panic,
        }
    }

    /// Runs `future` as a task. Callable from any thread.
    ///
    /// It is counted when this returns. Dropping the [`Task`] lets it run on unwatched.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns tasks")]
    pub(crate) fn spawn<F>(&self, name: impl Into<TaskName>, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let tracked = Tracked {
            future: Some(future),
            entry: self.rolls.enter(Kind::Task, name.into()),
            on_panic: self.on_panic,
        };
        Task {
            join: self.runtime.spawn(self.home.clone().hold(tracked)),
        }
    }

    /// How many tasks live and are not left. Takes no lock.
    pub(crate) fn count(&self) -> usize {
        self.rolls.of(Kind::Task).count()
    }

    /// The names of the tasks that live and are not left, sorted.
    pub(crate) fn live(&self) -> Vec<TaskName> {
        self.rolls.of(Kind::Task).names()
    }

    /// The names of the threads that still run, sorted.
    pub(crate) fn live_threads(&self) -> Vec<TaskName> {
        self.rolls.of(Kind::Thread).names()
    }

    /// Who lives, to be asked at any later time.
    pub(crate) fn rolls(&self) -> Rolls {
        self.rolls.clone()
    }

    /// Waits no more for the tasks of this name that live now, and names them no more.
    pub(crate) fn leave(&self, name: &TaskName) {
        self.rolls.of(Kind::Task).leave(name);
    }

    /// Resolves when no task lives that is not left. Threads are not waited for: nobody can end them.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub(crate) async fn ended(&self) {
        self.rolls.of(Kind::Task).empty().await;
    }

    /// The runtime that the tasks run on.
    pub(crate) const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Where the tasks log.
    pub(crate) const fn home(&self) -> &Home {
        &self.home
    }
}

impl std::fmt::Debug for Tasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tasks")
            .field("live", &self.live())
            .field("live_threads", &self.live_threads())
            .finish_non_exhaustive()
    }
}

/// A task that was spawned; resolves to how it ended.
///
/// Once it has resolved, the task is not counted any more. Dropping it lets the task run on.
#[derive(Debug)]
pub(crate) struct Task<T> {
    join: JoinHandle<TaskEnd<T>>,
}

impl<T> Task<T> {
    /// What can ask for the end of the task at its next await, without keeping its outcome. A task
    /// that never awaits never ends.
    pub(crate) fn abort_handle(&self) -> AbortHandle {
        self.join.abort_handle()
    }
}

impl<T> Future for Task<T> {
    type Output = TaskEnd<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TaskEnd<T>> {
        Pin::new(&mut self.join)
            .poll(cx)
            .map(|joined| match joined {
                Ok(end) => end,
                Err(error) => error.try_into_panic().map_or(TaskEnd::Aborted, |payload| {
                    TaskEnd::Panicked(panic_message(payload.as_ref()))
                }),
            })
    }
}

pin_project! {
    // Fields are dropped in this order: a task leaves the roll after its future is gone.
    struct Tracked<F> {
        #[pin]
        future: Option<F>,
        entry: Entry,
        on_panic: OnPanic,
    }

    impl<F> PinnedDrop for Tracked<F> {
        fn drop(this: Pin<&mut Self>) {
            // Still there only if the task was aborted. Caught so that it is told; a panic while
            // another one unwinds ends the process, as everywhere.
            let mut this = this.project();
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| this.future.set(None))) {
                (this.on_panic)(&this.entry.name(), &panic_message(payload.as_ref()));
            }
        }
    }
}

impl<F: Future> Future for Tracked<F> {
    type Output = TaskEnd<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TaskEnd<F::Output>> {
        let mut this = self.project();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let Some(future) = this.future.as_mut().as_pin_mut() else {
                return Poll::Ready(TaskEnd::Aborted);
            };
            future.poll(cx).map(|output| {
                this.future.set(None);
                TaskEnd::Done(output)
            })
        }));
        polled.unwrap_or_else(|payload| {
            let message = panic_message(payload.as_ref());
            (this.on_panic)(&this.entry.name(), &message);
            Poll::Ready(TaskEnd::Panicked(message))
        })
    }
}

/// Drops what users have handed in: a panic in it is logged and goes no further, so that whatever
/// has to follow does.
pub(crate) fn let_go<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        let message = panic_message(panic.as_ref());
        log::error!(target: "lamplighter::os", "a value panicked when it was dropped: {message}");
    }
}

/// What a panic said.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&'static str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panicked with a value that is not text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use std::panic::resume_unwind;
    use std::sync::{Arc, Mutex};
    use tokio::sync::oneshot;

    type Told = Arc<Mutex<Vec<String>>>;

    fn tasks() -> (Tasks, Told) {
        let told = Told::default();
        let tell = Arc::clone(&told);
        let on_panic = move |name: &TaskName, message: &str| {
            tell.lock().unwrap().push(format!("{name}: {message}"));
        };
        (
            Tasks::new(Handle::current(), Box::leak(Box::new(on_panic))),
            told,
        )
    }

    #[tokio::test]
    async fn a_task_is_named_while_it_lives_and_gone_when_it_has_resolved() {
        let (tasks, _) = tasks();
        let (go, gone) = oneshot::channel::<u32>();
        let task = tasks.spawn("fetch", async { gone.await.unwrap() });
        let other = tasks.spawn(TaskName::numbered("conn", 7), pending::<()>());
        assert_eq!(
            tasks.live(),
            [TaskName::numbered("conn", 7), "fetch".into()]
        );
        go.send(42).unwrap();
        assert_eq!(task.await, TaskEnd::Done(42));
        assert_eq!(tasks.count(), 1);
        other.abort_handle().abort();
        tasks.ended().await;
        assert_eq!(other.await, TaskEnd::Aborted);
        assert_eq!(tasks.live(), []);
    }

    #[expect(clippy::unused_async, reason = "it is the poll that has to panic")]
    async fn panics(payload: Box<dyn Any + Send>) {
        resume_unwind(payload)
    }

    #[tokio::test]
    async fn a_panic_is_told_and_ends_only_its_task() {
        let (tasks, told) = tasks();
        let text = tasks.spawn("text", panics(Box::new("no such row")));
        let string = tasks.spawn("string", panics(Box::new(format!("row {} is gone", 3))));
        let number = tasks.spawn("number", panics(Box::new(3_u8)));
        let fine = tasks.spawn("fine", async { 1 });
        assert_eq!(text.await, TaskEnd::Panicked("no such row".into()));
        assert_eq!(string.await, TaskEnd::Panicked("row 3 is gone".into()));
        assert_eq!(
            number.await,
            TaskEnd::Panicked("panicked with a value that is not text".into())
        );
        assert_eq!(fine.await, TaskEnd::Done(1));
        tasks.ended().await;
        assert_eq!(
            *told.lock().unwrap(),
            [
                "text: no such row",
                "string: row 3 is gone",
                "number: panicked with a value that is not text"
            ]
        );
    }

    struct PanicsInDrop;

    impl Drop for PanicsInDrop {
        fn drop(&mut self) {
            resume_unwind(Box::new("in drop"));
        }
    }

    #[tokio::test]
    async fn a_panic_while_a_future_is_dropped_is_told_and_the_task_is_gone() {
        let (tasks, told) = tasks();
        let held = tasks.spawn("aborted", async {
            let _held = PanicsInDrop;
            pending::<()>().await;
        });
        // Polled once, or there would be nothing to drop.
        tokio::task::yield_now().await;
        held.abort_handle().abort();
        assert_eq!(held.await, TaskEnd::Aborted);
        let done = tasks.spawn(
            "done",
            std::future::poll_fn({
                let held = PanicsInDrop;
                move |_| {
                    let _ = &held;
                    Poll::Ready(())
                }
            }),
        );
        assert_eq!(done.await, TaskEnd::Panicked("in drop".into()));
        assert_eq!(tasks.count(), 0);
        assert_eq!(*told.lock().unwrap(), ["aborted: in drop", "done: in drop"]);
    }

    struct Tell(Option<std::sync::mpsc::Sender<usize>>, Tasks);

    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.take().unwrap().send(self.1.count()).unwrap();
        }
    }

    #[tokio::test]
    async fn a_task_is_counted_until_its_future_is_dropped() {
        let (tasks, _) = tasks();
        let (tx, rx) = std::sync::mpsc::channel();
        let tell = Tell(Some(tx), tasks.clone());
        drop(tasks.spawn("holder", async move {
            let _tell = tell;
        }));
        tasks.ended().await;
        assert_eq!(rx.recv().unwrap(), 1);
    }

    #[test]
    fn a_task_of_a_runtime_that_is_gone_is_aborted_and_not_counted() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let (tasks, before) = runtime.block_on(async {
            let (tasks, _) = tasks();
            let before = tasks.spawn("before", pending::<()>());
            (tasks, before)
        });
        drop(runtime);
        let after = tasks.spawn("after", pending::<()>());
        assert_eq!(tasks.count(), 0);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            assert_eq!(before.await, TaskEnd::Aborted);
            assert_eq!(after.await, TaskEnd::Aborted);
        });
    }

    #[tokio::test]
    async fn tasks_are_spawned_from_threads_outside_the_runtime() {
        let (tasks, _) = tasks();
        let task = std::thread::scope(|scope| {
            scope
                .spawn(|| tasks.spawn("outside", async { 5 }))
                .join()
                .unwrap()
        });
        assert_eq!(task.await, TaskEnd::Done(5));
    }
}
