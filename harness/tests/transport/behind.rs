//! Requests that nobody can look at as long as their client takes no bytes: h2 reads nothing over what it has to
//! say by itself. No stop leaves them without a word. Linux tells what its kernel has sent.
#![cfg(target_os = "linux")]

use lamplighter::ConnectionEnd::{Graceful, TimedOut};
use lamplighter_harness::{Manners, Probe, Seen};

use crate::given_up::{ABORTED, BOOK, upload};
use crate::over::Requests;
use crate::stage::{Setting, Stage, plan};
use crate::unsent::waits_for;
use crate::{CANCEL, millis, secs};

/// REFUSED_STREAM of RFC 9113, 7.
const REFUSED_STREAM: u32 = 7;

/// A PING, whose answer does not fit in behind what is stuck: until it does, h2 leaves alone what came behind it.
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0anybody?";

/// The head of a request to `/echo` on the third stream, whose body is to come.
const ECHO: &[u8] = b"\0\0\x0c\x01\x04\0\0\0\x03\x83\x86\x04\x05/echo\x01\x01x";

/// A server with a client that does not take a book.
async fn leaves_a_book() -> (Stage, Probe) {
    let mut stage = Stage::running().await;
    let probe = waits_for(&stage, true, BOOK).await;
    stage.gate.open();
    stage.passes(millis(1)).await;
    (stage, probe)
}

/// The same, and has begun a request behind that and a PING: at once, or h2 leaves it in the kernel.
async fn asks_behind_a_book(at_once: bool) -> (Stage, Probe) {
    let (mut stage, mut probe) = leaves_a_book().await;
    probe.send(PING).await.unwrap();
    if !at_once {
        stage.passes(millis(1)).await;
    }
    probe.send(ECHO).await.unwrap();
    (stage, probe)
}

#[tokio::test(start_paused = true)]
async fn a_request_that_h2_does_not_look_at_before_it_can_write_is_not_taken_for_a_refused_one() {
    let mut stage = Stage::running().await;
    let mut probe = waits_for(&stage, true, BOOK).await;
    // Two books are more than the connection's first window.
    let by = u32::try_from(BOOK).unwrap();
    probe.send_frame(8, 0, 0, &by.to_be_bytes()).await.unwrap();
    stage.gate.open();
    stage.passes(millis(1)).await;
    probe.send([PING, ECHO].concat()).await.unwrap();
    stage.passes(millis(1)).await;
    upload(&mut probe, 3).await;
    stage.passes(millis(1)).await;
    assert_eq!(probe.streamed(1).await.body.len(), BOOK);
    stage.in_flight(1).await;
    stage.drains().await;
    stage.passes(secs(600)).await;
    assert_eq!(stage.handle.in_flight(), 1);
    let known = probe.streamed(3).await;
    assert_eq!((known.body.len(), known.ended), (BOOK, true));
    assert_eq!(probe.end().await, Seen::Fin);
    let over = stage.over().await.ended([Graceful]).answered(2);
    over.drained_in(secs(600));
}

