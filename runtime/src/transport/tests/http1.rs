//! HTTP/1 while nobody stops the server.

use std::panic::resume_unwind;

use axum::Router;
use axum::routing::get;
use lamplighter_lifecycle::{ConnectionEnd, Protocol};

use super::fixture::{End, Fixture, tally};

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route(
            "/panic",
            get(|| async {
                resume_unwind(Box::new("a secret"));
                #[expect(unreachable_code, reason = "gives the handler its type")]
                ""
            }),
        )
}

#[tokio::test]
async fn requests_are_answered_on_one_connection_and_counted() {
    let fixture = Fixture::serving(app()).await;
    let mut client = fixture.connect().await;
    for _ in 0..3 {
        client.get("/").await;
        let answer = client.until("Hello, World!").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(!answer.contains("connection"), "{answer}");
    }
    assert_eq!(fixture.transport.in_flight(), 0);
    client.finish().await;
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    let closed = fixture.closed(1).await;
    assert_eq!(closed.protocol, Protocol::Http1);
    assert_eq!(closed.end, ConnectionEnd::PeerClosed);
    assert_eq!(closed.tally, tally(3, 3, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test]
async fn a_panic_before_the_head_is_500_and_the_connection_lives() {
    let fixture = Fixture::serving(app()).await;
    let mut client = fixture.connect().await;
    client.get("/panic").await;
    let answer = client.until("Internal Server Error").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(!answer.contains("secret"), "{answer}");
    client.get("/").await;
    client.until("Hello, World!").await;
    drop(client);
    assert_eq!(fixture.closed(1).await.tally, tally(2, 2, 0, 0));
    fixture.ends_clean().await;
}
