//! Answers that their readers do not take.

use lamplighter::ConnectionEnd::{Cut, Graceful, Idle};
use lamplighter::Phase;
use lamplighter_harness::{Manners, Probe, Seen, within};

use crate::app::{LARGE, PAGE};
use crate::stage::{Setting, Stage, plan};
use crate::{CANCEL, goes_away_after, millis, secs};

/// The largest window that HTTP/2 knows, less what it has from the beginning.
pub(crate) const ALL: u32 = 0x7fff_ffff - 0xffff;

/// So little room that the kernel of the server has to keep what a reader leaves.
pub(crate) const NARROW: u32 = 8 * 1024;

/// An HTTP/1 connection with little room that has asked for the page, and reads nothing.
async fn page(stage: &Stage) -> Probe {
    let mut probe = Probe::connect_narrow(stage.addr, NARROW).await.unwrap();
    probe.request("/page").await.unwrap();
    probe
}

/// An HTTP/1 connection that takes the head of a large answer and no more.
async fn slow(stage: &Stage) -> Probe {
    let mut probe = stage.misbehave().never_reading("/large").await;
    assert_eq!(probe.head().await.status, 200);
    probe
}

/// An HTTP/2 connection that takes the head of a large answer and no more.
async fn slow_http2(stage: &Stage) -> (Probe, u32) {
    let mut probe = stage.http2(Manners::Polite).await;
    let stream = probe.open_stream("/large").await.unwrap();
    let begins = |seen: &Seen| matches!(seen, Seen::Headers { .. });
    probe.until("the head", begins).await;
    (probe, stream)
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_of_64_mib_gets_all_of_it() {
    let mut stage = Stage::running().await;
    let mut probe = stage.asks("/large").await;
    stage.drains().await;
    stage.passes(secs(600)).await;
    assert_eq!(stage.handle.in_flight(), 1);
    assert_eq!(probe.answer().await.body.len(), LARGE);
    assert_eq!(probe.end().await, Seen::Fin);
    // Its head was gone before anybody thought of closing.
    let over = stage.over().await.ended([Idle]).answered(1);
    over.drained_in(secs(600));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_of_64_mib_gets_all_of_it_on_http2() {
    // Limited by its window, or by the socket that it does not read.
    for widened_before in [false, true] {
        let mut stage = Stage::running().await;
        let (mut probe, stream) = slow_http2(&stage).await;
        if widened_before {
            probe.widen(stream, ALL).await.unwrap();
            stage.has_read().await;
        }
        stage.drains().await;
        stage.passes(secs(600)).await;
        assert_eq!(stage.handle.in_flight(), 1);
        if !widened_before {
            probe.widen(stream, ALL).await.unwrap();
        }
        let known = probe.streamed(stream).await;
        assert_eq!((known.body.len(), known.ended), (LARGE, true));
        assert_eq!(probe.end().await, Seen::Fin);
        assert_eq!(probe.goaways(), goes_away_after(stream));
        let over = stage.over().await.ended([Graceful]).answered(1);
        over.drained_in(secs(600));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_is_reset_at_the_deadline_and_named() {
    let plan = plan().drain_timeout(secs(7));
    let mut stage = Setting::new(plan).running().await;
    let mut probe = slow(&stage).await;
    stage.drains().await;
    stage.passes(millis(7002)).await;
    assert_eq!(probe.end().await, Seen::Rst);
    let over = stage.over().await.ended([Cut]).named(&["http/1 GET"]);
    over.drained_in(secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_finished_answer_on_its_way_survives_the_cut_of_the_request_behind_it() {
    let stage = Stage::running().await;
    let mut probe = page(&stage).await;
    // Begun once the page is with the kernel, which has not got rid of it.
    probe.request("/held").await.unwrap();
    within("the request behind it", stage.gate.reached(1)).await;
    stage.forces().await;
    let cut = stage.handle.reached(Phase::RunningHooks);
    within("the cut", cut).await;
    let answer = probe.answer().await;
    assert_eq!(answer.body.len(), PAGE);
    assert_eq!(probe.end().await, Seen::Fin);
    stage.over().await.ended([Cut]).named(&["http/1 GET"]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_grants_no_window_gets_rst_stream_at_the_deadline() {
    let plan = plan().drain_timeout(secs(7));
    let mut stage = Setting::new(plan).running().await;
    let (mut probe, stream) = slow_http2(&stage).await;
    stage.drains().await;
    stage.passes(millis(7002)).await;
    let known = probe.streamed(stream).await;
    assert_eq!((known.ended, known.reset), (false, Some(CANCEL)));
    assert_eq!(probe.end().await, Seen::Fin);
    let over = stage.over().await.ended([Cut]).named(&["http/2 GET"]);
    over.drained_in(secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_http2_that_does_not_read_is_reset_50_ms_after_the_deadline() {
    let plan = plan().drain_timeout(secs(7));
    let mut stage = Setting::new(plan).running().await;
    let (mut probe, stream) = slow_http2(&stage).await;
    probe.widen(stream, ALL).await.unwrap();
    stage.has_read().await;
    stage.drains().await;
    stage.passes(millis(7060)).await;
    assert_eq!(probe.end().await, Seen::Rst);
    let over = stage.over().await.ended([Cut]).named(&["http/2 GET"]);
    over.drained_in(secs(7))
        .took(Phase::ForceClosing, millis(50));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_window_at_the_end_costs_no_finished_stream() {
    let mut stage = Stage::running().await;
    let mut probe = stage.http2(Manners::Polite).await;
    // All of the book is h2's already, its end included: nothing can reset that stream any more.
    let book = probe.open_stream("/book").await.unwrap();
    let begins = |seen: &Seen| matches!(seen, Seen::Headers { .. });
    probe.until("the book's head", begins).await;
    // The connection's window is not the one that is used up.
    probe.send_frame(8, 0, 0, &ALL.to_be_bytes()).await.unwrap();
    let done = probe.open_stream("/").await.unwrap();
    let begins = |seen: &Seen| matches!(seen, Seen::Headers { stream, .. } if *stream == done);
    probe.until("the other head", begins).await;
    stage.in_flight(1).await;
    stage.forces().await;
    stage.passes(millis(60)).await;
    assert_eq!(probe.streamed(done).await.body, "hello");
    assert_eq!(probe.end().await, Seen::Fin);
    assert!(!probe.stream(book).ended);
    let over = stage.over().await.ended([Cut]);
    over.named(&["http/2 GET"])
        .took(Phase::ForceClosing, millis(50));
}

#[tokio::test(start_paused = true)]
async fn a_finished_answer_still_arrives_while_another_connection_is_cut() {
    let stage = Stage::running().await;
    let mut reader = page(&stage).await;
    reader.text("HTTP/1.1 200").await;
    let mut held = stage.held().await;
    // The page is with the kernel by now; its reader has not taken it.
    stage.in_flight(1).await;
    stage.forces().await;
    assert_eq!(held.end().await, Seen::Rst);
    let over = stage.over().await.ended([Cut, Idle]);
    over.named(&["http/1 GET"]).at_once();
    assert_eq!(reader.answer().await.body.len(), PAGE);
    assert_eq!(reader.end().await, Seen::Fin);
}

#[tokio::test(start_paused = true)]
async fn a_finished_stream_still_arrives_while_another_of_its_connection_is_cut() {
    let stage = Stage::running().await;
    let mut probe = stage.http2(Manners::Polite).await;
    let held = probe.open_stream("/held").await.unwrap();
    stage.in_flight(1).await;
    let page = probe.open_stream("/page").await.unwrap();
    probe.widen(page, ALL).await.unwrap();
    let begins = |seen: &Seen| matches!(seen, Seen::Headers { .. });
    probe.until("the page's head", begins).await;
    stage.in_flight(1).await;
    stage.forces().await;
    let known = probe.streamed(page).await;
    assert_eq!((known.body.len(), known.ended), (PAGE, true));
    assert_eq!(probe.streamed(held).await.reset, Some(CANCEL));
    assert_eq!(probe.end().await, Seen::Fin);
    let over = stage.over().await.ended([Cut]).at_once();
    over.named(&["http/2 GET"]);
}

#[tokio::test(start_paused = true)]
async fn a_finished_stream_still_arrives_while_one_that_waits_for_its_window_is_cut() {
    let stage = Stage::running().await;
    let (mut probe, stalled) = slow_http2(&stage).await;
    // Its own window is not the one that is used up.
    probe.send_frame(8, 0, 0, &ALL.to_be_bytes()).await.unwrap();
    let done = probe.open_stream("/").await.unwrap();
    let begins = |seen: &Seen| matches!(seen, Seen::Headers { stream, .. } if *stream == done);
    probe.until("the other head", begins).await;
    stage.in_flight(1).await;
    stage.forces().await;
    assert_eq!(probe.streamed(done).await.body, "hello");
    assert_eq!(probe.streamed(stalled).await.reset, Some(CANCEL));
    assert_eq!(probe.end().await, Seen::Fin);
    let over = stage.over().await.ended([Cut]).at_once();
    over.named(&["http/2 GET"]);
}
