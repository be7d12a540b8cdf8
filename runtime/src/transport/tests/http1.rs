//! HTTP/1 while nobody stops the server.

use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::routing::{get, post};
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use lamplighter_lifecycle::{ConnectionEnd, Protocol};
use socket2::SockRef;
use tokio::sync::Notify;

use super::client::End;
use super::fixture::{Fixture, failing, soon, tally};
use super::listeners::settle;
use crate::transport::Limits;

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/deaf", post(|| async { "unread" }))
        .route("/empty", get(|| async {}))
        .route("/nothing", get(|| async { StatusCode::NO_CONTENT }))
        .route("/unchanged", get(|| async { StatusCode::NOT_MODIFIED }))
        .route("/streamed", get(|| async { two_frames() }))
        // Its length is met before its stream has ended.
        .route(
            "/measured",
            get(|| async { ([("content-length", "8")], two_frames()) }),
        )
        .route(
            "/panic",
            get(|| async {
                resume_unwind(Box::new("a secret"));
                #[expect(unreachable_code, reason = "gives the handler its type")]
                ""
            }),
        )
}

fn two_frames() -> Body {
    let frames = [b"four", b"more"]
        .map(|bytes| Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(bytes))));
    Body::new(StreamBody::new(stream::iter(frames)))
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
    assert_eq!(fixture.closed(1).await.tally, failing(1, tally(2, 2, 0, 0)));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn answers_of_every_kind_are_counted_at_once() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(64 * 1024);
    let mut answered = 0;
    for (request, ends) in [
        ("GET /", "Hello, World!"),
        ("HEAD /", "\r\n\r\n"),
        ("GET /empty", "\r\n\r\n"),
        ("GET /nothing", "\r\n\r\n"),
        ("GET /unchanged", "\r\n\r\n"),
        ("GET /streamed", "\r\n0\r\n\r\n"),
        ("HEAD /streamed", "\r\n\r\n"),
        ("GET /measured", "fourmore"),
        ("GET /missing", "\r\n\r\n"),
        ("OPTIONS /", "\r\n\r\n"),
    ] {
        client
            .send(format!("{request} HTTP/1.1\r\nHost: test\r\n\r\n"))
            .await;
        client.until(ends).await;
        tokio::task::yield_now().await;
        assert_eq!(fixture.transport.in_flight(), 0, "{request}");
        answered += 1;
    }
    fixture.drain();
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    let closed = fixture.closed(1).await;
    assert_eq!(closed.tally, tally(answered, answered, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn pipelined_requests_are_answered_in_order() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(64 * 1024);
    let mut three = String::new();
    for path in ["/", "/measured", "/streamed"] {
        three.push_str(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
    }
    client.send(three).await;
    client.until("Hello, World!").await;
    client.until("fourmore").await;
    client.until("0\r\n\r\n").await;
    fixture.drain();
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    assert_eq!(fixture.closed(1).await.tally, tally(3, 3, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_for_100_continue_gets_it() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    client
        .send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        .await;
    let go_on = client.until("\r\n\r\n").await;
    assert_eq!(go_on, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(fixture.transport.in_flight(), 1);
    fixture.lame_duck(Duration::from_secs(9));
    client.send("body").await;
    let (answer, _) = client.rest().await;
    assert!(answer.ends_with("body"), "{answer}");
    assert_eq!(fixture.closed(1).await.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn old_clients_and_those_that_say_close_are_closed_after_their_answer() {
    for request in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
    ] {
        let fixture = Fixture::in_memory(app());
        let mut client = fixture.dial(4096);
        client.send(request).await;
        let (answer, end) = client.rest().await;
        assert!(answer.ends_with("Hello, World!"), "{answer}");
        assert_eq!(end, End::Fin);
        let closed = fixture.closed(1).await;
        assert_eq!(closed.end, ConnectionEnd::Graceful);
        assert_eq!(closed.tally, tally(1, 1, 0, 0));
        fixture.ends_clean().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_http_is_refused_and_never_begun() {
    for (says, status) in [
        ("\x16\x03\x01 hello\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", "400"),
    ] {
        let fixture = Fixture::in_memory(app());
        let mut client = fixture.dial(4096);
        client.send(says).await;
        let (answer, _) = client.rest().await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer:?}"
        );
        let closed = fixture.closed(1).await;
        assert_eq!(closed.end, ConnectionEnd::Failed);
        assert_eq!(closed.tally, tally(0, 0, 0, 0));
        fixture.ends_clean().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_clearly_for_one_host_is_refused_and_ends_its_connection() {
    for hosts in ["", "Host: a\r\nHost: b\r\n", "Host: a/b\r\n"] {
        let fixture = Fixture::in_memory(app());
        let mut client = fixture.dial(4096);
        let next = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
        client
            .send(format!("GET / HTTP/1.1\r\n{hosts}\r\n{next}"))
            .await;
        let (answer, end) = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{hosts}: {answer:?}");
        assert!(answer.contains("connection: close\r\n"), "{answer:?}");
        assert!(!answer.contains("Hello"), "{hosts}: {answer:?}");
        assert_eq!(end, End::Fin);
        let closed = fixture.closed(1).await;
        assert_eq!(closed.tally.begun, closed.tally.answered);
        fixture.ends_clean().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_beyond_the_limit_gets_431() {
    let limits = Limits::default().max_header_bytes(10_000);
    let fixture = Fixture::without_listener(app(), limits);
    fixture
        .transport
        .direct(&lamplighter_lifecycle::Directive::Serve);
    let mut client = fixture.dial(64 * 1024);
    let mut head = String::from("GET / HTTP/1.1\r\nHost: test\r\nX: ");
    head.push_str(&"x".repeat(10_000));
    client.send(head).await;
    let (answer, _) = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
    assert_eq!(fixture.closed(1).await.tally, tally(0, 0, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_the_handler_does_not_read_ends_the_connection_after_the_answer() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    client
        .send("POST /deaf HTTP/1.1\r\nHost: test\r\nContent-Length: 9000\r\n\r\nsome")
        .await;
    let (answer, end) = client.rest().await;
    assert!(answer.ends_with("unread"), "{answer}");
    assert_eq!(end, End::Fin);
    let closed = fixture.closed(1).await;
    assert_eq!(closed.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_in_a_segment_of_its_own_is_not_taken_for_the_next_head() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    for wait in [3600, 0] {
        client
            .send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\n")
            .await;
        tokio::task::yield_now().await;
        client.send("body").await;
        client.until("\r\n\r\nbody").await;
        tokio::time::advance(Duration::from_secs(wait)).await;
    }
    let before = fixture.now();
    fixture.drain();
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    assert_eq!(fixture.closed(1).await.end, ConnectionEnd::Idle);
    assert_eq!(fixture.now(), before);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_resets_while_a_handler_works_takes_its_request_along() {
    resets_behind("", false).await;
}

#[tokio::test(start_paused = true)]
async fn it_does_so_behind_what_hides_the_reset() {
    // The end of its side, and a request that nobody reads yet.
    resets_behind("", true).await;
    resets_behind("GET / HTTP/1.1\r\nHost: test\r\n\r\n", false).await;
}

async fn resets_behind(pipelined: &str, ends_its_side: bool) {
    let works = Arc::new(Notify::new());
    let told = Arc::clone(&works);
    let handler = move || {
        let told = Arc::clone(&told);
        async move {
            told.notify_one();
            pending::<()>().await;
        }
    };
    let fixture = Fixture::serving(Router::new().route("/", get(handler))).await;
    let mut client = fixture.connect().await;
    client.get("/").await;
    soon("the handler", works.notified()).await;
    client.send(pipelined).await;
    if ends_its_side {
        client.finish().await;
    }
    // What came is seen, and the reset comes behind it.
    settle().await;
    let tcp = client.into_tcp();
    SockRef::from(&tcp)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(tcp);
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::Failed);
    assert_eq!(closed.tally, tally(1, 0, 0, 1));
    fixture.ends_clean().await;
}

#[tokio::test]
async fn a_peer_that_ends_its_side_while_a_handler_works_is_answered() {
    let works = Arc::new(Notify::new());
    let goes_on = Arc::new(Notify::new());
    let (told, waits) = (Arc::clone(&works), Arc::clone(&goes_on));
    let handler = move || {
        let (told, waits) = (Arc::clone(&told), Arc::clone(&waits));
        async move {
            told.notify_one();
            waits.notified().await;
            "done"
        }
    };
    let fixture = Fixture::serving(Router::new().route("/", get(handler))).await;
    let mut client = fixture.connect().await;
    client.get("/").await;
    soon("the handler", works.notified()).await;
    client.finish().await;
    goes_on.notify_one();
    let (answer, end) = client.rest().await;
    assert!(answer.ends_with("done"), "{answer}");
    assert_eq!(end, End::Fin);
    assert_eq!(fixture.closed(1).await.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}
