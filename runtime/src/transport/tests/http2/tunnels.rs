//! Streams that the application took over by a CONNECT.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use h2::{Reason, RecvStream};
use hyper_util::rt::TokioIo;
use lamplighter_lifecycle::ConnectionEnd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::advance;

use super::peer::{Peer, text};
use crate::transport::tests::fixture::{Fixture, beside, soon, tally};
use crate::transport::tests::frames::{
    DATA, Frames, HEADERS, PING, RST_STREAM, connect, extended_connect, frame,
};

/// Answers what it is sent until the peer ends, or for as long as the server lets it.
fn tunnels() -> Router {
    Router::new().fallback(|request: axum::extract::Request| async move {
        let upgrading = hyper::upgrade::on(request);
        beside(async move {
            let mut io = TokioIo::new(upgrading.await.unwrap());
            let mut bytes = [0; 64];
            while let Ok(read @ 1..) = io.read(&mut bytes).await {
                io.write_all(&bytes[..read]).await.unwrap();
            }
        });
    })
}

/// The two ends of a tunnel that has carried a word.
async fn tunnel(peer: &Peer) -> (h2::SendStream<Bytes>, RecvStream) {
    let request = http::Request::connect("test:443").body(()).unwrap();
    let mut ready = peer.send.clone().ready().await.unwrap();
    let (answer, mut send) = ready.send_request(request, false).unwrap();
    let answer = soon("an answer", answer).await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut receive = answer.into_body();
    send.send_data(Bytes::from_static(b"word"), false).unwrap();
    let word = soon("a word", receive.data()).await.unwrap().unwrap();
    assert_eq!(&*word, b"word");
    (send, receive)
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_is_in_flight_until_it_ends_and_a_drain_waits_for_it() {
    let fixture = Fixture::in_memory(tunnels());
    let peer = Peer::over(fixture.dial(64 * 1024)).await;
    let (mut send, receive) = tunnel(&peer).await;
    assert_eq!(fixture.transport.in_flight(), 1);
    fixture.drain();
    advance(Duration::from_secs(20)).await;
    send.send_data(Bytes::from_static(b"more"), true).unwrap();
    assert_eq!(soon("its end", text(receive)).await.unwrap(), "more");
    drop(send);
    peer.ended().await.unwrap();
    let closed = fixture.closed(1).await;
    assert_eq!(closed.tally, tally(1, 1, 0, 0));
    assert_eq!(closed.end, ConnectionEnd::Graceful);
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_outlives_the_drain_is_cut_with_its_connection_and_named() {
    let fixture = Fixture::in_memory(tunnels());
    let peer = Peer::over(fixture.dial(64 * 1024)).await;
    let (_send, mut receive) = tunnel(&peer).await;
    fixture.drain();
    fixture.force();
    let error = soon("its end", receive.data()).await.unwrap().unwrap_err();
    assert_eq!(
        (error.is_reset(), error.reason()),
        (true, Some(Reason::CANCEL))
    );
    let closed = fixture.closed(1).await;
    assert_eq!(closed.tally, tally(1, 0, 1, 0));
    assert_eq!(&*closed.cut[0].method, "CONNECT");
    drop(receive);
    drop(peer);
    fixture.ends_clean().await;
}

#[tokio::test]
async fn tunnels_that_are_cut_are_reset_with_cancel_and_nothing_else_is() {
    let fixture = Fixture::serving(tunnels()).await;
    let mut frames = Frames::over(fixture.connect().await).await;
    frames.send(connect(1)).await;
    frames.until(HEADERS).await;
    frames.send(extended_connect(3, "/chat")).await;
    frames.until(HEADERS).await;
    for stream in [1, 3] {
        frames.send(frame(DATA, 0, stream, b"word")).await;
        let echo = frames.until(DATA).await;
        assert_eq!((echo.stream, &*echo.payload), (stream, &b"word"[..]));
    }
    // One that has ended by itself.
    frames.send(connect(5)).await;
    frames.until(HEADERS).await;
    frames.send(frame(DATA, 1, 5, b"")).await;
    frames.answered(5).await;
    fixture.drain();
    frames.until(PING).await;
    fixture.force();
    let rest = frames.rest().await;
    let resets: Vec<_> = rest
        .iter()
        .filter(|frame| frame.kind == RST_STREAM)
        .map(|frame| (frame.stream, frame.word(0)))
        .collect();
    assert_eq!(resets, [(1, 8), (3, 8)], "{rest:?}");
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::Cut);
    assert_eq!(closed.tally, tally(3, 1, 2, 0));
    fixture.ends_clean().await;
}
