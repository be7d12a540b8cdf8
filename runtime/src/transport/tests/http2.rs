//! HTTP/2: in general, and when the server drains.

mod early;
mod force;
pub(super) mod peer;
mod stuck;
mod tunnels;

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use h2::Reason;
use lamplighter_lifecycle::{ConnectionEnd, Directive, Protocol};
use tokio::sync::Notify;
use tokio::time::advance;

use self::peer::{LARGE, PREFACE, Peer, SETTINGS, app, at_rest, text};
use super::client::End;
use super::fixture::{Fixture, beside, failing, soon, tally};
use crate::transport::Limits;

#[tokio::test(start_paused = true)]
async fn requests_of_every_kind_are_answered_and_counted() {
    let fixture = Fixture::in_memory(app());
    let peer = Peer::over(fixture.dial(64 * 1024)).await;
    assert_eq!(
        peer.get("/").await,
        (StatusCode::OK, "Hello, World!".into())
    );
    at_rest(&fixture).await;
    for path in ["/empty", "/trailers", "/nothing", "/large"] {
        peer.get(path).await;
        at_rest(&fixture).await;
    }
    let head = peer.request("HEAD", "/large").await.await.unwrap();
    assert_eq!(head.headers()["content-length"], LARGE.to_string());
    assert!(head.body().is_end_stream());
    at_rest(&fixture).await;
    fixture.drain();
    peer.ended().await.unwrap();
    let closed = fixture.closed(1).await;
    assert_eq!(closed.protocol, Protocol::Http2);
    assert_eq!(closed.end, ConnectionEnd::Graceful);
    assert_eq!(closed.tally, tally(6, 6, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test]
async fn one_port_speaks_both_protocols() {
    let fixture = Fixture::serving(app()).await;
    let peer = Peer::over(fixture.connect().await).await;
    let mut client = fixture.connect().await;
    assert_eq!(peer.get("/").await.1, "Hello, World!");
    client.get("/").await;
    client.until("Hello, World!").await;
    fixture.drain();
    peer.ended().await.unwrap();
    assert_eq!(client.rest().await, (String::new(), End::Fin));
    assert_eq!(fixture.closed(1).await.protocol, Protocol::Http2);
    assert_eq!(fixture.closed(2).await.protocol, Protocol::Http1);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_in_flight_at_the_drain_finishes_and_the_connection_closes_after_it() {
    let fixture = Fixture::in_memory(app());
    let peer = Peer::over(fixture.dial(4096)).await;
    let answer = peer.request("GET", "/draining").await;
    tokio::task::yield_now().await;
    let before = fixture.now();
    fixture.drain();
    let (head, body) = soon("an answer", answer).await.unwrap().into_parts();
    assert_eq!(head.status, StatusCode::OK);
    assert!(!head.headers.contains_key("connection"));
    assert_eq!(text(body).await.unwrap(), "bye");
    peer.ended().await.unwrap();
    assert_eq!(fixture.closed(1).await.tally, tally(1, 1, 0, 0));
    assert_eq!(fixture.now(), before);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_goaway_is_closed_after_a_second() {
    for says in [PREFACE.to_vec(), [PREFACE, SETTINGS].concat()] {
        let fixture = Fixture::in_memory(app());
        let mut client = fixture.dial(4096);
        client.send(&says).await;
        tokio::task::yield_now().await;
        advance(Duration::from_secs(5)).await;
        fixture.drain();
        assert_eq!(client.rest().await.1, End::Fin);
        let since = fixture.now().as_nanos() / 1_000_000;
        assert!((6000..=6002).contains(&since), "{since}");
        let closed = fixture.closed(1).await;
        assert_eq!(closed.end, ConnectionEnd::TimedOut);
        assert_eq!(closed.protocol, Protocol::Http2);
        fixture.ends_clean().await;
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_that_wait_for_the_peers_window_keep_the_request_in_flight() {
    let fixture = Fixture::in_memory(app());
    let peer = Peer::over(fixture.dial(64 * 1024)).await;
    let answer = peer.request("GET", "/large").await;
    let body = soon("a head", answer).await.unwrap().into_body();
    fixture.drain();
    advance(Duration::from_secs(60)).await;
    assert_eq!(fixture.transport.in_flight(), 1);
    assert_eq!(text(body).await.unwrap().len(), LARGE);
    peer.ended().await.unwrap();
    assert_eq!(fixture.closed(1).await.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_the_peer_resets_is_counted_aborted_and_the_others_live() {
    let fixture = Fixture::in_memory(app());
    let peer = Peer::over(fixture.dial(4096)).await;
    for path in ["/never", "/ticks", "/large"] {
        let answer = peer.request("GET", path).await;
        if path == "/never" {
            while fixture.transport.in_flight() == 0 {
                tokio::task::yield_now().await;
            }
            drop(answer);
        } else {
            drop(soon("a head", answer).await.unwrap());
        }
        at_rest(&fixture).await;
    }
    assert_eq!(peer.get("/").await.1, "Hello, World!");
    fixture.drain();
    peer.ended().await.unwrap();
    assert_eq!(fixture.closed(1).await.tally, tally(4, 1, 0, 3));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_500_before_the_head_and_a_reset_stream_after_it() {
    let fixture = Fixture::in_memory(app());
    let peer = Peer::over(fixture.dial(4096)).await;
    let (status, body) = peer.get("/panics").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body, "Internal Server Error");
    let answer = peer.request("GET", "/panics-later").await;
    let error = match soon("an answer", answer).await {
        Ok(answer) => text(answer.into_body()).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
    assert_eq!(peer.get("/").await.1, "Hello, World!");
    at_rest(&fixture).await;
    fixture.drain();
    peer.ended().await.unwrap();
    assert_eq!(fixture.closed(1).await.tally, failing(2, tally(3, 2, 0, 1)));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn goaway_comes_in_the_first_half_of_the_lame_duck_and_to_newcomers_at_its_end() {
    let fixture = Fixture::in_memory(app());
    let mut old = Vec::new();
    for _ in 0..8 {
        old.push(Peer::over(fixture.dial(4096)).await);
    }
    tokio::task::yield_now().await;
    fixture.lame_duck(Duration::from_secs(10));
    tokio::task::yield_now().await;
    let newcomer = Peer::over(fixture.dial(4096)).await;
    let fixture_now = || fixture.now().as_nanos() / 1_000_000;
    let mut ended = futures_util::future::join_all(old.into_iter().map(
        |Peer { send, connection }| async move {
            connection.await.unwrap().unwrap();
            // Held until here: without it the client would leave by itself.
            drop(send);
            fixture_now()
        },
    ))
    .await;
    assert!(ended.iter().all(|at| *at <= 5002), "{ended:?}");
    ended.sort_unstable();
    ended.dedup();
    assert!(ended.len() > 4, "spread, not all at once: {ended:?}");
    advance(Duration::from_secs(4)).await;
    assert_eq!(newcomer.get("/").await.1, "Hello, World!");
    fixture.drain();
    newcomer.ended().await.unwrap();
    let closed = fixture.closed(9).await;
    assert_eq!(closed.end, ConnectionEnd::Graceful);
    assert_eq!(closed.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn before_it_is_ready_the_server_tells_grpc_clients_that_it_is_unavailable() {
    let fixture = Fixture::without_listener(app(), Limits::default());
    let mut peer = Peer::over(fixture.dial(4096)).await;
    let request = http::Request::post("http://test/greeter.Greeter/SayHello")
        .header("content-type", "application/grpc+proto")
        .body(())
        .unwrap();
    let (answer, _) = peer.send.send_request(request, true).unwrap();
    let answer = soon("an answer", answer).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["grpc-status"], "14");
    assert_eq!(peer.get("/").await.0, StatusCode::SERVICE_UNAVAILABLE);
    fixture.transport.direct(&Directive::Serve);
    assert_eq!(peer.get("/").await.1, "Hello, World!");
    fixture.drain();
    peer.ended().await.unwrap();
    assert_eq!(fixture.closed(1).await.tally, tally(3, 3, 0, 0));
    fixture.ends_clean().await;
}

#[test]
fn streams_on_many_threads_are_all_counted() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let fixture = Arc::new(Fixture::serving(app()).await);
        let done = Arc::new(Notify::new());
        let mut clients = Vec::new();
        for _ in 0..4 {
            let peer = Peer::over(fixture.connect().await).await;
            let paths = ["/", "/empty", "/trailers", "/nothing", "/large"];
            clients.push(beside(async move {
                for round in 0..100 {
                    peer.get(paths[round % paths.len()]).await;
                }
                peer
            }));
        }
        let mut peers = Vec::new();
        for client in clients {
            peers.push(soon("a client", client).await.unwrap());
        }
        at_rest(&fixture).await;
        done.notify_one();
        let mut never = Vec::new();
        for peer in &peers {
            for _ in 0..10 {
                never.push(peer.request("GET", "/never").await);
            }
        }
        while fixture.transport.in_flight() < 40 {
            tokio::task::yield_now().await;
        }
        fixture.drain();
        fixture.force();
        for answer in never {
            soon("a reset", answer).await.unwrap_err();
        }
        for number in 1..=4 {
            assert_eq!(fixture.closed(number).await.tally, tally(110, 100, 10, 0));
        }
        Arc::into_inner(fixture).unwrap().ends_clean().await;
    });
}
