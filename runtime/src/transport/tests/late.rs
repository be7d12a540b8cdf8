//! Requests that arrive on living connections while the server drains: served, or rejected.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::{get, post};
use lamplighter_lifecycle::{Budget, ConnectionEnd, Plan, WhileDraining};

use super::client::{Client, End};
use super::fixture::{Fixture, soon, tally};
use super::frames::{Frames, GOAWAY, PING, get as get_frame};
use super::http2::peer::Peer;
use crate::transport::{Limits, ShutdownSignal};

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/greeter.Greeter/SayHello", post(|| async { "hello" }))
        .route(
            "/draining",
            get(|signal: ShutdownSignal| async move {
                signal.draining().await;
                "bye"
            }),
        )
}

fn rejecting() -> Budget {
    let plan = Plan::new().while_draining(WhileDraining::Reject);
    plan.budget().unwrap()
}

/// A connection on a real socket with half a head in the kernel of a server that then drains.
async fn half_a_head(fixture: &Fixture, head: &str) -> Client {
    let mut client = fixture.connect().await;
    client.get("/").await;
    client.until("Hello, World!").await;
    client.send(head).await;
    fixture.drain();
    fixture.listeners_closed().await;
    client
}

#[tokio::test]
async fn a_late_request_is_rejected_with_503_retry_after_and_close() {
    let fixture = Fixture::on_a_port(app(), Limits::default(), rejecting()).await;
    let mut client = half_a_head(&fixture, "GET / HTTP/1.1\r\n").await;
    client.send("Host: test\r\n\r\n").await;
    let (answer, end) = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nServer is draining"), "{answer}");
    assert_eq!(end, End::Fin);
    let closed = fixture.closed(1).await;
    assert_eq!(closed.tally, tally(2, 2, 0, 0));
    assert_eq!(closed.end, ConnectionEnd::Graceful);
    fixture.ends_clean().await;
}

#[tokio::test]
async fn a_late_request_is_served_where_the_plan_says_nothing_else() {
    let fixture = Fixture::serving(app()).await;
    let mut client = half_a_head(&fixture, "GET / HTTP/1.1\r\n").await;
    client.send("Host: test\r\n\r\n").await;
    let (answer, end) = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert_eq!(end, End::Fin);
    fixture.ends_clean().await;
}

#[tokio::test]
async fn a_late_request_that_expects_100_gets_503_without_it() {
    let fixture = Fixture::on_a_port(app(), Limits::default(), rejecting()).await;
    let head = "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n";
    let mut client = half_a_head(&fixture, head).await;
    client.send("Expect: 100-continue\r\n\r\n").await;
    let (answer, end) = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(!answer.contains("100 Continue"), "{answer}");
    assert_eq!(end, End::Fin);
    fixture.ends_clean().await;
}

#[tokio::test]
async fn a_late_request_that_expects_100_gets_it_where_late_requests_are_served() {
    let fixture = Fixture::serving(app()).await;
    let head = "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n";
    let mut client = half_a_head(&fixture, head).await;
    client.send("Expect: 100-continue\r\n\r\n").await;
    client.until("HTTP/1.1 100 Continue\r\n\r\n").await;
    client.send("words").await;
    let (answer, end) = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\nwords"), "{answer}");
    assert_eq!(end, End::Fin);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn late_streams_are_rejected_in_the_words_of_their_protocol() {
    let fixture = Fixture::limited(app(), Limits::default(), rejecting());
    let mut peer = Peer::over(fixture.dial(4096)).await;
    let early = peer.request("GET", "/draining").await;
    while fixture.transport.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    // On their way before the peer can have heard.
    fixture.drain();
    let plain = peer.request("GET", "/").await;
    let grpc = http::Request::post("http://test/greeter.Greeter/SayHello")
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    let (grpc, _) = peer.send.send_request(grpc, true).unwrap();
    let plain = soon("an answer", plain).await.unwrap();
    assert_eq!(plain.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(plain.headers()["retry-after"], "1");
    assert!(!plain.headers().contains_key("connection"));
    let grpc = soon("an answer", grpc).await.unwrap();
    assert_eq!(grpc.status(), StatusCode::OK);
    assert_eq!(grpc.headers()["grpc-status"], "14");
    assert_eq!(grpc.headers()["grpc-message"], "Server is draining");
    assert!(grpc.body().is_end_stream(), "trailers only");
    assert_eq!(early.await.unwrap().status(), StatusCode::OK);
    drop((plain, grpc));
    peer.ended().await.unwrap();
    assert_eq!(fixture.closed(1).await.tally, tally(3, 3, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_lame_duck_rejects_nothing() {
    let fixture = Fixture::limited(app(), Limits::default(), rejecting());
    fixture.lame_duck(Duration::from_secs(10));
    let mut client = fixture.dial(4096);
    client.get("/").await;
    let (answer, _) = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let mut frames = Frames::over(fixture.dial(4096)).await;
    frames.send(get_frame(1, "/")).await;
    frames.answered(1).await;
    fixture.drain();
    frames.until(GOAWAY).await;
    frames.until(PING).await;
    fixture.force();
    fixture.ends_clean().await;
}
