//! A drain that is spread: requests and HTTP/2 peers are told in turn, everybody else at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use futures_util::future::join_all;
use lamplighter_lifecycle::{Budget, Directive, Plan};

use super::client::End;
use super::fixture::{Fixture, soon, tally};
use super::http2::peer::Peer;
use crate::transport::{Limits, ShutdownSignal};

const SPREAD: u64 = 4_000;

fn spread() -> Budget {
    let plan = Plan::new().drain_spread(Duration::from_millis(SPREAD));
    plan.budget().unwrap()
}

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route(
            "/draining",
            get(|signal: ShutdownSignal| async move {
                let current = ShutdownSignal::current().unwrap();
                assert!(!current.is_draining() && current.cause().is_none());
                signal.draining().await;
                assert!(current.is_draining() && current.cause().is_some());
                "bye"
            }),
        )
}

fn fixture() -> Fixture {
    Fixture::limited(app(), Limits::default(), spread())
}

fn millis(fixture: &Fixture) -> u64 {
    fixture.now().as_nanos() / 1_000_000
}

/// Different moments, most of them, and all within the spread.
#[track_caller]
fn check(mut moments: Vec<u64>) {
    assert!(moments.iter().all(|at| *at <= SPREAD + 2), "{moments:?}");
    let count = moments.len();
    moments.sort_unstable();
    moments.dedup();
    assert!(moments.len() > count / 2, "not in one instant: {moments:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_of_both_protocols_hear_in_their_turn_and_workers_at_once() {
    let fixture = fixture();
    let (mut ones, mut twos) = (Vec::new(), Vec::new());
    for _ in 0..8 {
        let mut client = fixture.dial(4096);
        client.get("/draining").await;
        ones.push(client);
        let peer = Peer::over(fixture.dial(4096)).await;
        let answer = peer.request("GET", "/draining").await;
        twos.push((peer, answer));
    }
    while fixture.transport.in_flight() < 16 {
        tokio::task::yield_now().await;
    }
    fixture.drain();
    assert!(
        fixture.signal.is_draining(),
        "the server's own is not spread"
    );
    let ones = join_all(ones.into_iter().map(|client| async {
        let (answer, end) = client.rest().await;
        assert!(answer.contains("connection: close"), "{answer}");
        assert!(answer.ends_with("bye") && end == End::Fin, "{answer}");
        millis(&fixture)
    }));
    let twos = join_all(twos.into_iter().map(|(peer, answer)| async {
        soon("an answer", answer).await.unwrap();
        peer.ended().await.unwrap();
        millis(&fixture)
    }));
    let (ones, twos) = tokio::join!(ones, twos);
    check(ones);
    check(twos);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn goaways_of_idle_peers_are_spread() {
    let fixture = fixture();
    let mut peers = Vec::new();
    for _ in 0..8 {
        peers.push(Peer::over(fixture.dial(4096)).await);
    }
    tokio::task::yield_now().await;
    fixture.drain();
    let ended = join_all(peers.into_iter().map(|Peer { send, connection }| {
        let fixture = &fixture;
        async move {
            connection.await.unwrap().unwrap();
            drop(send);
            millis(fixture)
        }
    }));
    check(ended.await);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_puts_an_end_to_the_spread() {
    let fixture = fixture();
    let mut peers = Vec::new();
    for _ in 0..4 {
        let peer = Peer::over(fixture.dial(4096)).await;
        let answer = peer.request("GET", "/draining").await;
        peers.push((peer, answer));
    }
    while fixture.transport.in_flight() < 4 {
        tokio::task::yield_now().await;
    }
    let before = fixture.now();
    fixture.drain();
    fixture.transport.direct(&Directive::Cancel);
    for (peer, answer) in peers {
        soon("an answer", answer).await.unwrap();
        peer.ended().await.unwrap();
    }
    assert_eq!(fixture.now(), before);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_http1_connection_closes_at_once() {
    let fixture = fixture();
    let mut client = fixture.dial(4096);
    client.get("/").await;
    client.until("Hello, World!").await;
    let before = fixture.now();
    fixture.drain();
    assert_eq!(client.rest().await.1, End::Fin);
    assert_eq!(fixture.closed(1).await.tally, tally(1, 1, 0, 0));
    assert_eq!(fixture.now(), before);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_connection_left_behind_hears_when_the_server_says_so() {
    let signal = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&signal);
    let app = Router::new().route(
        "/",
        get(move |signal: ShutdownSignal| async move {
            *kept.lock().unwrap() = Some(signal);
        }),
    );
    let fixture = Fixture::limited(app, Limits::default(), spread());
    let mut gone = fixture.dial(4096);
    gone.get("/").await;
    gone.until("200 OK").await;
    gone.finish().await;
    fixture.closed(1).await;
    let left = signal.lock().unwrap().take().unwrap();
    let before = fixture.now();
    assert!(!left.is_draining());
    fixture.drain();
    soon("draining", left.draining()).await;
    assert_eq!(fixture.now(), before);
    fixture.ends_clean().await;
}
