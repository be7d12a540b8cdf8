//! Answers that are there before the request: the client that still sends gets to know them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{Request, Response, StatusCode};
use axum::routing::{get, post};
use lamplighter_lifecycle::ConnectionEnd;
use tokio::runtime::Handle;
use tokio::time::advance;
use tower_service::Service;

use crate::transport::service::Incoming;
use crate::transport::tests::fixture::{Fixture, failing, tally};
use crate::transport::tests::frames::{
    ACK, DATA, END_STREAM, Frame, Frames, GOAWAY, PING, RST_STREAM, frame, get as asks,
    post as posts, trailers,
};
use crate::transport::tests::listeners::settle;

const SECOND: Duration = Duration::from_secs(1);

const NONE: [u32; 0] = [];

/// Refuses what is posted, with a text and without one, or takes it.
fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route(
            "/refused",
            post(|| async { (StatusCode::BAD_REQUEST, "no, thank you") }),
        )
        .route("/panics", post(panics))
        .route("/taken", post(|body: Bytes| async move { body }))
}

async fn panics() {
    std::panic::resume_unwind(Box::new("a secret"));
}

fn data(stream: u32, content: &[u8]) -> Vec<u8> {
    frame(DATA, 0, stream, content)
}

fn last(stream: u32, content: &[u8]) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, content)
}

