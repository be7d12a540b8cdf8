//! What each kind of HTTP/1 connection goes through when it is cut, or when it breaks.

use std::convert::Infallible;
use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::response::Response;
use axum::routing::{get, post};
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use hyper_util::rt::TokioIo;
use lamplighter_lifecycle::connection::Order;
use lamplighter_lifecycle::{Cause, ConnectionEnd, Directive, Instant, Protocol};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::advance;

use super::client::End;
use super::fixture::{Fixture, beside, failing, tally};
use crate::transport::{Peer, ShutdownSignal, current_server};

fn frames(frames: Vec<Result<&'static [u8], &'static str>>) -> Body {
    let mut frames = frames.into_iter();
    Body::new(StreamBody::new(stream::poll_fn(move |_| {
        match frames.next() {
            Some(Ok(bytes)) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(bytes))))),
            Some(Err("panic")) => resume_unwind(Box::new("a secret")),
            Some(Err(error)) => Poll::Ready(Some(Err(std::io::Error::other(error)))),
            None => Poll::<Option<Result<Frame<Bytes>, std::io::Error>>>::Pending,
        }
    })))
}

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route("/never", get(pending::<&'static str>))
        .route("/large", get(|| async { vec![b'x'; 64 * 1024 * 1024] }))
        .route("/ticks", get(|| async { frames(vec![Ok(b"tick")]) }))
        .route(
            "/breaks",
            get(|| async { frames(vec![Ok(b"tick"), Err("secret")]) }),
        )
        .route(
            "/panics",
            get(|| async { frames(vec![Ok(b"tick"), Err("panic")]) }),
        )
        .route("/echo", post(|body: Body| async { body }))
        .route("/upgrade", get(upgrade))
}

/// Hands the connection to a task that holds it and never touches it again.
async fn upgrade(mut request: Request<Body>) -> Response {
    let upgrading = hyper::upgrade::on(&mut request);
    beside(async move {
        let mut io = TokioIo::new(upgrading.await.unwrap());
        io.write_all(b"upgraded").await.unwrap();
        io.flush().await.unwrap();
        let mut byte = [0];
        if io.read(&mut byte).await.unwrap_or(0) == 1 && byte == *b"q" {
            return;
        }
        // Deaf from here on.
        pending::<()>().await;
    });
    Response::builder()
        .status(101)
        .header("connection", "upgrade")
        .header("upgrade", "test")
        .body(Body::empty())
        .unwrap()
}

const UPGRADE: &str =
    "GET /upgrade HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_handler_that_never_answers_is_cut_by_reset_and_named() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    advance(Duration::from_secs(3)).await;
    client.get("/never").await;
    tokio::task::yield_now().await;
    advance(Duration::from_secs(5)).await;
    fixture.drain();
    fixture.force();
    assert_eq!(client.rest().await, (String::new(), End::Reset));
    let (protocol, at_force, work) = fixture.forced(1).unwrap();
    assert_eq!(protocol, Protocol::Http1);
    assert_eq!(at_force.in_flight(), 1);
    assert_eq!(&*work[0].method, "GET");
    assert_eq!(work[0].begun_at, Instant::ZERO + Duration::from_secs(3));
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::Cut);
    assert_eq!(closed.tally, tally(1, 0, 1, 0));
    assert_eq!(closed.cut, work);
    assert!(fixture.signal.is_cancelled());
    fixture.ends_clean().await;
}

