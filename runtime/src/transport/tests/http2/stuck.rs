//! Answers that are with the kernel while others of their connection are stuck.

use std::future::pending;

use lamplighter_lifecycle::{Budget, ConnectionEnd};

use super::peer::{PREFACE, SETTINGS, app};
use crate::transport::Limits;
use crate::transport::tests::fixture::{Fixture, beside, tally};
use crate::transport::tests::frames::{CANCEL, Frame, Frames, RST_STREAM, frame, get};
use crate::transport::tests::listeners::settle;

#[tokio::test(start_paused = true)]
async fn an_answer_whose_last_frame_is_out_is_not_in_flight_though_another_is_stuck_behind_it() {
    let fixture = Fixture::in_memory(app());
    let mut frames = Frames::over(fixture.dial(4096)).await;
    frames
        .send([get(1, "/large"), get(3, "/empty")].concat())
        .await;
    frames.answered(3).await;
    settle().await;
    assert_eq!(fixture.transport.in_flight(), 1);
    drop(frames);
    let closed = fixture.closed(1).await;
    assert_eq!(closed.tally, tally(2, 1, 0, 1));
    fixture.ends_clean().await;
}

/// Three answers that end in three ways.
fn requests() -> Vec<u8> {
    let requests = [get(1, "/trailers"), get(3, "/"), get(5, "/empty")];
    [PREFACE, SETTINGS, &requests.concat()].concat()
}

/// Its answers have no date: they are as long in one second as in the next.
fn undated() -> Fixture {
    let limits = Limits::default().date_header(false);
    Fixture::limited(app(), limits, Budget::default())
}

/// Behind how many bytes of the server's each of them ends.
async fn ends() -> Vec<usize> {
    let fixture = undated();
    let mut frames = Frames::bare(fixture.dial(4096));
    frames.send(requests()).await;
    let (mut ends, mut at) = (Vec::new(), 0);
    while ends.len() < 3 {
        let frame: Frame = frames.next().await.unwrap();
        at += 9 + frame.payload.len();
        if frame.ends_stream() {
            ends.push(at);
        }
    }
    drop(frames);
    fixture.ends_clean().await;
    ends
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_with_its_last_byte_however_much_its_peer_takes() {
    let ends = ends().await;
    let all = ends[2];
    for taken in 1..=all + 1 {
        let fixture = undated();
        let mut frames = Frames::bare(fixture.dial(taken));
        let client = beside(async move {
            frames.send(requests()).await;
            pending::<()>().await;
        });
        settle().await;
        let answered = ends.iter().filter(|end| **end <= taken).count() as u64;
        let in_flight = fixture.transport.in_flight() as u64;
        client.abort();
        let closed = fixture.closed(1).await;
        let begun = closed.tally.begun;
        assert_eq!(in_flight, begun - answered, "{taken} bytes of {all}");
        let expected = tally(begun, answered, 0, begun - answered);
        assert_eq!(closed.tally, expected, "{taken} bytes of {all}");
        let end = closed.end;
        assert_ne!(end, ConnectionEnd::Cut, "{taken} bytes of {all}");
        fixture.ends_clean().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_stream_that_its_client_has_reset_was_never_given() {
    for path in ["/empty", "/", "/trailers"] {
        let fixture = Fixture::in_memory(app());
        let mut frames = Frames::over(fixture.dial(4096)).await;
        // Both are read before the answer is made.
        let reset = frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
        frames
            .send([get(1, path), reset, get(3, "/empty")].concat())
            .await;
        frames.answered(3).await;
        settle().await;
        assert_eq!(fixture.transport.in_flight(), 0, "{path}");
        drop(frames);
        let closed = fixture.closed(1).await;
        assert_eq!(closed.tally, tally(2, 1, 0, 1), "{path}");
        fixture.ends_clean().await;
    }
}
