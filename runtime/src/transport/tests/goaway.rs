//! GOAWAY, byte by byte: two steps, what is served between them, and what is not begun beyond.

use std::io;
use std::time::Duration;

use lamplighter_lifecycle::ConnectionEnd;

use super::fixture::{Fixture, tally};
use super::frames::{ACK, ANY, Frame, Frames, GOAWAY, PING, frame, get};
use super::http2::peer::app;
use crate::os::listener::memory::{Memory, MemoryIo};
use crate::os::listener::{Addr, AnyListener, Listener};
use crate::transport::Newcomers;

/// Reads up to the first GOAWAY and the PING behind it, which it returns.
async fn first_goaway(frames: &mut Frames) -> Frame {
    let goaway = frames.until(GOAWAY).await;
    assert_eq!((goaway.word(0), goaway.word(4)), (ANY, 0), "none named yet");
    let ping = frames.until(PING).await;
    assert_eq!(ping.flags & ACK, 0);
    ping
}

#[tokio::test]
async fn streams_between_the_two_goaways_are_served_and_the_second_names_the_last() {
    let fixture = Fixture::serving(app()).await;
    let mut frames = Frames::over(fixture.connect().await).await;
    frames.send(get(1, "/")).await;
    frames.answered(1).await;
    fixture.drain();
    let ping = first_goaway(&mut frames).await;
    frames.send(get(3, "/")).await;
    frames.answered(3).await;
    frames.send(get(5, "/large")).await;
    frames.send(frame(PING, ACK, 0, &ping.payload)).await;
    let goaway = frames.until(GOAWAY).await;
    assert_eq!((goaway.word(0), goaway.word(4)), (5, 0));
    // Its window is 64 KiB: the rest of the answer waits for more of it.
    let more = (1_u32 << 30).to_be_bytes();
    frames.send(frame(8, 0, 0, &more)).await;
    frames.send(frame(8, 0, 5, &more)).await;
    frames.answered(5).await;
    assert_eq!(frames.rest().await, []);
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::Graceful);
    assert_eq!(closed.tally, tally(3, 3, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test]
async fn every_stop_says_goaway_once_however_often_it_is_repeated() {
    let fixture = Fixture::serving(app()).await;
    let mut frames = Frames::over(fixture.connect().await).await;
    frames.send(get(1, "/draining")).await;
    while fixture.transport.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    fixture.drain();
    let ping = first_goaway(&mut frames).await;
    fixture.drain();
    frames.send(frame(PING, ACK, 0, &ping.payload)).await;
    let rest = frames.rest().await;
    let goaways: Vec<_> = rest.iter().filter(|frame| frame.kind == GOAWAY).collect();
    assert_eq!(goaways.len(), 1, "the second step alone: {rest:?}");
    assert_eq!(fixture.closed(1).await.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}

#[tokio::test]
async fn streams_beyond_the_last_one_are_not_begun_and_counted_as_safe_to_retry() {
    let fixture = Fixture::serving(app()).await;
    let mut frames = Frames::over(fixture.connect().await).await;
    frames.send(get(1, "/draining")).await;
    while fixture.transport.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    frames.send(get(3, "/never")).await;
    while fixture.transport.in_flight() == 1 {
        tokio::task::yield_now().await;
    }
    fixture.drain();
    let ping = first_goaway(&mut frames).await;
    // As h2's own client has it: the answer to PING overtakes streams that were asked for before.
    let agreed = frame(PING, ACK, 0, &ping.payload);
    frames
        .send([agreed, get(5, "/"), get(7, "/")].concat())
        .await;
    assert_eq!(frames.until(GOAWAY).await.word(0), 3);
    frames.send(get(9, "/")).await;
    // Whoever is answered had been read behind it.
    frames.send(frame(PING, 0, 0, b"are you?")).await;
    assert_eq!(frames.until(PING).await.payload, b"are you?");
    fixture.force();
    frames.rest().await;
    let closed = fixture.closed(1).await;
    let mut counts = tally(2, 1, 1, 0);
    counts.refused_retryable = 3;
    assert_eq!(closed.tally, counts);
    fixture.ends_clean().await;
}

/// A listener that takes half a second to let nobody begin any more.
struct Settling(Memory);

const SETTLES: Duration = Duration::from_millis(500);

impl Listener for Settling {
    type Io = MemoryIo;

    async fn accept(&mut self) -> io::Result<(MemoryIo, Addr)> {
        self.0.accept().await
    }

    fn local_addr(&self) -> io::Result<Addr> {
        self.0.local_addr()
    }

    fn refuse_new(&mut self) -> io::Result<Duration> {
        Ok(SETTLES)
    }
}

/// A client that would come back finds the door shut.
#[tokio::test(start_paused = true)]
async fn a_drain_says_goaway_when_the_last_listener_has_closed() {
    let fixture = Fixture::in_memory(app());
    let (_dialler, memory) = Memory::new();
    fixture.accept(AnyListener::new(Settling(memory)), Newcomers::Refuse);
    let mut frames = Frames::over(fixture.dial(4096)).await;
    frames.send(get(1, "/")).await;
    frames.answered(1).await;
    let begun = fixture.now();
    fixture.drain();
    let ping = first_goaway(&mut frames).await;
    assert!(fixture.now().since(begun) >= SETTLES);
    frames.send(frame(PING, ACK, 0, &ping.payload)).await;
    frames.rest().await;
    assert_eq!(fixture.closed(1).await.end, ConnectionEnd::Graceful);
    fixture.ends_clean().await;
}

/// The streams that are cut come behind it.
#[tokio::test(start_paused = true)]
async fn a_force_close_waits_for_no_listener_to_say_goaway() {
    let fixture = Fixture::in_memory(app());
    let (_dialler, memory) = Memory::new();
    fixture.accept(AnyListener::new(Settling(memory)), Newcomers::Refuse);
    let mut frames = Frames::over(fixture.dial(4096)).await;
    frames.send(get(1, "/never")).await;
    while fixture.transport.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    let begun = fixture.now();
    fixture.drain();
    fixture.force();
    first_goaway(&mut frames).await;
    assert!(fixture.now().since(begun) < SETTLES);
    assert_eq!(fixture.closed(1).await.end, ConnectionEnd::Cut);
    fixture.ends_clean().await;
}

#[tokio::test]
async fn a_peer_that_leaves_with_an_error_is_answered_first_and_the_answer_counts() {
    let fixture = Fixture::serving(app()).await;
    let mut frames = Frames::over(fixture.connect().await).await;
    frames.send(get(1, "/draining")).await;
    while fixture.transport.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    let enhance_your_calm = [0, 0, 0, 0, 0, 0, 0, 11];
    frames.send(frame(GOAWAY, 0, 0, &enhance_your_calm)).await;
    // Whoever is answered had been read behind it.
    frames.send(frame(PING, 0, 0, b"are you?")).await;
    assert_eq!(frames.until(PING).await.payload, b"are you?");
    fixture.drain();
    frames.answered(1).await;
    frames.rest().await;
    let closed = fixture.closed(1).await;
    assert_eq!(closed.end, ConnectionEnd::Graceful);
    assert_eq!(closed.tally, tally(1, 1, 0, 0));
    fixture.ends_clean().await;
}
