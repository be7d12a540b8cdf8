//! `block_on` where it matters: with what is stuck, dropped, nested and repeated.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

use super::*;
use crate::os::tasks::panic_message;
use crate::os::test_process::{of, say};
use crate::os::watchdog::{Guarded, WatchGuard, watch};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::oneshot;

struct Server;

impl Guarded for Server {
    fn partial_report(&self) -> String {
        "server".to_owned()
    }
}

fn server() -> WatchGuard {
    watch(Arc::new(Server))
}

/// A stop in the background, as after a dropped owner; it ends when `go` does.
fn stopping_in_background(guard: WatchGuard, go: oneshot::Receiver<()>, done: Arc<AtomicBool>) {
    guard.budget_left(Duration::from_secs(3600));
    #[expect(clippy::disallowed_methods, reason = "stands for a driver")]
    drop(tokio::spawn(async move {
        drop(go.await);
        done.store(true, Ordering::SeqCst);
        drop(guard);
    }));
}

#[test]
fn what_the_future_returns_is_returned() {
    let text = String::from("not static");
    assert_eq!(block_on(async { &text }), "not static");
}

#[test]
fn a_stuck_blocking_task_does_not_hold_the_process() {
    let process = of(a_stuck_blocking_task_does_not_hold_the_process, || {
        block_on(async {
            let (began, begun) = oneshot::channel();
            #[expect(clippy::disallowed_methods, reason = "the thing under test")]
            drop(tokio::task::spawn_blocking(move || {
                let _ = began.send(());
                loop {
                    std::thread::park();
                }
            }));
            begun.await.unwrap();
        });
        say("returned");
        5
    });
    process.says("returned");
    assert_eq!(process.end().code(), Some(5));
}

#[test]
fn blocked_workers_do_not_hold_the_process() {
    let process = of(blocked_workers_do_not_hold_the_process, || {
        block_on(async {
            let (blocked, all_blocked) = channel();
            let workers = Handle::current().metrics().num_workers();
            for _ in 0..workers {
                let blocked = blocked.clone();
                #[expect(clippy::disallowed_methods, reason = "the thing under test")]
                drop(tokio::spawn(async move {
                    blocked.send(()).unwrap();
                    loop {
                        std::thread::park();
                    }
                }));
            }
            assert_eq!(all_blocked.iter().take(workers).count(), workers);
        });
        6
    });
    assert_eq!(process.end().code(), Some(6));
}

#[test]
fn a_write_beyond_the_limit_of_file_sizes_is_an_error_and_does_not_end_the_process() {
    let process = of(
        a_write_beyond_the_limit_of_file_sizes_is_an_error_and_does_not_end_the_process,
        || {
            let path = std::env::temp_dir().join(format!("lamp-limit-{}", std::process::id()));
            let written = block_on(async {
                limit(Resource::Fsize, 4).unwrap();
                let written = std::fs::write(&path, "light the lamps");
                std::fs::remove_file(&path).unwrap();
                written
            });
            say(&written.unwrap_err().kind().to_string());
            3
        },
    );
    process.says("file too large");
    assert_eq!(process.end().code(), Some(3));
}

fn limit(of: Resource, current: u64) -> rustix::io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(of);
    let current = Some(current);
    setrlimit(of, Rlimit { current, maximum })
}

#[test]
fn a_runtime_that_does_not_come_to_be_is_left_behind_with_a_word() {
    // As tokio where the OS gives some of its threads.
    let (stays, never) = channel::<()>();
    let waits = move || never.recv().map_err(io::Error::other);
    let error = build(Duration::from_millis(50), waits).unwrap_err();
    assert!(
        error.to_string().contains("TOKIO_WORKER_THREADS"),
        "{error}"
    );
    drop(stays);
}

#[test]
fn what_does_not_end_is_left_behind_and_what_ends_is_waited_for() {
    let (stays, never) = channel::<()>();
    leave_behind(Duration::from_millis(50), move || {
        let _ended = never.recv();
    });
    drop(stays);

    let ended = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&ended);
    leave_behind(Duration::MAX, move || ends.store(true, Ordering::SeqCst));
    assert!(ended.load(Ordering::SeqCst));
}

