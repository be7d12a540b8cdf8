//! Test servers that are dropped, in any kind of test: each is over when the drop returns, and one
//! that does not end well fails its test.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use lamplighter::{Cause, Phase};
use lamplighter_harness::{Gate, PATIENCE, Probe, Recorder, TestServer, own_loopback};

use crate::{failure, held, hello, runtime};

#[test]
fn a_server_that_is_dropped_outside_of_any_runtime_has_stopped() {
    let runtime = runtime().unwrap();
    let builder = TestServer::builder().listen(own_loopback());
    let server = runtime.block_on(builder.spawn(hello()));
    drop(runtime);
    let (addr, handle) = (server.addr(), server.handle().clone());
    drop(server);
    assert_eq!(handle.phase(), Phase::Stopped);
    assert!(handle.report().is_clean());
    let refused = TcpStream::connect(addr).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_server_that_is_dropped_within_a_runtime_has_stopped() {
    let server = TestServer::spawn(hello()).await;
    let handle = server.handle().clone();
    drop(server);
    let report = handle.report();
    assert!(report.is_complete() && report.is_clean(), "{report}");
    let why = Cause::Requested(Some("the test dropped its server".into()));
    assert_eq!(report.cause(), Some(&why));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_dropped_under_a_paused_clock_has_stopped() {
    let server = TestServer::spawn(hello()).await;
    let handle = server.handle().clone();
    drop(server);
    assert_eq!(handle.phase(), Phase::Stopped);
}

#[tokio::test]
async fn a_drop_does_not_wait_for_the_drain_of_a_request_that_nobody_finishes() {
    let gate = Gate::new();
    let server = TestServer::spawn(held(&gate)).await;
    let handle = server.handle().clone();
    let mut probe = server.probe().await;
    probe.request("/held").await.unwrap();
    gate.reached(1).await;
    let begun = Instant::now();
    drop(server);
    // Its drain would have taken 30 s.
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    let report = handle.report();
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.outcome().cut, 1, "{report}");
    gate.empty().await;
}

#[tokio::test]
async fn a_drop_runs_the_hooks_to_their_end() {
    let gate = Gate::new();
    let inside = gate.clone();
    let server = TestServer::builder()
        .hook(move || async move { inside.pass().await })
        .spawn(hello())
        .await;
    let recorder = Recorder::attach_to(server.handle());
    gate.open();
    drop(server);
    assert_eq!(gate.arrived(), 1);
    let record = recorder.finish().await;
    record.assert_order(["phase running-hooks", "stop"]);
}

#[tokio::test]
async fn a_stop_that_is_dropped_is_a_drop_of_its_server() {
    let gate = Gate::new();
    let server = TestServer::spawn(held(&gate)).await;
    let handle = server.handle().clone();
    let mut probe = server.probe().await;
    probe.request("/held").await.unwrap();
    gate.reached(1).await;
    drop(server.stop());
    assert_eq!(handle.phase(), Phase::Stopped);
}

#[test]
fn a_server_that_is_kept_here_and_dropped_fails_its_test() {
    let runtime = runtime().unwrap();
    let server = runtime.block_on(TestServer::here().spawn(hello()));
    let said = failure(|| drop(server));
    assert!(said.contains("`stop()` it, and await that"), "{said}");
    assert!(said.contains("drops.rs"), "{said}");
}

#[test]
fn a_server_whose_runtime_is_gone_before_its_end_fails_its_test() {
    let (theirs, ours) = (runtime().unwrap(), runtime().unwrap());
    let server = theirs.block_on(TestServer::here().spawn(hello()));
    drop(theirs);
    let said = failure(|| drop(ours.block_on(server.stop())));
    assert!(said.contains("its runtime was gone"), "{said}");
}

#[test]
fn a_test_that_fails_shows_its_own_failure_and_no_other() {
    let runtime = runtime().unwrap();
    let said = failure(|| {
        let _server = runtime.block_on(TestServer::here().spawn(hello()));
        std::panic::resume_unwind(Box::new(String::from("my own")));
    });
    assert_eq!(said, "my own");
}

#[test]
fn a_server_whose_handler_holds_its_only_thread_fails_its_test_and_holds_nobody() {
    let gate = Gate::new();
    let inside = gate.clone();
    let block = move || {
        inside.pass_blocking();
        async { "unblocked" }
    };
    let app = axum::Router::new().route("/", axum::routing::get(block));
    let runtime = runtime().unwrap();
    let mut server = runtime.block_on(TestServer::spawn(app));
    server.set_patience(Duration::from_millis(300));
    let mut probe = runtime.block_on(server.probe());
    runtime.block_on(probe.request("/")).unwrap();
    runtime.block_on(gate.reached(1));
    let said = failure(|| drop(server));
    assert!(said.contains("had not ended 300ms after"), "{said}");
    assert!(said.contains("still draining"), "{said}");
    gate.open();
}

#[tokio::test]
async fn the_port_of_a_dropped_server_can_be_bound_again() {
    let server = TestServer::spawn(hello()).await;
    let addr = server.addr();
    assert_eq!(server.get("/").await.status(), 200);
    drop(server);
    assert!(Probe::connect(addr).await.is_err());
}
