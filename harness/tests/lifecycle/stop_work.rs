//! Stops with work in flight: finished, cut, forced, or waited for.

use lamplighter::{Cause, ConnectionEnd, OnDeadline, Phase, Plan};
use lamplighter_harness::{Gate, Seen, TestServer, within};
use tokio::time::advance;

use super::{Notes, held, hello, millis, secs};

#[tokio::test]
async fn a_request_in_flight_is_answered_and_its_connection_closed() {
    let gate = Gate::new();
    let server = TestServer::start(held(&gate)).await;
    let mut probe = server.probe().await;
    probe.request("/held").await.unwrap();
    gate.reached(1).await;
    assert_eq!(server.handle().in_flight(), 1);
    let draining = server.reached(Phase::Draining);
    let stop = tokio::spawn(server.stop());
    draining.await;
    gate.open();
    let answer = probe.answer().await;
    assert_eq!((answer.status(), answer.text()), (200, "let go".into()));
    assert_eq!(probe.end().await, Seen::Fin);
    let report = within("the end", stop).await.unwrap();
    assert!(report.is_clean(), "{report}");
    let connections = report.connections();
    assert_eq!(
        (
            connections.accepted,
            connections.ended(ConnectionEnd::Graceful)
        ),
        (1, 1)
    );
    assert_eq!(
        (connections.tally.begun, connections.tally.answered),
        (1, 1)
    );
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_is_cut_and_named() {
    let gate = Gate::new();
    let server = held(&gate).plan(Plan::new().drain_timeout(millis(200)));
    let server = TestServer::start(server).await;
    let mut probe = server.probe().await;
    probe.request("/held").await.unwrap();
    gate.reached(1).await;
    let report = server.stop().await;
    assert_eq!(
        (report.exit_code(), report.outcome().cut),
        (10, 1),
        "{report}"
    );
    assert_eq!(report.connections().cut.len(), 1);
    assert!(report.total() >= millis(200), "{report}");
    // A body that was cut never looks complete.
    assert_eq!(probe.end().await, Seen::Rst);
    gate.empty().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_delays_nothing() {
    let server = TestServer::start(hello()).await;
    let mut probe = server.probe().await;
    probe.request("/").await.unwrap();
    assert_eq!(probe.answer().await.status(), 200);
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(
        report.connections().ended(ConnectionEnd::Idle),
        1,
        "{:?}",
        report.connections()
    );
}

#[tokio::test]
async fn force_cuts_and_the_hooks_run() {
    let (gate, notes) = (Gate::new(), Notes::default());
    let server = held(&gate).plan(Plan::new().drain_timeout(secs(3600)));
    let told = notes.clone();
    server
        .hook(move || async move { told.note("hook") })
        .unwrap();
    let server = TestServer::start(server).await;
    let mut probe = server.probe().await;
    probe.request("/held").await.unwrap();
    gate.reached(1).await;
    let handle = server.handle().clone();
    let stopping = handle.stop();
    within("the drain", handle.reached(Phase::Draining)).await;
    drop(handle.force());
    let report = within("the end", stopping).await;
    assert_eq!(
        (report.exit_code(), report.cause()),
        (10, Some(&Cause::Requested(None)))
    );
    assert_eq!(notes.taken(), ["hook"]);
    assert_eq!(probe.end().await, Seen::Rst);
    drop(server);
}

#[tokio::test]
async fn a_drain_waits_without_a_deadline_and_the_hooks_wait_for_a_stop() {
    let (gate, notes) = (Gate::new(), Notes::default());
    let server = held(&gate);
    let told = notes.clone();
    server
        .hook(move || async move { told.note("hook") })
        .unwrap();
    let server = TestServer::start(server).await;
    let mut probe = server.probe().await;
    probe.request("/held").await.unwrap();
    gate.reached(1).await;
    let handle = server.handle().clone();
    let drained = tokio::spawn(handle.drain());
    within("the drain", handle.reached(Phase::Draining)).await;
    assert!(!drained.is_finished());
    gate.open();
    assert_eq!(probe.answer().await.text(), "let go");
    within("the drain's end", drained).await.unwrap();
    assert_eq!(handle.phase(), Phase::Draining);
    assert_eq!(notes.taken(), Vec::<String>::new());
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(
        (notes.taken(), report.cause()),
        (vec!["hook".into()], Some(&Cause::Drain))
    );
}

#[tokio::test]
async fn a_lame_duck_serves_and_says_that_it_will_close() {
    let server = hello().plan(Plan::new().lame_duck(millis(400)));
    let server = TestServer::start(server).await;
    let health = server.handle().health();
    let stopping = server.running().stop();
    assert!(!health.is_ready());
    // A new connection, accepted after the cause.
    let answer = server.get("/").await;
    assert_eq!(answer.status(), 200);
    let report = within("the end", stopping).await;
    assert!(report.is_clean(), "{report}");
    assert!(report.total() >= millis(400), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_keeps_waiting_waits_as_long_as_it_takes() {
    let gate = Gate::new();
    let server = hello().plan(Plan::new().on_deadline(OnDeadline::KeepWaiting));
    let inside = gate.clone();
    server
        .worker("patient", move |_| async move { inside.pass().await })
        .unwrap();
    let server = TestServer::here().start(server).await;
    gate.reached(1).await;
    let handle = server.handle().clone();
    drop(handle.stop());
    advance(secs(86_400)).await;
    assert_eq!(handle.phase(), Phase::Draining);
    assert_eq!(handle.report().budget(), None);
    gate.open();
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.total(), secs(86_400));
}

#[tokio::test(start_paused = true)]
async fn the_parts_of_a_report_add_up() {
    let gate = Gate::new();
    let plan = Plan::new()
        .lame_duck(secs(2))
        .drain_timeout(secs(3))
        .hooks_timeout(secs(4));
    let server = hello().plan(plan);
    let inside = gate.clone();
    server
        .worker("deaf", move |_| async move { inside.pass().await })
        .unwrap();
    server
        .hook(|| async { std::future::pending::<()>().await })
        .unwrap();
    let server = TestServer::here().start(server).await;
    gate.reached(1).await;
    let report = server.stop().await;
    let phases: Vec<(Phase, std::time::Duration)> = report
        .phases()
        .iter()
        .map(|phase| (phase.phase, phase.took))
        .collect();
    let expected = [
        (Phase::LameDuck, secs(2)),
        (Phase::Draining, secs(3)),
        (Phase::ForceClosing, secs(0)),
        (Phase::RunningHooks, secs(4)),
        (Phase::Disposing, secs(0)),
    ];
    assert_eq!(phases, expected, "{}", report.timeline());
    assert_eq!((report.total(), report.budget()), (secs(9), Some(secs(10))));
}
