//! HTTP/2 at force: what its streams hear, and how long that may take.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{Request, Response};
use h2::Reason;
use lamplighter_lifecycle::{Cause, ConnectionEnd, Directive};
use tower_service::Service;

use super::peer::{PREFACE, Peer, SETTINGS, app, text};
use crate::transport::Transport;
use crate::transport::service::Incoming;
use crate::transport::tests::client::End;
use crate::transport::tests::fixture::{Fixture, soon, tally};
use crate::transport::tests::frames::{CANCEL, Frames, RST_STREAM, get};
use crate::transport::tests::listeners::settle;

#[tokio::test(start_paused = true)]
async fn at_force_streams_are_cancelled_one_by_one() {
    let fixture = Fixture::in_memory(app());
    let peer = Peer::over(fixture.dial(4096)).await;
    assert_eq!(peer.get("/").await.1, "Hello, World!");
    let never = peer.request("GET", "/never").await;
    let ticks = peer.request("GET", "/ticks").await;
    let mut ticks = soon("a head", ticks).await.unwrap().into_body();
    assert_eq!(soon("a tick", ticks.data()).await.unwrap().unwrap(), "tick");
    fixture.drain();
    tokio::task::yield_now().await;
    let before = fixture.now();
    fixture.force();
    let error = soon("a reset", never).await.unwrap_err();
    assert_eq!(
        (error.is_reset(), error.reason()),
        (true, Some(Reason::CANCEL))
    );
    let error = soon("a reset", ticks.data()).await.unwrap().unwrap_err();
    assert_eq!(
        (error.is_reset(), error.reason()),
        (true, Some(Reason::CANCEL))
    );
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::Cut);
    assert_eq!(closed.tally, tally(3, 1, 2, 0));
    assert_eq!(fixture.now(), before);
    assert_eq!(fixture.forced(1).unwrap().2.len(), 2);
    fixture.ends_clean().await;
}

/// Never answers, and has the server forced where its call is let go of.
#[derive(Clone, Default)]
struct Forces(Arc<Mutex<Option<Transport>>>);

impl Service<Request<Incoming>> for Forces {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Self;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Incoming>) -> Self {
        self.clone()
    }
}

impl Future for Forces {
    type Output = Result<Response<String>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

impl Drop for Forces {
    fn drop(&mut self) {
        if let Some(transport) = self.0.lock().unwrap().take() {
            transport.direct(&Directive::Force);
        }
    }
}

/// The connection cuts at its deadline by itself where the server is late, and hears of the force in the
/// very moment that its stream has ended and nothing of that is written.
#[tokio::test(start_paused = true)]
async fn a_cut_stream_is_reset_also_where_its_server_is_late_with_the_force() {
    let forces = Forces::default();
    let fixture = Fixture::in_memory(forces.clone());
    let mut frames = Frames::over(fixture.dial(4096)).await;
    frames.send(get(1, "/")).await;
    settle().await;
    assert_eq!(fixture.transport.in_flight(), 1);
    *forces.0.lock().unwrap() = Some(fixture.transport.clone());
    fixture.transport.direct(&Directive::Drain {
        cause: Cause::Drain,
        deadline: Some(fixture.now() + Duration::from_secs(1)),
    });
    let rest = frames.rest().await;
    let resets = rest.iter().filter(|frame| frame.kind == RST_STREAM);
    let resets: Vec<_> = resets.map(|frame| (frame.stream, frame.word(0))).collect();
    assert_eq!(resets, [(1, CANCEL)]);
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::Cut);
    assert_eq!(closed.tally, tally(1, 0, 1, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn resets_that_the_peer_does_not_take_are_given_up_after_50_ms() {
    let fixture = Fixture::in_memory(app());
    // Takes so little that the answers fill it.
    let mut client = fixture.dial(64);
    let mut says = [PREFACE, SETTINGS].concat();
    // GET / of http://test, indexed as far as it goes, on streams 1 to 15.
    for stream in [1, 3, 5, 7, 9, 11, 13, 15] {
        says.extend_from_slice(&[0, 0, 8, 1, 5, 0, 0, 0, stream]);
        says.extend_from_slice(b"\x82\x84\x86\x41\x03foo");
    }
    // Its own side is taken all the same.
    for part in says.chunks(32) {
        client.send(part).await;
        tokio::task::yield_now().await;
    }
    fixture.drain();
    tokio::task::yield_now().await;
    assert!(fixture.transport.in_flight() > 0);
    let before = fixture.now().as_nanos() / 1_000_000;
    fixture.force();
    let closed = fixture.closed(1).await;
    let after = fixture.now().as_nanos() / 1_000_000;
    assert!((50..=52).contains(&(after - before)), "{}", after - before);
    assert_eq!(closed.end, ConnectionEnd::Cut);
    assert!(closed.tally.cut > 0);
    assert_eq!(client.rest().await.1, End::Reset);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn bytes_that_wait_for_the_peers_window_are_cut_by_force() {
    let fixture = Fixture::in_memory(app());
    let peer = Peer::over(fixture.dial(64 * 1024)).await;
    let answer = peer.request("GET", "/large").await;
    let body = soon("a head", answer).await.unwrap().into_body();
    fixture.drain();
    tokio::task::yield_now().await;
    fixture.force();
    // Nobody reads: what is queued cannot leave, and cannot be reset behind hyper's back either.
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::Cut);
    assert_eq!(closed.tally, tally(1, 0, 1, 0));
    text(body).await.unwrap_err();
    assert_eq!(&*closed.cut[0].method, "GET");
    fixture.ends_clean().await;
}