#[tokio::test]
async fn a_cut_answer_is_reset_on_a_real_socket() {
    for path in ["/ticks", "/large"] {
        let fixture = Fixture::serving(app()).await;
        let mut client = fixture.connect().await;
        client.get(path).await;
        client.until("\r\n\r\n").await;
        fixture.drain();
        fixture.listeners_closed().await;
        assert_eq!(fixture.transport.in_flight(), 1, "{path}");
        fixture.force();
        let closed = fixture.closed(1).await;
        assert_eq!(closed.end, ConnectionEnd::Cut, "{path}");
        assert_eq!(closed.tally, tally(1, 0, 1, 0), "{path}");
        assert_eq!(&*closed.cut[0].method, "GET");
        assert_eq!(client.rest().await.1, End::Reset, "{path}");
        fixture.ends_clean().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_no_work_is_closed_by_force_without_a_reset() {
    let fixture = Fixture::in_memory(app());
    let silent = fixture.dial(4096);
    let mut half = fixture.dial(4096);
    half.send("GET /").await;
    let mut idle = fixture.dial(4096);
    idle.get("/").await;
    idle.until("Hello, World!").await;
    fixture.force();
    for (number, client, end) in [
        (1, silent, ConnectionEnd::Silent),
        (2, half, ConnectionEnd::TimedOut),
        (3, idle, ConnectionEnd::Idle),
    ] {
        assert_eq!(client.rest().await, (String::new(), End::Fin), "{number}");
        assert_eq!(fixture.closed(number).await.end, end);
    }
    assert_eq!(fixture.now(), Instant::ZERO);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn force_passes_through_the_drain_once() {
    // Told and polled once: what can be answered within one poll is answered.
    let app = Router::new().route(
        "/",
        get(|signal: ShutdownSignal| async move {
            signal.draining().await;
            "just in time"
        }),
    );
    let fixture = Fixture::in_memory(app);
    let mut client = fixture.dial(4096);
    client.get("/").await;
    tokio::task::yield_now().await;
    fixture.transport.direct(&Directive::Force);
    let (answer, end) = client.rest().await;
    assert!(answer.ends_with("just in time"), "{answer:?}");
    assert_eq!(end, End::Fin);
    assert_eq!(fixture.closed(1).await.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_is_in_flight_until_it_closes() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    client.send(UPGRADE).await;
    let head = client.until("upgraded").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(fixture.transport.in_flight(), 1);
    fixture.drain();
    advance(Duration::from_secs(60)).await;
    assert_eq!(fixture.transport.in_flight(), 1);
    client.send("q").await;
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    let closed = fixture.closed(1).await;
    assert_eq!(closed.protocol, Protocol::Upgraded);
    assert_eq!(closed.end, ConnectionEnd::Graceful);
    assert_eq!(closed.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_is_cut_though_its_task_is_deaf() {
    for by_abort in [false, true] {
        let fixture = Fixture::in_memory(app());
        let mut client = fixture.dial(4096);
        client.send(UPGRADE).await;
        client.until("upgraded").await;
        client.send("x").await;
        tokio::task::yield_now().await;
        if by_abort {
            fixture.transport.abort();
        } else {
            fixture.force();
        }
        assert_eq!(client.rest().await, (String::new(), End::Reset));
        let closed = fixture.closed(1).await;
        assert_eq!(closed.end, ConnectionEnd::Cut);
        assert_eq!(closed.tally, tally(1, 0, 1, 0));
        assert_eq!(closed.cut[0].protocol, Protocol::Upgraded);
        fixture.ends_clean().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_upgrade_while_draining_gets_503() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    fixture.drain();
    client.send(UPGRADE).await;
    let (answer, end) = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert_eq!(end, End::Fin);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_in_a_lame_duck_is_not_told_to_close() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    fixture.lame_duck(Duration::from_secs(5));
    client.send(UPGRADE).await;
    let head = client.until("upgraded").await;
    assert!(head.contains("connection: upgrade\r\n"), "{head}");
    fixture.force();
    assert_eq!(client.rest().await.1, End::Reset);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_resets_its_connection_and_leaks_nothing() {
    for path in ["/breaks", "/panics"] {
        let fixture = Fixture::in_memory(app());
        let mut client = fixture.dial(4096);
        client.get(path).await;
        let (answer, end) = client.rest().await;
        assert!(!answer.contains("secret"), "{path}: {answer:?}");
        assert!(!answer.ends_with("0\r\n\r\n"), "{path}: {answer:?}");
        assert_eq!(end, End::Reset, "{path}");
        let closed = fixture.closed(1).await;
        assert_eq!(closed.end, ConnectionEnd::Failed, "{path}");
        assert_eq!(closed.tally, failing(1, tally(1, 0, 0, 1)), "{path}");
        fixture.ends_clean().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_echo_whose_client_ends_too_early_is_no_failure_of_the_application() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    let upload = "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nhalf";
    client.send(upload).await;
    client.until("half").await;
    client.finish().await;
    assert_eq!(client.rest().await.1, End::Reset);
    assert_eq!(fixture.closed(1).await.tally, tally(1, 0, 0, 1));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_leaves_in_the_middle_of_an_answer_is_counted_aborted() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    client.get("/large").await;
    client.until("\r\n\r\n").await;
    drop(client);
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::Failed);
    assert_eq!(closed.tally, tally(1, 0, 0, 1));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_cuts_itself_if_nobody_tells_it_that_its_deadline_has_passed() {
    let fixture = Fixture::in_memory(app());
    let mut client = fixture.dial(4096);
    client.get("/never").await;
    tokio::task::yield_now().await;
    fixture.transport.direct(&Directive::Drain {
        cause: Cause::Drain,
        deadline: Some(fixture.now() + Duration::from_secs(30)),
    });
    fixture.transport.direct(&Directive::Tighten {
        deadline: fixture.now() + Duration::from_secs(2),
    });
    assert_eq!(client.rest().await, (String::new(), End::Reset));
    let since = fixture.now().as_nanos() / 1_000_000;
    assert!((2050..=2052).contains(&since), "{since}");
    assert_eq!(fixture.closed(1).await.tally, tally(1, 0, 1, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn aborting_closes_every_socket_and_settles_every_request() {
    let fixture = Fixture::in_memory(app());
    let mut working = fixture.dial(4096);
    working.get("/never").await;
    let idle = fixture.dial(4096);
    tokio::task::yield_now().await;
    fixture.transport.abort();
    assert_eq!(working.rest().await, (String::new(), End::Reset));
    assert_eq!(idle.rest().await, (String::new(), End::Fin));
    assert_eq!(fixture.closed(1).await.end, ConnectionEnd::Cut);
    assert_eq!(fixture.closed(1).await.tally, tally(1, 0, 1, 0));
    assert_eq!(fixture.closed(2).await.end, ConnectionEnd::Idle);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn requests_know_their_server_their_peer_and_their_signal() {
    let seen = Arc::new(AtomicBool::new(false));
    let fixture = {
        let seen = Arc::clone(&seen);
        let app = Router::new().route(
            "/",
            get(
                move |peer: Peer, signal: Option<ShutdownSignal>| async move {
                    tokio::task::yield_now().await;
                    assert!(current_server().is_some());
                    assert!(!signal.unwrap().is_draining());
                    assert_eq!(Peer::current(), Some(peer.clone()));
                    seen.store(true, Ordering::SeqCst);
                    Ok::<_, Infallible>(peer.addr().to_string())
                },
            ),
        );
        Fixture::in_memory(app)
    };
    let mut client = fixture.dial(4096);
    client.get("/").await;
    client.until("\r\n\r\nmemory").await;
    assert!(seen.load(Ordering::SeqCst));
    assert_eq!(current_server(), None);
    fixture.ends_clean().await;
}

#[test]
fn force_ends_a_crowd_on_many_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let fixture = Fixture::serving(app()).await;
        let mut clients = Vec::new();
        for number in 0..60 {
            let mut client = fixture.connect().await;
            match number % 4 {
                0 => client.get("/never").await,
                1 => client.get("/large").await,
                2 => client.send(UPGRADE).await,
                _ => {
                    client.get("/").await;
                    client.until("Hello, World!").await;
                }
            }
            clients.push(client);
        }
        fixture.opened(60).await;
        // Every request has begun.
        while fixture.transport.in_flight() < 45 {
            tokio::task::yield_now().await;
        }
        fixture.drain();
        fixture.force();
        let mut cut = 0;
        for number in 1..=60 {
            cut += fixture.closed(number).await.tally.cut;
        }
        assert_eq!(cut, 45);
        for client in clients {
            client.rest().await;
        }
        fixture.ends_clean().await;
    });
}

#[test]
fn every_directive_but_serve_is_an_order() {
    assert_eq!(Order::of(&Directive::Serve), None);
    assert_eq!(Order::of(&Directive::Force), Some(Order::Force));
}