#[tokio::test(start_paused = true)]
async fn who_has_given_up_an_answer_hears_what_becomes_of_a_request_that_h2_could_not_look_at() {
    // It comes with what h2 has read, or stays in the kernel; and the drain is young, or not any more.
    for (at_once, young) in [(true, true), (true, false), (false, true), (false, false)] {
        let (mut stage, mut probe) = asks_behind_a_book(at_once).await;
        probe.send_data(3, b"late", true).await.unwrap();
        probe.reset_stream(1, CANCEL).await.unwrap();
        stage.passes(millis(1)).await;
        stage.drains().await;
        stage
            .passes(if young { millis(900) } else { secs(600) })
            .await;
        assert_eq!(stage.handle.in_flight(), 1);
        let known = probe.streamed(3).await;
        assert_eq!(probe.end().await, Seen::Fin);
        let over = stage.over().await.ended([Graceful]);
        if young {
            assert_eq!((&known.body[..], known.ended), (&b"late"[..], true));
            over.requests(Requests {
                answered: 1,
                ..ABORTED
            });
        } else {
            assert_eq!(known.reset, Some(REFUSED_STREAM), "{known:?}");
            over.requests(Requests {
                refused: 1,
                ..ABORTED
            });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_behind_words_that_its_client_does_not_take_is_refused_to_its_face() {
    for in_the_drain in [false, true] {
        let mut stage = Stage::running().await;
        let mut probe = Probe::connect_narrow(stage.addr, 4096).await.unwrap();
        probe.http2(Manners::Polite).await.unwrap();
        probe.send(PING.repeat(3000)).await.unwrap();
        stage.passes(millis(1)).await;
        let echo = ECHO.to_vec();
        if in_the_drain {
            stage.drains().await;
            stage.passes(millis(300)).await;
        }
        probe.send(echo).await.unwrap();
        probe.send_data(3, b"late", true).await.unwrap();
        if !in_the_drain {
            stage.passes(millis(1)).await;
            stage.drains().await;
        }
        stage.passes(secs(600)).await;
        let known = probe.streamed(3).await;
        assert_eq!(known.reset, Some(REFUSED_STREAM), "{known:?}");
        assert_eq!(probe.end().await, Seen::Fin);
        let over = stage.over().await.ended([Graceful]);
        over.requests(Requests {
            refused: 1,
            ..Requests::default()
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_nobody_could_look_at_before_the_deadline_is_late_and_cuts_nothing() {
    let plan = plan().drain_timeout(secs(7));
    let mut stage = Setting::new(plan).running().await;
    let mut probe = Probe::connect_narrow(stage.addr, 4096).await.unwrap();
    probe.http2(Manners::Polite).await.unwrap();
    probe.send(PING.repeat(3000)).await.unwrap();
    probe.send(ECHO).await.unwrap();
    stage.passes(millis(1)).await;
    stage.drains().await;
    stage.passes(millis(7100)).await;
    let over = stage.over().await.ended([TimedOut]).requests(Requests {
        late: 1,
        ..Requests::default()
    });
    over.drained_in(secs(7));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_request_that_is_given_up_before_h2_could_look_at_it() {
    for at_once in [true, false] {
        let (mut stage, mut probe) = asks_behind_a_book(at_once).await;
        stage.passes(millis(1)).await;
        stage.drains().await;
        for stream in [1, 3] {
            stage.passes(secs(60)).await;
            assert_eq!(stage.handle.in_flight(), 1);
            probe.reset_stream(stream, CANCEL).await.unwrap();
        }
        stage.passes(millis(2200)).await;
        stage.over().await.ended([TimedOut]).requests(ABORTED);
    }
}

/// Two requests without a body: the head of the first is one frame, that of the second two.
const HEADS: [&[u8]; 2] = [
    b"\0\0\x0a\x01\x05\0\0\0\x03\x82\x86\x04\x03/no\x01\x01x",
    b"\0\0\x07\x01\x01\0\0\0\x03\x82\x86\x04\x03/no\0\0\x03\x09\x04\0\0\0\x03\x01\x01x",
];

#[tokio::test(start_paused = true)]
async fn a_request_whose_head_ends_in_what_h2_cannot_read_hears_what_becomes_of_it() {
    for head in HEADS {
        for read in [1, 9, 12, 16, head.len() - 1] {
            let (mut stage, mut probe) = leaves_a_book().await;
            let (before, behind) = head.split_at(read);
            probe.send(before).await.unwrap();
            stage.passes(millis(1)).await;
            stage.drains().await;
            stage.passes(millis(1)).await;
            probe.send(behind).await.unwrap();
            probe.reset_stream(1, CANCEL).await.unwrap();
            stage.passes(secs(600)).await;
            assert_eq!(stage.handle.in_flight(), 1, "{read} of {head:?}");
            let known = probe.streamed(3).await;
            assert_eq!(known.reset, Some(REFUSED_STREAM), "{known:?}");
            assert_eq!(probe.end().await, Seen::Fin);
            let over = stage.over().await.ended([Graceful]);
            over.requests(Requests {
                refused: 1,
                ..ABORTED
            });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_head_that_does_not_end() {
    for head in HEADS {
        // A part of it comes before the drain, and one behind that; with a PING in front, h2 does not look at it.
        for (before, behind) in [(0, 9), (9, 12), (12, 16), (16, 16), (0, head.len() - 1)] {
            for ping in [&[][..], PING] {
                let (mut stage, mut probe) = leaves_a_book().await;
                probe.reset_stream(1, CANCEL).await.unwrap();
                let first = [ping, &head[..before]].concat();
                probe.send(first).await.unwrap();
                stage.passes(millis(1)).await;
                stage.drains().await;
                stage.passes(millis(1)).await;
                probe.send(&head[before..behind]).await.unwrap();
                stage.passes(millis(2200)).await;
                stage.over().await.ended([TimedOut]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_head_that_is_broken_off_by_another_frame() {
    const OTHERS: [&[u8]; 3] = [PING, HEADS[0], b"\0\0\x03\x09\x04\0\0\0\x05\x01\x01x"];
    let head = &HEADS[1][..16];
    for other in OTHERS {
        // h2 reads nothing of it, or the head; or all of it without a look.
        for (before, behind) in [
            ([PING, &[]].concat(), [head, other].concat()),
            (head.to_vec(), other.to_vec()),
            ([PING, head, other].concat(), Vec::new()),
        ] {
            let (mut stage, mut probe) = leaves_a_book().await;
            probe.reset_stream(1, CANCEL).await.unwrap();
            probe.send(before).await.unwrap();
            stage.passes(millis(1)).await;
            stage.drains().await;
            stage.passes(millis(1)).await;
            probe.send(behind).await.unwrap();
            stage.passes(millis(2200)).await;
            stage.over().await.ended([TimedOut]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_head_does_not_end_is_beyond_the_last_one() {
    for head in HEADS {
        for sent in [9, 12, 16] {
            let mut stage = Stage::running().await;
            let mut probe = Probe::connect(stage.addr).await.unwrap();
            probe.http2(Manners::Polite).await.unwrap();
            let stream = probe.open_stream("/").await.unwrap();
            assert!(probe.streamed(stream).await.ended);
            probe.send(&head[..sent]).await.unwrap();
            stage.passes(millis(1)).await;
            stage.drains().await;
            stage.passes(millis(1100)).await;
            stage.over().await.ended([TimedOut]).answered(1);
            assert_eq!(probe.end().await, Seen::Fin);
            let last = probe.goaways().into_iter().map(|(last, _)| last);
            assert_eq!(last.collect::<Vec<_>>(), [0x7fff_ffff, 1]);
        }
    }
}
