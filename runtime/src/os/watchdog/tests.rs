//! The watchdog in processes of their own, with servers made of nothing.

use std::sync::mpsc::channel;

use rustix::process::{Resource, Rlimit, Signal as OsSignal, getrlimit, setrlimit};

use super::end::EXIT_ABANDONED;
use super::*;
use crate::os::block_on::block_on;
use crate::os::test_process::{TestProcess, hear, of, say};

struct Server(&'static str);

impl Guarded for Server {
    fn partial_report(&self) -> String {
        format!("{} is stuck", self.0)
    }
}

fn server(name: &'static str) -> WatchGuard {
    watch(Arc::new(Server(name)))
}

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(2);

/// Blocks this thread for as long as the process lives.
fn block() {
    loop {
        std::thread::park();
    }
}

/// Blocks every worker of the current runtime; returns when all are.
fn block_all_workers() {
    let workers = Handle::current().metrics().num_workers();
    let (blocked, all_blocked) = channel();
    for _ in 0..workers {
        let blocked = blocked.clone();
        #[expect(clippy::disallowed_methods, reason = "a task as a user would spawn it")]
        drop(tokio::spawn(async move {
            let _ = blocked.send(());
            block();
        }));
    }
    // The main future is on a thread of its own, so all workers can get a task.
    assert_eq!(all_blocked.iter().take(workers).count(), workers);
}

#[test]
fn a_process_whose_workers_are_all_blocked_ends_when_the_budget_does() {
    let process = of(
        a_process_whose_workers_are_all_blocked_ends_when_the_budget_does,
        || {
            block_on(async {
                let guard = server("orders");
                block_all_workers();
                guard.budget_left(SHORT);
                block();
            });
            0
        },
    );
    let end = process.end();
    assert_eq!(end.code(), Some(EXIT_ABANDONED));
    assert!(
        end.errors.contains("did not end within its budget"),
        "{end:?}"
    );
    assert!(end.errors.contains("orders is stuck\n"), "{end:?}");
}

#[test]
fn a_dropped_server_that_never_stops_ends_the_process_when_the_budget_does() {
    let process = of(
        a_dropped_server_that_never_stops_ends_the_process_when_the_budget_does,
        || {
            block_on(async {
                let guard = server("orders");
                guard.budget_left(SHORT);
                // As the driver of a stop that goes on in the background and hangs.
                #[expect(clippy::disallowed_methods, reason = "stands for a driver")]
                drop(tokio::spawn(async move {
                    std::future::pending::<()>().await;
                    drop(guard);
                }));
            });
            say("returned");
            0
        },
    );
    assert!(process.rest().is_empty());
    assert_eq!(process.end().code(), Some(EXIT_ABANDONED));
}

#[test]
fn abandoning_ends_a_process_that_had_time_left() {
    let process = of(abandoning_ends_a_process_that_had_time_left, || {
        block_on(async {
            let guard = server("orders");
            guard.budget_left(Duration::from_secs(3600));
            guard.abandoned();
            // More time than there was is never given.
            guard.budget_left(Duration::from_secs(3600));
            block();
        });
        0
    });
    let end = process.end();
    assert_eq!(end.code(), Some(EXIT_ABANDONED));
    let said = "the stop did not end within 1s of a third signal";
    assert!(end.errors.contains(said), "{end:?}");
}

#[test]
fn every_server_that_is_stopping_has_its_last_words_though_one_panics_and_one_hangs() {
    struct Panics;
    impl Guarded for Panics {
        fn partial_report(&self) -> String {
            std::panic::resume_unwind(Box::new("injected"))
        }
    }
    struct Hangs;
    impl Guarded for Hangs {
        fn partial_report(&self) -> String {
            block();
            String::new()
        }
    }
    let process = of(
        every_server_that_is_stopping_has_its_last_words_though_one_panics_and_one_hangs,
        || {
            block_on(async {
                let runs = server("running");
                let panics = watch(Arc::new(Panics));
                panics.stop_began();
                let unlimited = server("unlimited");
                unlimited.stop_began();
                let limited = server("limited");
                limited.budget_left(SHORT);
                let hangs = watch(Arc::new(Hangs));
                hangs.stop_began();
                block();
                drop((runs, panics, unlimited, limited, hangs));
            });
            0
        },
    );
    let end = process.end();
    assert_eq!(end.code(), Some(EXIT_ABANDONED));
    assert!(end.errors.contains("limited is stuck"), "{end:?}");
    assert!(end.errors.contains("unlimited is stuck"), "{end:?}");
    assert!(!end.errors.contains("running"), "{end:?}");
}

#[test]
fn a_full_pipe_on_stderr_does_not_keep_the_process() {
    struct Talks;
    impl Guarded for Talks {
        fn partial_report(&self) -> String {
            // Far more than a pipe holds.
            "so much to say ".repeat(1 << 20)
        }
    }
    let mut process = of(a_full_pipe_on_stderr_does_not_keep_the_process, || {
        // The thread that holds the lock of stderr, as one does that is blocked while it logs.
        let held = io::stderr().lock();
        block_on(async {
            let guard = watch(Arc::new(Talks));
            guard.budget_left(SHORT);
            say("stopping");
            block();
        });
        drop(held);
        0
    });
    process.says("stopping");
    process.tell("nobody reads this");
    assert_eq!(process.end().code(), Some(EXIT_ABANDONED));
}

/// Until no other thread of this process is about to begin: each takes memory for that.
#[cfg(target_os = "linux")]
fn until_all_others_wait() -> io::Result<()> {
    let own = std::fs::read_link("/proc/thread-self")?;
    let all_wait = || {
        for task in std::fs::read_dir("/proc/self/task")? {
            let task = task?;
            // `pid (comm) state …`; one that has ended meanwhile has none.
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            let runs = stat
                .rsplit_once(") ")
                .is_some_and(|(_, state)| !state.starts_with('S'));
            if runs && own.file_name() != Some(&task.file_name()) {
                return Ok(false);
            }
        }
        io::Result::Ok(true)
    };
    while !all_wait()? {
        std::thread::yield_now();
    }
    Ok(())
}

#[test]
#[cfg(target_os = "linux")]
fn the_last_words_are_said_where_the_os_gives_no_thread_any_more() {
    let process = of(
        the_last_words_are_said_where_the_os_gives_no_thread_any_more,
        || {
            block_on(async {
                let guard = server("orders");
                until_all_others_wait().unwrap();
                // What is left of the address space is less than a stack.
                let status = std::fs::read_to_string("/proc/self/status").unwrap();
                let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
                let kib = size.unwrap().trim().trim_end_matches(" kB");
                let size = kib.parse::<u64>().unwrap() * 1024;
                let limit = Rlimit {
                    current: Some(size + (1 << 20)),
                    ..getrlimit(Resource::As)
                };
                setrlimit(Resource::As, limit).unwrap();
                // Until the stacks of threads that have ended are in use again.
                #[expect(clippy::disallowed_methods, reason = "what is not to be had")]
                while std::thread::Builder::new().spawn(block).is_ok() {}
                guard.budget_left(SHORT);
                block();
            });
            0
        },
    );
    let end = process.end();
    assert_eq!(end.code(), Some(EXIT_ABANDONED), "{end:?}");
    assert!(end.errors.contains("orders is stuck\n"), "{end:?}");
}

/// Begins a stop with two seconds of budget, which ends when it is told to.
fn stops_when_told(guard: &WatchGuard) {
    guard.budget_left(LONG);
    say("stopping");
    hear();
}

#[test]
fn a_frozen_process_is_not_ended_for_the_time_it_was_frozen() {
    let start = || {
        of(
            a_frozen_process_is_not_ended_for_the_time_it_was_frozen,
            || {
                block_on(async { stops_when_told(&server("orders")) });
                0
            },
        )
    };
    let mut frozen = start();
    frozen.says("stopping");
    frozen.freeze();
    // More time passes than either has: the end of another one that began later proves it.
    let other: TestProcess = start();
    other.says("stopping");
    assert_eq!(other.end().code(), Some(EXIT_ABANDONED));
    // The answer is there when it goes on.
    frozen.tell("end");
    frozen.kill(OsSignal::CONT);
    assert_eq!(frozen.end().code(), Some(0));
}

#[test]
fn a_stop_that_ends_in_time_leaves_the_process_alone() {
    let process = of(a_stop_that_ends_in_time_leaves_the_process_alone, || {
        block_on(async {
            let quick = server("quick");
            quick.budget_left(SHORT);
            drop(quick);
            // Another one outlasts the first one's budget, and proves it.
            let late = server("late");
            late.budget_left(SHORT * 4);
            block();
            drop(late);
        });
        0
    });
    let end = process.end();
    assert_eq!(end.code(), Some(EXIT_ABANDONED));
    assert!(end.errors.contains("late is stuck"), "{end:?}");
    assert!(!end.errors.contains("quick"), "{end:?}");
}

#[test]
fn a_limit_set_during_a_wait_is_not_charged_for_what_passed_before() {
    let mut stop = Stop::Limited {
        left: LONG,
        fresh: true,
    };
    assert_eq!(stop.count_down(SHORT), Some(LONG));
    assert_eq!(stop.count_down(SHORT), Some(LONG - SHORT));
    assert_eq!(stop.count_down(LONG), Some(Duration::ZERO));
    assert_eq!(Stop::Unlimited.count_down(LONG), None);
}

#[tokio::test]
async fn a_server_that_does_not_run_under_block_on_is_not_counted_down() {
    let mut registry = Registry {
        entries: vec![Entry {
            id: 0,
            guarded: Arc::new(Server("orders")),
            runtime: Handle::current().id(),
            stop: Stop::Limited {
                left: Duration::ZERO,
                fresh: false,
            },
            reason: Reason::Budget,
        }],
        next_id: 1,
        companions: Vec::new(),
        epoch: 0,
        thread: None,
    };
    assert_eq!(registry.count_down(SHORT), None);
    registry.companions.push(Handle::current().id());
    assert_eq!(registry.count_down(SHORT), Some(Duration::ZERO));
}
