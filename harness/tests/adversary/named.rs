//! Work that was cut before it ever gave its thread back, or after it was done: it is named all the
//! same, and nothing is older than its connection.

use std::time::Duration;

use axum::Router;
use axum::routing::post;
use lamplighter::{Check, Failure, Plan, Server, ServerEventKind};
use lamplighter_harness::{Gate, Recorder, TestServer};
use tokio::join;

#[tokio::test]
async fn a_handler_that_blocks_its_thread_is_named_by_its_method_and_age() {
    let gate = Gate::new();
    let inside = gate.clone();
    let app = Router::new().route(
        "/",
        post(move || {
            inside.pass_blocking();
            async {}
        }),
    );
    let plan = Plan::new()
        .drain_timeout(Duration::ZERO)
        .margin(Duration::from_millis(40));
    let server = Server::new(app).plan(plan);
    let recorder = Recorder::attach(&server);
    let builder = TestServer::builder().worker_threads(2);
    let builder = builder.allow_leaks("the handler is released after the end");
    let server = builder.start(server).await;
    let mut probe = server.probe().await;
    probe
        .send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    gate.reached(1).await;
    let report = server.stop().await;
    gate.open();
    let cut = &report.connections().cut;
    assert_eq!(cut.len(), 1, "{report}");
    assert_eq!(&*cut[0].work.method, "POST");
    let begun_at = Duration::from_nanos(cut[0].work.begun_at.as_nanos());
    let events = recorder.finish().await.events;
    let ready = events
        .iter()
        .find(|event| matches!(event.kind, ServerEventKind::Ready))
        .unwrap();
    assert!(
        begun_at > ready.at,
        "begun at {begun_at:?}, ready at {:?}",
        ready.at
    );
}

#[tokio::test]
async fn a_start_that_blocks_its_thread_is_named_when_the_stop_ends_without_it() {
    let gate = Gate::new();
    let inside = gate.clone();
    let check = Check::new("blocks", move || {
        inside.pass_blocking();
        async { Ok::<(), String>(()) }
    });
    let plan = Plan::new()
        .drain_timeout(Duration::ZERO)
        .margin(Duration::from_millis(40));
    let server = Server::new(Router::new()).plan(plan);
    server.health().check(check);
    let handle = server.handle();
    let builder = TestServer::builder().worker_threads(2);
    let builder = builder.allow_leaks("the check is released after the end");
    let stopped = async {
        gate.reached(1).await;
        let report = handle.stop().await;
        gate.open();
        report
    };
    let (started, report) = join!(builder.try_start(server), stopped);
    assert!(started.is_err(), "{report}");
    let [Failure::NotDisposed { left }] = report.failures() else {
        panic!("nothing is named, or not that alone: {report}");
    };
    assert_eq!(
        left.iter().map(|name| &**name).collect::<Vec<_>>(),
        ["start"]
    );
    assert!(report.outcome().abandoned, "{report}");
}
