//! Answers that the kernel has, and has not sent: a drain waits for them. Linux tells of that.
#![cfg(target_os = "linux")]

use lamplighter::ConnectionEnd::{Cut, Graceful, Idle, TimedOut};
use lamplighter_harness::{Manners, Probe, Seen, within};

use crate::app::{BOOK, PIECE};
use crate::over::Requests;
use crate::readers::{ALL, NARROW};
use crate::stage::{Setting, Stage, plan};
use crate::{CANCEL, millis, secs};

#[tokio::test(start_paused = true)]
async fn the_kernel_takes_no_answer_off_the_drain_that_its_reader_has_not_fetched() {
    // It would have room for twelve such answers.
    let mut stage = Stage::running().await;
    let mut probe = Probe::connect_narrow(stage.addr, NARROW).await.unwrap();
    probe.request("/book").await.unwrap();
    stage.in_flight(1).await;
    stage.has_read().await;
    stage.drains().await;
    stage.passes(secs(600)).await;
    assert_eq!(stage.handle.in_flight(), 1);
    assert_eq!(probe.answer().await.body.len(), BOOK);
    assert_eq!(probe.end().await, Seen::Fin);
    let over = stage.over().await.ended([Idle]).answered(1);
    over.drained_in(secs(600));

    let mut stage = Stage::running().await;
    let mut probe = stage.http2(Manners::Polite).await;
    let stream = probe.open_stream("/book").await.unwrap();
    probe.widen(stream, ALL).await.unwrap();
    stage.in_flight(1).await;
    stage.has_read().await;
    stage.drains().await;
    stage.passes(secs(600)).await;
    assert_eq!(stage.handle.in_flight(), 1);
    let known = probe.streamed(stream).await;
    assert_eq!((known.body.len(), known.ended), (BOOK, true));
    assert_eq!(probe.end().await, Seen::Fin);
    let over = stage.over().await.ended([Graceful]).answered(1);
    over.drained_in(secs(600));
}

/// So much the server's kernel takes at once, as a frame of HTTP/2 too.
pub(crate) const LEAF: usize = 12 * 1024;

/// Waits at the gate for an answer of which its kernel has room for a part and the server's for all.
pub(crate) async fn waits_for(stage: &Stage, http2: bool, bytes: usize) -> Probe {
    let mut probe = Probe::connect_narrow(stage.addr, NARROW / 2).await.unwrap();
    let path = format!("/held/{bytes}");
    if http2 {
        probe.http2(Manners::Polite).await.unwrap();
        probe.open_stream(&path).await.unwrap();
    } else {
        probe.request(&path).await.unwrap();
    }
    within("the request", stage.gate.reached(1)).await;
    probe
}