/// Everything that comes until the answer to a PING, which is nothing of a stream.
async fn until_pong(frames: &mut Frames) -> Vec<Frame> {
    frames.send(frame(PING, 0, 0, b"anything")).await;
    let mut seen = Vec::new();
    loop {
        let frame = frames.next().await.expect("the end before a PING's answer");
        if frame.kind == PING {
            return seen;
        }
        seen.push(frame);
    }
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

fn resets(seen: &[Frame]) -> Vec<u32> {
    let resets = seen.iter().filter(|frame| frame.kind == RST_STREAM);
    resets
        .inspect(|frame| assert_eq!(frame.word(0), 0, "NO_ERROR"))
        .map(|frame| frame.stream)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_behind_its_answer_is_thrown_away_and_nothing_is_reset() {
    let fixture = Fixture::in_memory(app());
    let mut frames = Frames::over(fixture.dial(64 * 1024)).await;
    for (number, path) in ["/nowhere", "/", "/refused", "/panics"].iter().enumerate() {
        let stream = u32::try_from(number).unwrap() * 2 + 1;
        frames.send(posts(stream, path)).await;
        frames.answered(stream).await;
        settle().await;
        assert_eq!(fixture.transport.in_flight(), 0, "{path}");
        frames.send(data(stream, b"light ")).await;
        assert_eq!(resets(&until_pong(&mut frames).await), NONE, "{path}");
        // Its last frame ends it with its last byte.
        let end = last(stream, b"the lamps");
        let (begins, ends) = end.split_at(12);
        frames.send(begins).await;
        settle().await;
        frames.send(ends).await;
        advance(2 * SECOND).await;
        assert_eq!(resets(&until_pong(&mut frames).await), NONE, "{path}");
    }
    fixture.drain();
    drop(frames);
    assert_eq!(fixture.closed(1).await.tally, failing(1, tally(4, 4, 0, 0)));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_on_sending_is_asked_to_stop_after_a_second() {
    for path in ["/nowhere", "/refused"] {
        let fixture = Fixture::in_memory(app());
        let mut frames = Frames::over(fixture.dial(64 * 1024)).await;
        frames.send(posts(1, path)).await;
        frames.answered(1).await;
        settle().await;
        let begun = fixture.now();
        let reset = frames.until(RST_STREAM).await;
        assert_eq!(resets(&[reset]), [1], "{path}");
        let stayed = fixture.now().since(begun);
        assert!(
            (SECOND..SECOND * 1002 / 1000).contains(&stayed),
            "{stayed:?}"
        );
        // What has had its time is no reason to stay for what comes next.
        frames.send(posts(3, "/taken")).await;
        frames.send(last(3, b"the lamps")).await;
        frames.answered(3).await;
        drop(frames);
        assert_eq!(fixture.closed(1).await.tally, tally(2, 2, 0, 0), "{path}");
        fixture.ends_clean().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_crosses_the_wish_to_stop_ends_no_connection() {
    let fixture = Fixture::in_memory(app());
    let mut frames = Frames::over(fixture.dial(64 * 1024)).await;
    // More than may stay, and than h2 remembers of those that it has reset (50).
    let streams = || (0..90).map(|number| number * 2 + 1);
    for stream in streams() {
        frames.send(posts(stream, "/nowhere")).await;
    }
    settle().await;
    advance(2 * SECOND).await;
    for stream in streams() {
        // The first that was reset ends with trailers, the others with their data.
        let end = match stream {
            65 => trailers(stream),
            _ => last(stream, b"the lamps"),
        };
        frames.send([data(stream, b"light "), end].concat()).await;
    }
    let seen = until_pong(&mut frames).await;
    assert!(seen.iter().all(|frame| frame.kind != GOAWAY), "{seen:?}");
    frames.send(asks(181, "/")).await;
    frames.answered(181).await;
    drop(frames);
    assert_eq!(fixture.closed(1).await.tally, tally(91, 91, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn one_upload_that_lasts_keeps_the_streams_of_the_others_once() {
    let fixture = Fixture::in_memory(app());
    let mut frames = Frames::over(fixture.dial(64 * 1024)).await;
    frames.send(posts(1, "/taken")).await;
    for stream in [3, 5] {
        frames.send(posts(stream, "/taken")).await;
        frames.send(last(stream, b"light")).await;
        frames.answered(stream).await;
        settle().await;
        assert_eq!(fixture.transport.in_flight(), 1);
        advance(SECOND * 1001 / 1000).await;
    }
    let stays = |stream| posts(stream, "/nowhere");
    frames.send(stays(7)).await;
    frames.answered(7).await;
    frames.send(last(7, b"")).await;
    settle().await;
    assert_eq!(resets(&until_pong(&mut frames).await), NONE);
    frames.send(last(1, b"the lamps")).await;
    frames.answered(1).await;
    settle().await;
    assert_eq!(fixture.transport.in_flight(), 0);
    drop(frames);
    assert_eq!(fixture.closed(1).await.tally, tally(4, 4, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn no_more_than_32_streams_stay_at_once() {
    let fixture = Fixture::in_memory(app());
    let mut frames = Frames::over(fixture.dial(64 * 1024)).await;
    let mut early = Vec::new();
    for stream in (0..40).map(|number| number * 2 + 1) {
        frames.send(posts(stream, "/nowhere")).await;
        settle().await;
        early.extend(resets(&until_pong(&mut frames).await));
    }
    assert_eq!(early, [65, 67, 69, 71, 73, 75, 77, 79]);
    drop(frames);
    assert_eq!(fixture.closed(1).await.tally, tally(40, 40, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn bodies_that_end_make_room_though_the_next_request_begins_behind_them() {
    let fixture = Fixture::in_memory(app());
    let mut frames = Frames::over(fixture.dial(64 * 1024)).await;
    frames.send(posts(1, "/nowhere")).await;
    for stream in (0..100).map(|number| number * 2 + 1) {
        settle().await;
        assert_eq!(resets(&until_pong(&mut frames).await), NONE, "{stream}");
        let next = posts(stream + 2, "/nowhere");
        frames.send([last(stream, b"lamp"), next].concat()).await;
    }
    frames.answered(201).await;
    drop(frames);
    assert_eq!(fixture.closed(1).await.tally, tally(101, 101, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn small_frames_that_nobody_reads_end_the_stay_and_not_the_connection() {
    let fixture = Fixture::in_memory(app());
    let mut frames = Frames::over(fixture.dial(64 * 1024)).await;
    frames.send(posts(1, "/nowhere")).await;
    frames.answered(1).await;
    let small = data(1, b"x");
    for _ in 0..10 {
        frames.send(small.repeat(100)).await;
        settle().await;
    }
    assert_eq!(resets(&until_pong(&mut frames).await), [1]);
    frames.send(asks(3, "/")).await;
    frames.answered(3).await;
    drop(frames);
    assert_eq!(fixture.closed(1).await.tally, tally(2, 2, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_none_of_it_beyond_the_peers_word() {
    let fixture = Fixture::in_memory(app());
    let mut frames = Frames::over(fixture.dial(64 * 1024)).await;
    frames.send(posts(1, "/refused")).await;
    frames.answered(1).await;
    settle().await;
    let begun = fixture.now();
    fixture.drain();
    frames.until(GOAWAY).await;
    let ping = frames.until(PING).await;
    frames.send(frame(PING, ACK, 0, &ping.payload)).await;
    let rest = frames.rest().await;
    assert_eq!(resets(&rest), [1]);
    assert_eq!(fixture.now(), begun);
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::Graceful);
    assert_eq!(closed.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_cut_and_the_end_of_the_connection_end_it_at_once() {
    for forced in [true, false] {
        let fixture = Fixture::in_memory(app());
        let before = tasks();
        let mut frames = Frames::over(fixture.dial(64 * 1024)).await;
        frames.send(posts(1, "/refused")).await;
        frames.answered(1).await;
        settle().await;
        assert_eq!(tasks(), before + 2, "the connection's and the stream's");
        let begun = fixture.now();
        if forced {
            fixture.drain();
            fixture.force();
        }
        drop(frames);
        assert_eq!(fixture.closed(1).await.tally, tally(1, 1, 0, 0));
        settle().await;
        assert!(tasks() <= before, "{} tasks, forced: {forced}", tasks());
        assert_eq!(fixture.now(), begun);
        fixture.ends_clean().await;
    }
}

/// An application whose calls hold something for as long as they are there, done or not, as those of a
/// layer that limits them do.
#[derive(Clone)]
struct Holding(Arc<()>);

struct HoldingCall {
    path: String,
    _held: Arc<()>,
}

impl Service<Request<Incoming>> for Holding {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = HoldingCall;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> HoldingCall {
        HoldingCall {
            path: request.uri().path().trim_start_matches('/').to_owned(),
            _held: Arc::clone(&self.0),
        }
    }
}

impl Future for HoldingCall {
    type Output = Result<Response<String>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(Response::new(self.path.clone())))
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_application_holds_for_a_call_does_not_stay() {
    let held = Arc::new(());
    let fixture = Fixture::in_memory(Holding(Arc::clone(&held)));
    let mut frames = Frames::over(fixture.dial(64 * 1024)).await;
    let at_rest = Arc::strong_count(&held);
    for (stream, path) in [(1, "/"), (3, "/some-text")] {
        frames.send(posts(stream, path)).await;
        frames.answered(stream).await;
        settle().await;
        assert_eq!(resets(&until_pong(&mut frames).await), NONE, "{path}");
        assert_eq!(Arc::strong_count(&held), at_rest, "{path}");
    }
    drop(frames);
    fixture.closed(1).await;
    fixture.ends_clean().await;
}
