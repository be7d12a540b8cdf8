//! Handlers that panic: what their peers hear, and what the books say.

use std::panic::resume_unwind;

use axum::Router;
use axum::routing::{any, get};
use h2::Reason;
use http::StatusCode;
use lamplighter_lifecycle::ConnectionEnd;

use super::client::End;
use super::fixture::{Fixture, failing, soon, tally};
use super::http2::peer::{Peer, app, text};
use crate::transport::ShutdownSignal;

fn panics() -> Router {
    Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route(
            "/panics",
            any(|| async {
                resume_unwind(Box::new("a secret"));
                #[expect(unreachable_code, reason = "gives the handler its type")]
                ""
            }),
        )
        .route(
            "/panics-draining",
            get(|signal: ShutdownSignal| async move {
                signal.draining().await;
                resume_unwind(Box::new("a secret"));
                #[expect(unreachable_code, reason = "gives the handler its type")]
                ""
            }),
        )
}

#[tokio::test]
async fn a_grpc_call_gets_internal_in_a_head_that_is_all() {
    let fixture = Fixture::serving(panics()).await;
    let mut peer = Peer::over(fixture.connect().await).await;
    let request = http::Request::post("http://test/panics")
        .header("content-type", "application/grpc+proto")
        .body(())
        .unwrap();
    let (answer, _) = peer.send.send_request(request, true).unwrap();
    let answer = soon("an answer", answer).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["grpc-status"], "13");
    assert_eq!(answer.headers()["content-type"], "application/grpc");
    assert!(answer.body().is_end_stream(), "trailers only");
    let said = format!("{:?}", answer.headers());
    assert!(!said.contains("secret"), "{said}");
    assert_eq!(peer.get("/").await.1, "Hello, World!");
    fixture.drain();
    peer.ended().await.unwrap();
    assert_eq!(fixture.closed(1).await.tally, failing(1, tally(2, 2, 0, 0)));
    fixture.ends_clean().await;
}

#[tokio::test]
async fn an_http1_request_gets_500_and_its_connection_lives() {
    let fixture = Fixture::serving(panics()).await;
    let mut client = fixture.connect().await;
    client.get("/panics").await;
    let answer = client.until("Internal Server Error").await;
    let answer = answer + &client.until("Internal Server Error").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    client.get("/").await;
    let answer = client.until("Hello, World!").await;
    assert!(!answer.contains("secret"), "{answer}");
    fixture.drain();
    assert_eq!(client.rest().await.1, End::Fin);
    assert_eq!(fixture.closed(1).await.tally, failing(1, tally(2, 2, 0, 0)));
    fixture.ends_clean().await;
}

#[tokio::test]
async fn panics_while_draining_are_answered_and_counted_so() {
    let fixture = Fixture::serving(panics()).await;
    let peer = Peer::over(fixture.connect().await).await;
    let answer = peer.request("GET", "/panics-draining").await;
    let mut client = fixture.connect().await;
    client.get("/panics-draining").await;
    while fixture.transport.in_flight() < 2 {
        tokio::task::yield_now().await;
    }
    fixture.drain();
    let (http1, end) = client.rest().await;
    assert!(http1.starts_with("HTTP/1.1 500 "), "{http1}");
    assert!(http1.contains("\r\nconnection: close\r\n"), "{http1}");
    assert_eq!(end, End::Fin);
    let http2 = soon("an answer", answer).await.unwrap();
    assert_eq!(http2.status(), StatusCode::INTERNAL_SERVER_ERROR);
    drop(http2);
    peer.ended().await.unwrap();
    for number in [1, 2] {
        let closed = fixture.closed(number).await;
        assert_eq!(closed.tally, failing(1, tally(1, 1, 0, 0)));
        assert_eq!(closed.end, ConnectionEnd::Graceful);
    }
    fixture.ends_clean().await;
}

#[tokio::test]
async fn after_the_head_a_panic_resets_the_stream_or_the_connection() {
    let fixture = Fixture::serving(app()).await;
    let mut client = fixture.connect().await;
    client.get("/panics-later").await;
    let (rest, end) = client.rest().await;
    assert_eq!(end, End::Reset, "{rest}");
    assert!(!rest.contains("secret"), "{rest}");
    let closed = fixture.closed(1).await;
    assert_eq!(
        (closed.end, closed.tally),
        (ConnectionEnd::Failed, failing(1, tally(1, 0, 0, 1)))
    );

    let peer = Peer::over(fixture.connect().await).await;
    let answer = peer.request("GET", "/panics-later").await;
    let error = match soon("an answer", answer).await {
        Ok(answer) => text(answer.into_body()).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
    assert_eq!(peer.get("/").await.1, "Hello, World!");
    fixture.drain();
    peer.ended().await.unwrap();
    assert_eq!(fixture.closed(2).await.tally, failing(1, tally(2, 1, 0, 1)));
    fixture.ends_clean().await;
}
