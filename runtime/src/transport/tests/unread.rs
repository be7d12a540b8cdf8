//! Answers over HTTP/1 whose request nobody reads to its end, while nobody stops the server.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{Request, StatusCode};
use axum::routing::post;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use super::client::{Client, End};
use super::fixture::{Fixture, beside, tally};
use super::listeners::settle;

fn app(gate: &Arc<Notify>) -> Router {
    let gate = Arc::clone(gate);
    let gated = |request: Request<Body>| async move {
        gate.notified().await;
        drop(request);
        "unread"
    };
    let keeps = |request: Request<Body>| async move {
        beside(async move { axum::body::to_bytes(request.into_body(), 1000).await });
        "unread"
    };
    let upgrades = |mut request: Request<Body>| async move {
        let upgraded = hyper::upgrade::on(&mut request);
        drop(request);
        beside(async move {
            if let Ok(upgraded) = upgraded.await {
                let mut io = TokioIo::new(upgraded);
                io.write_all(b"no HTTP any more").await?;
                io.shutdown().await?;
            }
            io::Result::Ok(())
        });
        let head = [(CONNECTION, "upgrade"), (UPGRADE, "other")];
        (StatusCode::SWITCHING_PROTOCOLS, head)
    };
    Router::new()
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/deaf", post(|| async { "unread" }))
        .route("/upgrades", post(upgrades))
        .route("/gated", post(gated))
        .route("/keeps", post(keeps))
}

fn head(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: test\r\n{body}\r\n\r\n")
}

const CLOSE: &str = "\r\nconnection: close\r\n";

/// It is answered, with or without a word that the connection ends.
async fn answered(client: &mut Client, closes: bool) {
    let answer = client.until("unread").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(answer.contains(CLOSE), closes, "{answer}");
}

/// The connection lives: one more request is read and answered.
async fn lives(client: &mut Client) {
    client
        .send(head("/echo", "Content-Length: 5") + "hello")
        .await;
    let answer = client.until("hello").await;
    assert!(!answer.contains(CLOSE), "{answer}");
}

/// What a client sends whose request never ends.
fn endless() -> [String; 4] {
    [
        head("/deaf", "Content-Length: 10"),
        head("/deaf", "Content-Length: 10") + "half",
        head("/deaf", "Transfer-Encoding: chunked") + "4\r\nha",
        head("/deaf", "Content-Length: 10\r\nExpect: 100-continue"),
    ]
}

#[tokio::test(start_paused = true)]
async fn an_answer_announces_the_close_where_the_rest_of_its_request_is_not_there() {
    for request in endless() {
        let gate = Arc::default();
        let fixture = Fixture::in_memory(app(&gate));
        let mut client = fixture.dial(4096);
        client.send(&request).await;
        answered(&mut client, true).await;
        assert_eq!(client.rest().await, (String::new(), End::Fin), "{request}");
        assert_eq!(fixture.closed(1).await.tally, tally(1, 1, 0, 0));
        fixture.ends_clean().await;
    }
}

#[tokio::test]
async fn on_a_real_socket_it_announces_it_as_well_also_behind_other_uploads() {
    let gate = Arc::default();
    let fixture = Fixture::serving(app(&gate)).await;
    for request in endless() {
        let mut client = fixture.connect().await;
        lives(&mut client).await;
        lives(&mut client).await;
        client.send(&request).await;
        answered(&mut client, true).await;
        client.finish().await;
        assert_eq!(client.rest().await, (String::new(), End::Fin), "{request}");
    }
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_announces_nothing_where_all_of_its_request_has_come_and_nobody_reads_it() {
    let gate = Arc::default();
    let fixture = Fixture::in_memory(app(&gate));
    let mut client = fixture.dial(4096);
    let body = "multi\r\n\r\npart\r\n\r\n";
    let length = format!("Content-Length: {}", body.len());
    for _ in 0..3 {
        client.send(head("/deaf", &length) + body).await;
        answered(&mut client, false).await;
        client
            .send(head("/deaf", "Transfer-Encoding: chunked") + "4\r\nbody\r\n0\r\n\r\n")
            .await;
        answered(&mut client, false).await;
        client.send(head("/deaf", "Content-Length: 0")).await;
        answered(&mut client, false).await;
        lives(&mut client).await;
    }
    client.finish().await;
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    assert_eq!(fixture.closed(1).await.tally, tally(12, 12, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_announces_nothing_where_the_rest_has_come_by_then() {
    let gate: Arc<Notify> = Arc::default();
    let fixture = Fixture::in_memory(app(&gate));
    let mut client = fixture.dial(4096);
    for body in ["Content-Length: 8", "Transfer-Encoding: chunked"] {
        let (first, rest) = if body.starts_with('C') {
            ("half", "rest")
        } else {
            ("4\r\nhalf\r\n", "0\r\n\r\n")
        };
        client.send(head("/gated", body) + first).await;
        settle().await;
        client.send(rest).await;
        settle().await;
        gate.notify_one();
        answered(&mut client, false).await;
        lives(&mut client).await;
    }
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_announces_nothing_where_somebody_still_reads_its_request() {
    let gate = Arc::default();
    let fixture = Fixture::in_memory(app(&gate));
    let mut client = fixture.dial(4096);
    client
        .send(head("/keeps", "Content-Length: 8") + "half")
        .await;
    answered(&mut client, false).await;
    client.send("rest").await;
    lives(&mut client).await;
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_with_a_request_that_is_not_all_there_announces_the_close() {
    let panics = |request: Request<Body>| async move {
        std::panic::resume_unwind(Box::new(request.uri().path().len()));
        #[expect(unreachable_code, reason = "gives the handler its type")]
        ""
    };
    let fixture = Fixture::in_memory(Router::new().route("/deaf", post(panics)));
    for request in endless() {
        let mut client = fixture.dial(4096);
        client.send(&request).await;
        let (answer, end) = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(answer.contains(CLOSE), "{answer}");
        assert_eq!(end, End::Fin);
    }
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_chunks_that_are_none_announces_the_close() {
    let fixture = Fixture::in_memory(app(&Arc::default()));
    for bad in ["4\r\nhalf\r\nmore\r\n", "\r\n", "4\r\nhalf0\r\n\r\n"] {
        let mut client = fixture.dial(4096);
        let request = head("/echo", "Transfer-Encoding: chunked");
        client.send(request + bad).await;
        let (answer, end) = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains(CLOSE), "{answer}");
        assert_eq!(end, End::Fin);
    }
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_the_connection_away_announces_nothing_whatever_is_left_of_its_request()
 {
    for body in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let fixture = Fixture::in_memory(app(&Arc::default()));
        let mut client = fixture.dial(4096);
        let upgrade = format!("Connection: upgrade\r\nUpgrade: other\r\n{body}");
        client.send(head("/upgrades", &upgrade)).await;
        let answer = client.until("no HTTP any more").await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(answer.contains("\r\nconnection: upgrade\r\n"), "{answer}");
        drop(client);
        fixture.ends_clean().await;
    }
}
