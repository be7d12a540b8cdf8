//! Where a test server lives: it is ready from any kind of test, and its time is the real one unless
//! it is kept `here`.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use futures_util::FutureExt;
use lamplighter::{Cause, Phase, Plan, Server, Signal};
use lamplighter_harness::{Gate, TestServer};
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::{held, hello, runtime};

#[tokio::test]
async fn a_server_has_a_thread_of_its_own_that_is_named_after_its_test() {
    let name = || async { std::thread::current().name().unwrap_or("").to_owned() };
    let server = TestServer::spawn(Router::new().route("/", get(name))).await;
    let test = std::thread::current().name().unwrap_or("").to_owned();
    assert_eq!(
        server.get("/").await.text(),
        format!("server of {test}").as_str()
    );
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn a_handler_that_blocks_its_thread_holds_up_neither_its_test_nor_another_server() {
    let gate = Gate::new();
    let inside = gate.clone();
    let block = move || {
        inside.pass_blocking();
        async { "unblocked" }
    };
    let blocked = TestServer::spawn(Router::new().route("/", get(block))).await;
    let other = TestServer::spawn(hello()).await;
    let mut probe = blocked.probe().await;
    probe.request("/").await.unwrap();
    gate.reached(1).await;
    assert_eq!(other.get("/").await.text(), "hello");
    gate.open();
    assert_eq!(probe.answer().await.text(), "unblocked");
    assert!(other.stop().await.is_clean());
    assert!(blocked.stop().await.is_clean());
}

/// Wakes the thread that waits.
struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The least executor there is: no reactor, no timer.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn a_server_starts_and_stops_under_an_executor_that_is_not_tokios() {
    let server = block_on(TestServer::spawn(hello()));
    let report = block_on(server.stop());
    assert!(report.is_clean(), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_spawned_and_stopped_by_tasks_of_a_runtime_with_many_threads() {
    let server = tokio::spawn(TestServer::spawn(hello())).await.unwrap();
    assert_eq!(server.get("/").await.text(), "hello");
    let report = tokio::spawn(server.stop()).await.unwrap();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_server_is_spawned_and_stopped_on_a_local_set() {
    let report = LocalSet::new().block_on(&runtime().unwrap(), async {
        let server = TestServer::spawn(hello()).await;
        let get = tokio::task::spawn_local(async move {
            assert_eq!(server.get("/").await.text(), "hello");
            server
        });
        get.await.unwrap().stop().await
    });
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_server_that_one_runtime_spawned_serves_after_its_end() {
    let first = runtime().unwrap();
    let server = first.block_on(TestServer::spawn(hello()));
    drop(first);
    runtime().unwrap().block_on(async {
        assert_eq!(server.get("/").await.text(), "hello");
        assert!(server.stop().await.is_clean());
    });
}

#[tokio::test(start_paused = true)]
async fn the_paused_clock_of_a_test_stands_still_while_it_waits_for_a_server_elsewhere() {
    let begun = Instant::now();
    let timer = tokio::spawn(tokio::time::sleep(Duration::from_secs(3600)));
    let gate = Gate::new();
    let server = TestServer::spawn(held(&gate)).await;
    let mut probe = server.probe().await;
    probe.request("/held").await.unwrap();
    let draining = server.reached(Phase::Draining);
    server.signal(Signal::Sigterm);
    draining.await;
    gate.open();
    assert_eq!(probe.answer().await.text(), "let go");
    assert!(server.wait().await.is_clean());
    assert_eq!(begun.elapsed(), Duration::ZERO);
    timer.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_kept_here_lives_by_the_clock_of_its_test() {
    let nap = || async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        "rested"
    };
    let app = Router::new().route("/", get(nap));
    let plan = Plan::new().drain_timeout(Duration::from_secs(7200));
    let server = TestServer::here().plan(plan).spawn(app).await;
    let mut probe = server.probe().await;
    probe.request("/").await.unwrap();
    while server.handle().in_flight() < 1 {
        tokio::task::yield_now().await;
    }
    let report = server.stop().await;
    assert!(report.total() > Duration::from_secs(3590), "{report}");
    assert_eq!(probe.answer().await.text(), "rested");
}

#[tokio::test]
async fn a_server_with_worker_threads_runs_its_handlers_side_by_side() {
    let gate = Gate::new();
    let inside = gate.clone();
    let block = move || {
        // Refused by a runtime without worker threads.
        tokio::task::block_in_place(|| inside.pass_blocking());
        async { "unblocked" }
    };
    let app = Router::new().route("/", get(block));
    let server = TestServer::builder().worker_threads(3).spawn(app).await;
    let (mut one, mut two) = (server.probe().await, server.probe().await);
    one.request("/").await.unwrap();
    two.request("/").await.unwrap();
    gate.reached(2).await;
    gate.open();
    assert_eq!(one.answer().await.text(), "unblocked");
    assert_eq!(two.answer().await.text(), "unblocked");
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn worker_threads_of_a_server_without_a_runtime_of_its_own_are_refused() {
    let spawn = TestServer::here().worker_threads(2).spawn(hello());
    let refused = std::panic::AssertUnwindSafe(spawn).catch_unwind().await;
    let payload = refused.err().unwrap();
    let said = payload.downcast_ref::<String>().unwrap();
    assert!(said.contains("kept `here`"), "{said}");

    let spawn = TestServer::builder().worker_threads(0).spawn(hello());
    let refused = std::panic::AssertUnwindSafe(spawn).catch_unwind().await;
    let payload = refused.err().unwrap();
    let said = payload.downcast_ref::<String>().unwrap();
    assert!(said.contains("at least 1 is needed"), "{said}");
}

#[tokio::test]
async fn dropping_a_start_ends_the_server() {
    let gate = Gate::new();
    let inside = gate.clone();
    let server = Server::new(hello());
    let check = move || {
        let inside = inside.clone();
        async move {
            inside.pass().await;
            Ok::<(), String>(())
        }
    };
    server
        .health()
        .check(lamplighter::Check::new("warm-up", check));
    let handle = server.handle();
    let start = TestServer::start(server);
    {
        let mut start = std::pin::pin!(start);
        // It goes on from here on its own thread, as far as the check.
        assert!(start.as_mut().now_or_never().is_none());
        gate.reached(1).await;
    }
    let report = lamplighter_harness::within("the end", handle.wait()).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.cause(), Some(&Cause::Dropped));
}

#[tokio::test]
async fn a_wait_that_is_never_met_says_what_for_how_long_and_what_came_instead() {
    let gate = Gate::new();
    let mut server = TestServer::spawn(held(&gate)).await;
    let mut probe = server.probe().await;
    server.set_patience(Duration::from_millis(50));
    probe.request("/held").await.unwrap();
    gate.reached(1).await;
    server.signal(Signal::Sigterm);
    let hooks = std::panic::AssertUnwindSafe(server.reached(Phase::RunningHooks)).catch_unwind();
    let payload = hooks.await.err().unwrap();
    let said = payload.downcast_ref::<String>().unwrap();
    for part in [
        "homes.rs",
        "50ms",
        "running-hooks",
        "draining",
        "signal        SIGTERM",
    ] {
        assert!(said.contains(part), "no {part:?}: {said}");
    }
    gate.open();
    assert!(server.wait().await.is_clean());
}
