//! Many servers in one process: at once, and one after another.
//!
//! **Invariant:** one test at a time: whatever the process holds is the doing of its servers.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::routing::get;
use lamplighter_harness::{PATIENCE, TestServer};
use tokio::runtime::Builder;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// How many live at once.
const AT_ONCE: usize = 500;

/// How many live one after another.
const IN_A_ROW: usize = 2000;

/// Whose turn it is with the process.
static ALONE: Mutex<()> = Mutex::new(());

/// The threads and the open descriptors of the process.
fn held() -> BTreeSet<PathBuf> {
    let directories = ["/proc/self/task", "/proc/self/fd"].into_iter();
    // The directory itself is one of its entries, and closed by the
    // time that it is asked.
    let entries = directories.flat_map(std::fs::read_dir).flatten().flatten();
    let paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    let there = |path: &PathBuf| path.symlink_metadata().is_ok();
    paths.into_iter().filter(there).collect()
}

/// Runs this, and sees that the process holds nothing afterwards that it did not hold before.
fn leaves_nothing(test: impl Future<Output = ()>) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut runtime = Builder::new_current_thread();
    #[expect(clippy::expect_used, reason = "there is no test without one")]
    let runtime = runtime.enable_all().build().expect("a runtime");
    // What the process takes once for all its servers.
    runtime.block_on(async {
        let server = TestServer::spawn(app()).await;
        assert_eq!(server.get("/").await.text(), "hello");
        assert!(server.stop().await.is_clean());
    });
    let before = held();
    assert!(!before.is_empty());
    runtime.block_on(test);
    let begun = Instant::now();
    loop {
        let left: Vec<PathBuf> = held().difference(&before).cloned().collect();
        if left.is_empty() {
            break;
        }
        // A thread that was waited for is in the table for a moment longer.
        assert!(begun.elapsed() < PATIENCE, "still there: {left:?}");
        std::thread::yield_now();
    }
}

fn app() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

#[test]
fn five_hundred_servers_live_at_once_and_leave_nothing() {
    leaves_nothing(async {
        let all_ready = Arc::new(Barrier::new(AT_ONCE));
        let all_answered = Arc::new(Barrier::new(AT_ONCE));
        let mut lives = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (ready, answered) = (Arc::clone(&all_ready), Arc::clone(&all_answered));
            lives.spawn(async move {
                let server = TestServer::spawn(app()).await;
                let addr = server.addr();
                ready.wait().await;
                assert_eq!(server.get("/").await.text(), "hello");
                answered.wait().await;
                let report = server.stop().await;
                assert!(report.is_clean(), "{report}");
                assert_eq!(report.connections().tally.answered, 1);
                addr
            });
        }
        let addrs: BTreeSet<_> = lives.join_all().await.into_iter().collect();
        // Each had a port of its own. That it has let go of it is for its ledger to say, which knows its
        // socket: the kernel may have given the port to another process since.
        assert_eq!(addrs.len(), AT_ONCE);
    });
}

#[test]
fn two_thousand_servers_live_one_after_another_and_leave_nothing() {
    leaves_nothing(async {
        for life in 0..IN_A_ROW {
            let server = TestServer::spawn(app()).await;
            assert_eq!(server.get("/").await.text(), "hello");
            let report = server.stop().await;
            assert!(report.is_clean(), "life {life}: {report}");
        }
    });
}
