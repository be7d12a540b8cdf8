//! Requests that our kernel has and our process has not seen when the stop begins.
//!
//! Nothing is awaited between the client's last byte and the stop, and the client's socket blocks:
//! so the runtime has had no turn in which to see the request.

use std::io::Write;
use std::net::TcpStream;

use lamplighter::ConnectionEnd::Graceful;
use lamplighter_harness::{Manners, Probe, Seen};

use crate::stage::{LAME_DUCK, Stage};
use crate::{answer, goes_away_after};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: probe\r\n\r\n";

/// A connection that the server has not accepted, with a request on it.
fn in_the_queue(stage: &Stage) -> TcpStream {
    let mut stream = TcpStream::connect(stage.addr).unwrap();
    stream.write_all(REQUEST).unwrap();
    stream
}

#[tokio::test(start_paused = true)]
async fn a_request_on_a_connection_in_the_queue_is_answered() {
    let stage = Stage::running().await;
    let queued: Vec<TcpStream> = (0..10).map(|_| in_the_queue(&stage)).collect();
    drop(stage.stop());
    for stream in queued {
        let mut probe = Probe::of(stream).unwrap();
        assert_eq!(probe.rest().await, (answer("hello"), Seen::Fin));
    }
    let over = stage.over().await.ended([Graceful; 10]).answered(10);
    over.at_once();
}

#[tokio::test(start_paused = true)]
async fn a_request_in_the_kernel_of_a_fresh_connection_is_answered() {
    let stage = Stage::running().await;
    let mut fresh = TcpStream::connect(stage.addr).unwrap();
    stage.has_read().await;
    fresh.write_all(REQUEST).unwrap();
    drop(stage.stop());
    let mut probe = Probe::of(fresh).unwrap();
    assert_eq!(probe.rest().await, (answer("hello"), Seen::Fin));
    stage.over().await.ended([Graceful]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_request_in_the_kernel_of_a_kept_alive_connection_is_answered() {
    let stage = Stage::running().await;
    let idle = stage.idle().await;
    let mut stream = idle.into_blocking().unwrap();
    stream.write_all(REQUEST).unwrap();
    drop(stage.stop());
    let mut probe = Probe::of(stream).unwrap();
    assert_eq!(probe.rest().await, (answer("hello"), Seen::Fin));
    stage.over().await.ended([Graceful]).answered(2).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_stream_in_the_kernel_is_answered_and_named_by_the_last_goaway() {
    let stage = Stage::running().await;
    let mut probe = stage.http2(Manners::Polite).await;
    // A socket that has room takes it at once: the runtime has no turn here either.
    let stream = probe.open_stream("/").await.unwrap();
    drop(stage.stop());
    assert_eq!(probe.streamed(stream).await.body, "hello");
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(probe.goaways(), goes_away_after(stream));
    stage.over().await.ended([Graceful]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_whole_http2_connection_in_the_queue_is_answered() {
    let stage = Stage::running().await;
    let stream = TcpStream::connect(stage.addr).unwrap();
    let mut probe = Probe::of(stream).unwrap();
    probe.http2(Manners::Polite).await.unwrap();
    let stream = probe.open_stream("/").await.unwrap();
    drop(stage.stop());
    assert_eq!(probe.streamed(stream).await.body, "hello");
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(probe.goaways(), goes_away_after(stream));
    stage.over().await.ended([Graceful]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn requests_in_the_kernel_when_the_lame_duck_ends_are_answered() {
    let mut stage = Stage::with_lame_duck().await;
    let idle = stage.idle().await.into_blocking().unwrap();
    let fresh = TcpStream::connect(stage.addr).unwrap();
    stage.has_read().await;
    stage.enters_lame_duck().await;
    let mut streams = [idle, fresh, TcpStream::connect(stage.addr).unwrap()];
    for stream in &mut streams {
        stream.write_all(REQUEST).unwrap();
    }
    // The clock goes on in the very turn in which the runtime could see them.
    stage.passes(LAME_DUCK).await;
    for stream in streams {
        let mut probe = Probe::of(stream).unwrap();
        assert_eq!(probe.rest().await, (answer("hello"), Seen::Fin));
    }
    let over = stage.over().await.ended([Graceful; 3]).answered(4);
    over.at_once();
}

#[tokio::test(start_paused = true)]
async fn before_ready_a_request_in_the_queue_gets_503() {
    let stage = Stage::starting().await;
    let queued = in_the_queue(&stage);
    drop(stage.stop());
    let mut probe = Probe::of(queued).unwrap();
    let answer = probe.answer().await;
    assert_eq!((answer.status(), answer.head.closes()), (503, true));
    assert_eq!(probe.end().await, Seen::Fin);
    stage.over().await.ended([Graceful]).answered(1).at_once();
}
