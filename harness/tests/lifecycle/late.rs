//! What a plan and its limits say of connections, from the server's setters to the wire.

use axum::Router;
use axum::routing::get;
use lamplighter::{
    ConnectionEnd, Limits, Phase, Plan, Server, ShutdownSignal, Signal, WhileDraining,
};
use lamplighter_harness::{Gate, Recorder, Seen, TestServer};
use tokio::time::pause;

use super::{held, hello, millis, secs};

#[tokio::test]
async fn a_plan_that_rejects_late_requests_tells_them_to_come_back() {
    let gate = Gate::new();
    let plan = Plan::new().while_draining(WhileDraining::Reject);
    let server = TestServer::start(held(&gate).plan(plan)).await;
    // Keeps the server draining.
    let mut early = server.probe().await;
    early.request("/held").await.unwrap();
    gate.reached(1).await;
    let mut late = server.probe().await;
    late.request("/").await.unwrap();
    assert_eq!(late.answer().await.status(), 200);
    late.send("GET / HTTP/1.1\r\n").await.unwrap();
    server.signal(Signal::Sigterm);
    server.reached(Phase::Draining).await;
    late.send("Host: test\r\n\r\n").await.unwrap();
    let answer = late.answer().await;
    assert_eq!(
        (answer.status(), answer.text()),
        (503, "Server is draining".into())
    );
    assert_eq!(answer.head.header("retry-after"), Some("1"));
    assert!(answer.head.closes(), "{answer:?}");
    assert_eq!(late.end().await, Seen::Fin);
    gate.open();
    assert_eq!(early.answer().await.status(), 200);
    assert!(server.wait().await.is_clean());
}

#[tokio::test]
async fn a_plan_that_spreads_its_drain_tells_workers_at_once_and_requests_in_turn() {
    let app = Router::new().route(
        "/",
        get(|signal: ShutdownSignal| async move {
            signal.draining().await;
            "bye"
        }),
    );
    let plan = Plan::new().drain_timeout(secs(60)).drain_spread(secs(30));
    let server = Server::new(app).listen("127.0.0.1:0").plan(plan);
    let worker = |signal: ShutdownSignal| async move {
        signal.draining().await;
        assert_eq!(signal.remaining(), Some(secs(60)));
    };
    server.worker("sweeper", worker).unwrap();
    let server = TestServer::here().start(server).await;
    let mut probe = server.probe().await;
    probe.request("/").await.unwrap();
    while server.handle().in_flight() < 1 {
        tokio::task::yield_now().await;
    }
    pause();
    server.signal(Signal::Sigterm);
    let report = server.wait().await;
    assert!(report.is_clean(), "{report}");
    let total = report.total();
    assert!(total > secs(0) && total <= secs(30) + millis(2), "{report}");
    assert!(probe.answer().await.head.closes());
}

#[tokio::test]
async fn a_connection_that_has_carried_its_requests_shows_as_retired_in_the_report() {
    let limits = Limits::default().max_requests_per_connection(Some(1));
    let server = TestServer::start(hello().limits(limits)).await;
    let mut probe = server.probe().await;
    probe.request("/").await.unwrap();
    assert!(probe.answer().await.head.closes());
    assert_eq!(probe.end().await, Seen::Fin);
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().ended(ConnectionEnd::Retired), 1);
}

#[tokio::test]
async fn what_a_limit_of_age_cuts_is_counted_and_no_fault_of_a_later_stop() {
    let gate = Gate::new();
    let limits = Limits::default()
        .max_connection_age(Some(secs(0)))
        .max_connection_age_grace(Some(millis(10)));
    let server = TestServer::start(held(&gate).limits(limits)).await;
    let mut recorder = Recorder::attach_to(server.handle());
    let mut probe = server.probe().await;
    probe.request("/held").await.unwrap();
    assert_eq!(probe.end().await, Seen::Rst);
    recorder.until("close conn#1 http/1 cut, 1 cut").await;
    let report = server.stop().await;
    let connections = report.connections();
    assert_eq!(connections.ended(ConnectionEnd::Cut), 1);
    assert_eq!((connections.tally.cut, connections.cut.len()), (1, 1));
    assert_eq!(
        (report.outcome().cut, report.exit_code()),
        (0, 0),
        "{report}"
    );
}
