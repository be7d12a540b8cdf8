//! The client that skips the socket, and nothing else.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lamplighter::{Phase, Plan};
use lamplighter_harness::{Gate, TestServer, within};
use tokio::time::Instant;

use crate::{app, failure};

#[tokio::test]
async fn requests_in_process_are_counted_and_drained_as_all_others() {
    let gate = Gate::new();
    let server = TestServer::spawn(app(&gate)).await;
    let (one, two) = (server.in_process(), server.in_process());
    assert_eq!(one.get("/").await.text().await, "HTTP/2.0");
    assert_eq!(two.post("/echo", "again").await.text().await, "again");
    let held = tokio::spawn(one.get("/held"));
    gate.reached(1).await;
    assert_eq!(server.handle().in_flight(), 1);
    let stop = server.handle().stop();
    server.reached(Phase::Draining).await;
    gate.open();
    assert_eq!(
        within("the answer", held).await.unwrap().text().await,
        "let go"
    );
    let report = within("the end", stop).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().accepted, 2);
    let tally = report.connections().tally;
    assert_eq!((tally.begun, tally.answered), (3, 3));
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn a_client_in_process_lives_by_the_clock_of_its_test() {
    let nap = || async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        "rested"
    };
    let app = Router::new().route("/", get(nap));
    let plan = Plan::new().drain_timeout(Duration::from_secs(7200));
    let server = TestServer::here().plan(plan).spawn(app).await;
    let begun = Instant::now();
    let client = server.in_process();
    assert_eq!(client.get("/").await.text().await, "rested");
    assert_eq!(begun.elapsed(), Duration::from_secs(3600));
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn a_server_whose_first_listener_is_a_unix_socket_has_one_too() {
    let server = TestServer::builder().unix("only").spawn(app(&Gate::new()));
    let server = server.await;
    assert_eq!(server.in_process().get("/").await.status(), 200);
    assert_eq!(server.http1().get("/").await.status(), 200);
    assert_eq!(server.get("/").await.status(), 200);
    drop(server.misbehave().silent().await);
    let report = server.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.connections().accepted, 4);
}

#[tokio::test]
async fn one_that_is_asked_for_when_the_listeners_are_closed_is_refused_with_the_phase() {
    let gate = Gate::new();
    let server = TestServer::spawn(app(&gate)).await;
    let held = tokio::spawn(server.http2().get("/held"));
    gate.reached(1).await;
    drop(server.handle().stop());
    let closed = |event: &lamplighter::ServerEventKind| {
        matches!(event, lamplighter::ServerEventKind::ListenersClosed)
    };
    server.event("the listeners to be closed", closed).await;
    let said = failure(async { server.in_process() }).await;
    assert!(
        said.contains("accepts no connections from in-process: it is draining"),
        "{said}"
    );
    gate.open();
    assert_eq!(held.await.unwrap().status(), 200);
    assert!(server.wait().await.is_clean());
}
