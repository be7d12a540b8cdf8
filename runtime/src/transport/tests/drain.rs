//! What each kind of HTTP/1 connection goes through when the server drains.

use std::convert::Infallible;
use std::io::Write;
use std::net::Shutdown;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use lamplighter_lifecycle::{ConnectionEnd, Protocol};
use tokio::time::advance;

use super::client::{Client, End};
use super::fixture::{Fixture, tally};
use crate::transport::{Limits, ShutdownSignal};

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route("/echo", post(|body: Bytes| async { body }))
        .route(
            "/draining",
            get(|signal: ShutdownSignal| async move {
                signal.draining().await;
                "bye"
            }),
        )
        .route("/large", get(|| async { vec![b'x'; LARGE] }))
}

/// More than any kernel buffers on loopback.
const LARGE: usize = 64 * 1024 * 1024;

const SECOND: Duration = Duration::from_secs(1);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_at_once() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    client.get("/").await;
    client.until("Hello, World!").await;
    let before = fixture.now();
    fixture.drain();
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::Idle);
    assert_eq!(closed.tally, tally(1, 1, 0, 0));
    assert_eq!(fixture.now(), before);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_has_100_ms_from_accept() {
    let fixture = Fixture::in_memory(app());
    let old = fixture.dial(4096);
    fixture.opened(1).await;
    advance(millis(30)).await;
    let fresh = fixture.dial(4096);
    fixture.opened(2).await;
    advance(millis(80)).await;
    fixture.drain();
    assert_eq!(old.rest().await, (String::new(), End::Fin));
    assert_eq!(
        fixture.now().as_nanos(),
        110_000_000,
        "older ones close at once"
    );
    assert_eq!(fresh.rest().await, (String::new(), End::Fin));
    let since = fixture.now().as_nanos();
    assert!((130_000_000..=132_000_000).contains(&since), "{since}");
    for number in [1, 2] {
        let closed = fixture.closed(number).await;
        assert_eq!(closed.end, ConnectionEnd::Silent);
        assert_eq!(closed.protocol, Protocol::Unknown);
    }
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_that_speaks_within_its_grace_is_answered() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    fixture.drain();
    advance(millis(50)).await;
    client.get("/").await;
    let (answer, end) = client.rest().await;
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.ends_with("Hello, World!"), "{answer}");
    assert_eq!(end, End::Fin);
    assert_eq!(fixture.closed(1).await.end, ConnectionEnd::Graceful);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn half_a_head_may_be_completed_within_a_second() {
    let fixture = Fixture::in_memory(app());
    let mut first = fixture.dial(4096);
    first.send("GET / HT").await;
    let mut second = fixture.dial(4096);
    second.get("/").await;
    second.until("Hello, World!").await;
    second.send("GET / HTTP/1.1\r\nHost:").await;
    tokio::task::yield_now().await;
    fixture.drain();
    advance(millis(900)).await;
    first.send("TP/1.1\r\nHost: test\r\n\r\n").await;
    second.send(" test\r\n\r\n").await;
    for client in [first, second] {
        let (answer, end) = client.rest().await;
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(answer.ends_with("Hello, World!"), "{answer}");
        assert_eq!(end, End::Fin);
    }
    assert_eq!(fixture.closed(1).await.tally, tally(1, 1, 0, 0));
    assert_eq!(fixture.closed(2).await.tally, tally(2, 2, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_never_completed_is_closed_after_its_second() {
    for (already, begun) in [
        ("", "G"),
        ("", "PRI * HTTP/2.0\r\n"),
        ("", "POST / HTTP/1.1\r\n"),
        ("GET / HTTP/1.1\r\nHost: test\r\n\r\n", "GET /"),
    ] {
        let fixture = Fixture::in_memory(app());
        let mut client = fixture.dial(4096);
        if !already.is_empty() {
            client.send(already).await;
            client.until("Hello, World!").await;
        }
        advance(SECOND).await;
        client.send(begun).await;
        tokio::task::yield_now().await;
        advance(millis(300)).await;
        fixture.drain();
        assert_eq!(client.rest().await, (String::new(), End::Fin), "{begun:?}");
        let ended = fixture.now().as_nanos() / 1_000_000;
        assert!(
            (2000..=2002).contains(&ended),
            "{begun:?} ended at {ended} ms"
        );
        assert_eq!(
            fixture.closed(1).await.end,
            ConnectionEnd::TimedOut,
            "{begun:?}"
        );
        fixture.ends_clean().await;
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_head_behind_a_request_in_one_segment_is_not_taken_for_idle() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    client
        .send("GET / HTTP/1.1\r\nHost: test\r\n\r\nGET / HTTP/1.1\r\nHo")
        .await;
    client.until("Hello, World!").await;
    fixture.drain();
    advance(millis(500)).await;
    client.send("st: test\r\n\r\n").await;
    let (answer, _) = client.rest().await;
    assert!(answer.ends_with("Hello, World!"), "{answer}");
    assert_eq!(fixture.closed(1).await.tally, tally(2, 2, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn work_in_flight_finishes_with_connection_close() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    client.get("/draining").await;
    tokio::task::yield_now().await;
    assert_eq!(fixture.transport.in_flight(), 1);
    fixture.drain();
    let (answer, end) = client.rest().await;
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.ends_with("bye"), "{answer}");
    assert_eq!(end, End::Fin);
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::Graceful);
    assert_eq!(closed.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_pipelined_second_request_stays_unanswered_and_is_counted() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    let two = "GET /draining HTTP/1.1\r\nHost: test\r\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n";
    client.send(two).await;
    tokio::task::yield_now().await;
    fixture.drain();
    let (answer, _) = client.rest().await;
    assert!(answer.ends_with("bye"), "{answer}");
    let closed = fixture.closed(1).await;
    assert_eq!((closed.tally.begun, closed.tally.answered), (1, 1));
    assert_eq!(closed.tally.late_unprocessed, 1);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_half_sent_is_waited_for() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    client
        .send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\nhalf")
        .await;
    tokio::task::yield_now().await;
    fixture.drain();
    advance(Duration::from_secs(60)).await;
    client.send("half").await;
    let (answer, _) = client.rest().await;
    assert!(answer.ends_with("halfhalf"), "{answer}");
    assert_eq!(fixture.closed(1).await.end, ConnectionEnd::Graceful);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_in_behind_a_body_has_1_s_like_any_other() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    client
        .send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody")
        .await;
    client.until("body").await;
    client.send("G").await;
    tokio::task::yield_now().await;
    fixture.drain();
    let begun = fixture.now();
    for byte in ["E", "T", " "] {
        advance(millis(300)).await;
        client.send(byte).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    let took = fixture.now().since(begun);
    assert!(took <= millis(1001), "{took:?}");
    assert_eq!(fixture.closed(1).await.end, ConnectionEnd::TimedOut);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_in_flight_until_its_last_byte_is_out() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    client.get("/large").await;
    client.until("\r\n\r\n").await;
    fixture.drain();
    advance(Duration::from_secs(60)).await;
    assert_eq!(fixture.transport.in_flight(), 1);
    let (answer, end) = client.rest().await;
    assert!(answer.len() >= LARGE - 4096, "{}", answer.len());
    assert_eq!(end, End::Fin);
    assert_eq!(fixture.closed(1).await.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_hears_draining_ends_itself() {
    let app = Router::new().route(
        "/",
        get(|| async {
            Body::new(StreamBody::new(stream::unfold(0, |said| async move {
                if said > 0 {
                    // Inside the request's scope here too.
                    ShutdownSignal::current().unwrap().draining().await;
                    return None;
                }
                let tick = Frame::data(Bytes::from_static(b"tick"));
                Some((Ok::<_, Infallible>(tick), 1))
            })))
        }),
    );
    let fixture = Fixture::in_memory(app);
    let mut client = fixture.dial(4096);
    client.get("/").await;
    client.until("tick").await;
    assert_eq!(fixture.transport.in_flight(), 1);
    fixture.drain();
    let (rest, end) = client.rest().await;
    assert!(rest.ends_with("0\r\n\r\n"), "{rest:?}");
    assert_eq!(end, End::Fin);
    let closed = fixture.closed(1).await;
    // Its head went out before anybody thought of closing.
    assert_eq!(closed.end, ConnectionEnd::Idle);
    assert_eq!(closed.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn in_a_lame_duck_answers_announce_the_close_and_new_connections_are_served() {
    let fixture = Fixture::in_memory(app());
    let mut idle = fixture.dial(4096);
    idle.get("/").await;
    idle.until("Hello, World!").await;
    fixture.lame_duck(Duration::from_secs(5));
    tokio::task::yield_now().await;
    let fresh = fixture.dial(4096);
    for mut client in [idle, fresh] {
        client.get("/").await;
        let (answer, end) = client.rest().await;
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(answer.ends_with("Hello, World!"), "{answer}");
        assert_eq!(end, End::Fin);
    }
    assert!(!fixture.signal.is_draining());
    for number in [1, 2] {
        assert_eq!(fixture.closed(number).await.end, ConnectionEnd::Graceful);
    }
    fixture.ends_clean().await;
}

#[tokio::test]
async fn requests_that_wait_in_the_kernel_are_answered() {
    // One thread, and no await between the writes and the drain: tokio has seen none of it.
    let fixture = Fixture::serving(app()).await;
    let mut idle = fixture.connect().await;
    idle.get("/").await;
    idle.until("Hello, World!").await;
    let silent = fixture.connect().await;
    fixture.opened(2).await;
    let mut clients: Vec<std::net::TcpStream> = Vec::new();
    for client in [idle, silent] {
        clients.push(client.into_tcp());
    }
    for _ in 0..3 {
        let queued = std::net::TcpStream::connect(fixture.addr()).unwrap();
        clients.push(queued);
    }
    for client in &mut clients {
        client.set_nonblocking(false).unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            .unwrap();
    }
    fixture.drain();
    for (number, client) in (1..).zip(clients) {
        let client = Client::of_tcp(client);
        let (answer, end) = client.rest().await;
        assert!(
            answer.contains("connection: close\r\n"),
            "{number}: {answer:?}"
        );
        assert!(answer.ends_with("Hello, World!"), "{number}: {answer:?}");
        assert_eq!(end, End::Fin, "{number}");
        assert_eq!(fixture.closed(number).await.end, ConnectionEnd::Graceful);
    }
    fixture.ends_clean().await;
}

#[tokio::test]
async fn a_client_that_has_ended_its_side_is_still_answered() {
    let fixture = Fixture::serving(app()).await;
    let client = fixture.connect().await;
    let mut client = client.into_tcp();
    client.set_nonblocking(false).unwrap();
    client
        .write_all(b"GET /draining HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    fixture.opened(1).await;
    while fixture.transport.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    fixture.drain();
    let (answer, end) = Client::of_tcp(client).rest().await;
    assert!(answer.ends_with("bye"), "{answer:?}");
    assert_eq!(end, End::Fin);
    assert_eq!(fixture.closed(1).await.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn before_it_is_ready_the_server_answers_503_and_the_connection_lives() {
    let fixture = Fixture::without_listener(app(), Limits::default());
    let mut client = fixture.dial(4096);
    client.get("/").await;
    let answer = client.until("Server is not ready").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
    fixture
        .transport
        .direct(&lamplighter_lifecycle::Directive::Serve);
    client.get("/").await;
    client.until("Hello, World!").await;
    fixture.drain();
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    assert_eq!(fixture.closed(1).await.tally, tally(2, 2, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_dawdles_is_closed_while_the_server_runs_and_idling_is_not() {
    let fixture = Fixture::in_memory(app());
    let mut idle = fixture.dial(4096);
    idle.get("/").await;
    idle.until("Hello, World!").await;
    let mut slow = fixture.dial(4096);
    slow.send("GET / HTTP/1.1\r\n").await;
    let silent = fixture.dial(4096);
    assert_eq!(slow.rest().await, (String::new(), End::Fin));
    assert_eq!(silent.rest().await, (String::new(), End::Fin));
    let since = fixture.now().as_nanos() / 1_000_000;
    assert!((10_000..=10_002).contains(&since), "{since}");
    assert_eq!(fixture.closed(2).await.end, ConnectionEnd::TimedOut);
    assert_eq!(fixture.closed(3).await.end, ConnectionEnd::Silent);
    advance(Duration::from_secs(3600)).await;
    idle.get("/").await;
    idle.until("Hello, World!").await;
    fixture.ends_clean().await;
}
