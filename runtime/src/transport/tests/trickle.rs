//! Bytes that come slowly between requests: the head of the next one, or the body of the last.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use http_body_util::BodyExt;
use lamplighter_lifecycle::ConnectionEnd;
use tokio::sync::mpsc;
use tokio::time::advance;

use super::client::{Client, End};
use super::fixture::{Fixture, beside, soon, tally};

fn app(bodies: mpsc::UnboundedSender<Option<usize>>) -> Router {
    Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route("/echo", post(|body: Bytes| async { body }))
        // Answers, and leaves the body to a task that says how much of it comes, and if it breaks off.
        .route(
            "/later",
            post(|mut body: Body| async move {
                beside(async move {
                    while let Some(frame) = body.frame().await {
                        let data =
                            frame.map(|frame| frame.into_data().map_or(0, |data| data.len()));
                        if bodies.send(data.ok()).is_err() {
                            return;
                        }
                    }
                });
                "later"
            }),
        )
}

/// Lets the server see what was sent before time goes on.
async fn seen() {
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_after_a_post_has_its_time_from_its_own_begin() {
    let fixture = Fixture::in_memory(app(mpsc::unbounded_channel().0));
    let mut client = fixture.dial(4096);
    client
        .send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nwords")
        .await;
    client.until("words").await;
    // Idle for longer than a head may take.
    advance(Duration::from_secs(30)).await;
    for byte in "GET".bytes() {
        client.send([byte]).await;
        seen().await;
        advance(Duration::from_secs(3)).await;
    }
    client.send(" ").await;
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    let now = fixture.now().as_nanos() / 1_000_000;
    assert!((40_000..=40_002).contains(&now), "{now} ms");
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::TimedOut);
    assert_eq!(closed.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}

/// A post, all of it, with half a head behind it in one segment.
async fn half_a_head_behind_a_post(fixture: &Fixture) -> Client {
    let mut client = fixture.dial(4096);
    client
        .send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nwordsGET / HTTP/1.1\r\nHo")
        .await;
    client.until("words").await;
    client
}

#[tokio::test(start_paused = true)]
async fn half_a_head_behind_a_post_in_one_segment_is_not_taken_for_idle() {
    let fixture = Fixture::in_memory(app(mpsc::unbounded_channel().0));
    let mut client = half_a_head_behind_a_post(&fixture).await;
    fixture.drain();
    seen().await;
    advance(Duration::from_millis(500)).await;
    client.send("st: test\r\n\r\n").await;
    let (answer, end) = client.rest().await;
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.ends_with("Hello, World!"), "{answer}");
    assert_eq!(end, End::Fin);
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::Graceful);
    assert_eq!(closed.tally, tally(2, 2, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn half_a_head_behind_a_post_that_is_never_completed_has_1_s_of_the_drain() {
    let fixture = Fixture::in_memory(app(mpsc::unbounded_channel().0));
    let client = half_a_head_behind_a_post(&fixture).await;
    fixture.drain();
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    let now = fixture.now().as_nanos() / 1_000_000;
    assert!((1000..=1002).contains(&now), "{now} ms");
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::TimedOut);
    assert_eq!(closed.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}

const PART: usize = 64 * 1024;
const PARTS: usize = 20;

#[tokio::test(start_paused = true)]
async fn a_body_that_somebody_reads_after_its_answer_may_go_on() {
    let (bodies, mut read) = mpsc::unbounded_channel();
    let fixture = Fixture::in_memory(app(bodies));
    let mut client = fixture.dial(4096);
    let head = format!(
        "POST /later HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n",
        PART * PARTS
    );
    client.send(head).await;
    client.until("later").await;
    for _ in 0..PARTS {
        client.send(vec![b'x'; PART]).await;
        advance(Duration::from_secs(5)).await;
    }
    let mut got = 0;
    while got < PART * PARTS {
        let part = soon("the body", read.recv()).await.unwrap();
        got += part.expect("the body broke off");
    }
    client.get("/").await;
    client.until("Hello, World!").await;
    fixture.drain();
    assert_eq!(client.rest().await.1, End::Fin);
    assert_eq!(fixture.closed(1).await.tally, tally(2, 2, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_after_its_answer_ends_with_the_time_of_a_head() {
    let (bodies, mut read) = mpsc::unbounded_channel();
    let fixture = Fixture::in_memory(app(bodies));
    let mut client = fixture.dial(4096);
    client
        .send("POST /later HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\n")
        .await;
    client.until("later").await;
    for _ in 0..3 {
        client.send("x").await;
        seen().await;
        advance(Duration::from_secs(3)).await;
    }
    assert_eq!(client.rest().await.1, End::Fin);
    let now = fixture.now().as_nanos() / 1_000_000;
    assert!((10_000..=10_002).contains(&now), "{now} ms");
    for byte in [Some(1), Some(1), Some(1), None] {
        assert_eq!(soon("the body", read.recv()).await, Some(byte));
    }
    assert_eq!(fixture.closed(1).await.end, ConnectionEnd::TimedOut);
    fixture.ends_clean().await;
}