async fn body(probe: &mut Probe, http2: bool) -> usize {
    if http2 {
        let known = probe.streamed(1).await;
        assert!(known.ended, "{known:?}");
        known.body.len()
    } else {
        probe.answer().await.body.len()
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_http_1_0_that_the_kernel_has_arrives_and_ends_in_order() {
    let mut stage = Stage::running().await;
    let mut probe = Probe::connect_narrow(stage.addr, NARROW / 2).await.unwrap();
    let request = format!("GET /late/{} HTTP/1.0\r\n\r\n", LEAF / PIECE);
    probe.send(request).await.unwrap();
    // Should it break off now, the end is a reset.
    probe.text("tick").await;
    stage.gate.open();
    stage.in_flight(0).await;
    // All that the server waits for its client to fetch it.
    stage.passes(secs(2)).await;
    assert_eq!(probe.answer().await.body.len(), "tick".len() + LEAF);
    assert_eq!(probe.end().await, Seen::Fin);
    stage.drains().await;
    stage.over().await.ended([Graceful]).answered(1);
}

#[tokio::test(start_paused = true)]
async fn in_a_drain_an_answer_is_in_flight_until_the_kernel_has_sent_it() {
    for http2 in [false, true] {
        let mut stage = Stage::running().await;
        let mut probe = waits_for(&stage, http2, LEAF).await;
        stage.drains().await;
        stage.gate.open();
        stage.passes(secs(600)).await;
        assert_eq!(stage.handle.in_flight(), 1);
        assert_eq!(body(&mut probe, http2).await, LEAF);
        assert_eq!(probe.end().await, Seen::Fin);
        let over = stage.over().await.ended([Graceful]).answered(1);
        over.drained_in(secs(600));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_kernel_has_is_not_cut_at_the_deadline() {
    for http2 in [false, true] {
        let plan = plan().drain_timeout(secs(7));
        let mut stage = Setting::new(plan).running().await;
        let mut probe = waits_for(&stage, http2, LEAF).await;
        stage.drains().await;
        stage.gate.open();
        stage.passes(millis(7002)).await;
        assert_eq!(stage.handle.in_flight(), 0);
        assert_eq!(body(&mut probe, http2).await, LEAF);
        assert_eq!(probe.end().await, Seen::Fin);
        let over = stage.over().await.ended([Graceful]).answered(1);
        over.drained_in(secs(7));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_server_says_last_takes_no_answer_off_the_drain_that_is_not_sent() {
    /// What h2 puts into the PING of a graceful close.
    const PING: [u8; 8] = [0x0b, 0x7b, 0xa2, 0xf0, 0x8b, 0x9b, 0xfe, 0x54];
    let mut stage = Stage::running().await;
    let mut probe = waits_for(&stage, true, 16 * 1024).await;
    stage.drains().await;
    stage.gate.open();
    stage.passes(millis(1)).await;
    // Unread, and answered blindly: GOAWAY is due, and does not fit in behind the answer.
    probe.send_frame(6, 1, 0, &PING).await.unwrap();
    stage.passes(secs(600)).await;
    assert_eq!(stage.handle.in_flight(), 1);
    assert_eq!(body(&mut probe, true).await, 16 * 1024);
    assert_eq!(probe.end().await, Seen::Fin);
    let over = stage.over().await.ended([Graceful]).answered(1);
    over.drained_in(secs(600));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_made_when_it_is_sent_whatever_was_written_behind_it() {
    let mut stage = Stage::running().await;
    let mut probe = waits_for(&stage, true, LEAF).await;
    stage.drains().await;
    stage.gate.open();
    stage.passes(millis(1)).await;
    // Asks for more than its kernel and the server's have room for, and reads its answer alone.
    for _ in 0..4000 {
        probe.ping(*b"and now?").await.unwrap();
    }
    stage.passes(secs(600)).await;
    assert_eq!(stage.handle.in_flight(), 1);
    let is_leaf = |seen: &Seen| matches!(seen, Seen::Data { data, .. } if data.len() == LEAF);
    probe.until("the leaf", is_leaf).await;
    stage.passes(millis(1100)).await;
    let over = stage.over().await.ended([TimedOut]).answered(1);
    // It has not said that it knows of the end.
    over.drained_in(millis(601_001));
}

#[tokio::test(start_paused = true)]
async fn what_is_cut_beside_an_answer_that_the_kernel_has_is_still_told_so() {
    let mut stage = Stage::running().await;
    let mut probe = waits_for(&stage, true, LEAF).await;
    stage.drains().await;
    stage.gate.release();
    // Time passes when nobody has anything to do any more.
    stage.passes(millis(1)).await;
    // Its PONG has not come, so it may still ask.
    let held = probe.open_stream("/held").await.unwrap();
    within("the other request", stage.gate.reached(2)).await;
    assert_eq!(stage.handle.in_flight(), 2);
    drop(stage.handle.force());
    stage.passes(millis(300)).await;
    assert_eq!(stage.handle.in_flight(), 0);
    assert_eq!(body(&mut probe, true).await, LEAF);
    assert_eq!(probe.streamed(held).await.reset, Some(CANCEL));
    assert_eq!(probe.end().await, Seen::Fin);
    let over = stage.over().await.ended([Cut]);
    over.named(&["http/2 GET"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_kernel_has_arrives_beside_one_that_is_cut() {
    let mut stage = Stage::running().await;
    let mut probe = waits_for(&stage, true, LEAF).await;
    stage.drains().await;
    stage.gate.release();
    stage.passes(millis(1)).await;
    let cut = probe.open_stream("/held/40960").await.unwrap();
    within("the other request", stage.gate.reached(2)).await;
    stage.gate.open();
    stage.passes(secs(600)).await;
    assert_eq!(stage.handle.in_flight(), 2);
    drop(stage.handle.force());
    stage.passes(millis(300)).await;
    let known = probe.streamed(1).await;
    assert_eq!((known.body.len(), known.ended), (LEAF, true));
    assert_eq!(probe.end().await, Seen::Fin);
    // It cannot be taken for complete.
    assert!(!probe.stream(cut).ended);
    let over = stage.over().await.ended([Cut]).requests(Requests {
        answered: 1,
        cut: 1,
        ..Requests::default()
    });
    over.drained_in(secs(600));
}