#[test]
fn nothing_of_the_runtime_is_left_when_its_end_was_waited_for() {
    struct Captured(Arc<AtomicBool>);
    impl Drop for Captured {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let captured = Captured(Arc::clone(&dropped));
    block_on(async {
        #[expect(clippy::disallowed_methods, reason = "the thing under test")]
        drop(tokio::spawn(async move {
            let _captured = captured;
            std::future::pending::<()>().await;
        }));
    });
    assert!(dropped.load(Ordering::SeqCst));
}

#[test]
fn what_tokio_does_not_take_from_its_environment_is_told_in_its_words() {
    let panics = || -> io::Result<()> { resume_unwind(Box::new("cannot be set to 0")) };
    let panicked = catch_unwind(|| build(Duration::MAX, panics));
    let message = panic_message(panicked.unwrap_err().as_ref());
    assert_eq!(message, "cannot be set to 0");
}

#[test]
fn a_stop_in_the_background_is_waited_for() {
    let done = Arc::new(AtomicBool::new(false));
    let (go, gone) = oneshot::channel();
    block_on(async {
        stopping_in_background(server(), gone, Arc::clone(&done));
        // Released by a task that outlives the future.
        #[expect(clippy::disallowed_methods, reason = "stands for a driver")]
        drop(tokio::spawn(async move {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            go.send(()).unwrap();
        }));
    });
    assert!(done.load(Ordering::SeqCst));
}

#[test]
fn a_server_that_merely_runs_is_not_waited_for() {
    block_on(async {
        let guard = server();
        #[expect(clippy::disallowed_methods, reason = "stands for a driver")]
        drop(tokio::spawn(async move {
            std::future::pending::<()>().await;
            drop(guard);
        }));
    });
}

#[test]
fn a_panic_of_the_future_comes_after_the_stops() {
    let done = Arc::new(AtomicBool::new(false));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        block_on(async {
            let (go, gone) = oneshot::channel();
            stopping_in_background(server(), gone, Arc::clone(&done));
            // Unwinding drops `go`, which lets the stop end.
            let _go: oneshot::Sender<()> = go;
            resume_unwind(Box::new("injected"))
        })
    }));
    let panic: Result<(), _> = panicked;
    assert_eq!(panic_message(panic.unwrap_err().as_ref()), "injected");
    assert!(done.load(Ordering::SeqCst));
}

#[test]
fn inside_a_runtime_it_panics_and_says_why() {
    let process = of(inside_a_runtime_it_panics_and_says_why, || {
        let panicked = block_on(async { catch_unwind(|| block_on(async {})) });
        let message = panic_message(panicked.unwrap_err().as_ref());
        say(message.split(';').next().unwrap());
        // And the outer one is none the worse for it.
        7
    });
    process.says(
        "lamplighter::block_on was called on a thread of a tokio runtime, which it would block",
    );
    assert_eq!(process.end().code(), Some(7));
}

#[test]
fn it_can_be_called_again_and_forgets_what_it_left_behind() {
    let left = block_on(async {
        let guard = server();
        // Its runtime ends before any stop begins.
        guard
    });
    left.budget_left(Duration::ZERO);
    assert_eq!(block_on(async { 2 }), 2);
    left.stop_began();
    assert_eq!(block_on(async { 3 }), 3);
}

#[test]
fn two_at_once_wait_each_for_their_own_stops() {
    let (stopping, is_stopping) = channel();
    let (go, gone) = oneshot::channel();
    let done = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            block_on(async {
                stopping_in_background(server(), gone, Arc::clone(&done));
                stopping.send(()).unwrap();
            });
        });
        is_stopping.recv().unwrap();
        // Returns although the other one's stop is under way.
        block_on(async {});
        assert!(!done.load(Ordering::SeqCst));
        go.send(()).unwrap();
        first.join().unwrap();
    });
    assert!(done.load(Ordering::SeqCst));
}

#[test]
fn no_thread_of_it_is_left() {
    let process = of(no_thread_of_it_is_left, || {
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        let before = threads();
        for _ in 0..3 {
            assert!(block_on(async { threads() }) > before);
            // Joined, but the kernel's list may lag behind.
            while threads() > before {
                std::thread::yield_now();
            }
        }
        0
    });
    assert_eq!(process.end().code(), Some(0));
}

#[test]
fn tasks_that_are_left_are_dropped() {
    struct Told(std::sync::mpsc::Sender<()>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (tx, rx) = channel();
    block_on(async {
        let told = Told(tx);
        #[expect(clippy::disallowed_methods, reason = "a task as a user would spawn it")]
        drop(tokio::spawn(async move {
            std::future::pending::<()>().await;
            drop(told);
        }));
    });
    rx.recv().unwrap();
}
