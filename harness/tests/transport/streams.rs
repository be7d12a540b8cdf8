//! Long-lived answers: streams that hear the drain, and streams that do not.

use lamplighter::ConnectionEnd::{Cut, Graceful, Idle};
use lamplighter_harness::{Manners, Probe, Seen};

use crate::stage::{LAME_DUCK, Setting, Stage, plan};
use crate::{CANCEL, goes_away_after, millis, secs};

/// An HTTP/1 stream that has sent its first chunk.
async fn ticking(stage: &Stage, path: &str) -> Probe {
    let mut probe = stage.asks(path).await;
    probe.text("tick").await;
    probe
}

/// An HTTP/2 stream that has sent its first chunk.
async fn ticking_http2(stage: &Stage, path: &str) -> (Probe, u32) {
    let mut probe = stage.http2(Manners::Polite).await;
    let stream = probe.open_stream(path).await.unwrap();
    let ticks = |seen: &Seen| matches!(seen, Seen::Data { .. });
    probe.until("a tick", ticks).await;
    (probe, stream)
}

/// How an answer in chunks ends that is complete.
const SAYS_BYE: &str = "3\r\nbye\r\n0\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_stream_that_listens_says_goodbye_and_ends_whole() {
    let stage = Stage::running().await;
    let mut probe = ticking(&stage, "/events").await;
    drop(stage.stop());
    let (text, end) = probe.rest().await;
    assert!(text.ends_with(SAYS_BYE), "{text:?}");
    assert_eq!(end, Seen::Fin);
    // Its head was gone before anybody thought of closing.
    stage.over().await.ended([Idle]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_listens_says_goodbye_on_http2() {
    let stage = Stage::running().await;
    let (mut probe, stream) = ticking_http2(&stage, "/events").await;
    drop(stage.stop());
    let known = probe.streamed(stream).await;
    assert_eq!((&*known.body, known.ended), (&b"tickbye"[..], true));
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(probe.goaways(), goes_away_after(stream));
    stage.over().await.ended([Graceful]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_stream_hears_nothing_in_the_lame_duck() {
    let mut stage = Stage::with_lame_duck().await;
    let mut old = ticking(&stage, "/events").await;
    let (mut http2, stream) = ticking_http2(&stage, "/events").await;
    stage.enters_lame_duck().await;
    let mut new = ticking(&stage, "/events").await;
    stage.passes(LAME_DUCK - secs(1)).await;
    assert_eq!(stage.handle.in_flight(), 3);
    stage.passes(secs(1)).await;
    for probe in [&mut old, &mut new] {
        let (text, end) = probe.rest().await;
        assert!(text.ends_with(SAYS_BYE), "{text:?}");
        assert_eq!(end, Seen::Fin);
    }
    assert_eq!(http2.streamed(stream).await.body, "tickbye");
    assert_eq!(http2.end().await, Seen::Fin);
    // The head of the new one announced the close.
    let over = stage.over().await.ended([Idle, Graceful, Graceful]);
    over.answered(3).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_stream_begun_while_draining_knows_it_from_the_beginning() {
    let stage = Stage::anchored().await;
    let mut half = stage.says("GET /events HTTP/1.1\r\nhost: pro").await;
    stage.drains().await;
    half.send("be\r\n\r\n").await.unwrap();
    let answer = half.answer().await;
    assert_eq!(
        (answer.text(), answer.head.closes()),
        ("tickbye".into(), true)
    );
    assert_eq!(half.end().await, Seen::Fin);
    stage.weighs_anchor();
    stage.over().await.ended([Graceful]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_deaf_stream_is_reset_at_the_deadline_and_never_looks_whole() {
    let plan = plan().drain_timeout(secs(7));
    let mut stage = Setting::new(plan).running().await;
    let mut probe = ticking(&stage, "/deaf").await;
    stage.drains().await;
    stage.passes(millis(7002)).await;
    let (text, end) = probe.rest().await;
    assert!(text.ends_with("4\r\ntick\r\n"), "{text:?}");
    assert_eq!(end, Seen::Rst);
    let over = stage.over().await.ended([Cut]).named(&["http/1 GET"]);
    over.drained_in(secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_deaf_stream_is_reset_at_the_deadline_on_http2() {
    let plan = plan().drain_timeout(secs(7));
    let mut stage = Setting::new(plan).running().await;
    let (mut probe, stream) = ticking_http2(&stage, "/deaf").await;
    stage.drains().await;
    stage.passes(millis(7002)).await;
    let known = probe.streamed(stream).await;
    assert_eq!((known.ended, known.reset), (false, Some(CANCEL)));
    assert_eq!(probe.end().await, Seen::Fin);
    let over = stage.over().await.ended([Cut]).named(&["http/2 GET"]);
    over.drained_in(secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_deaf_stream_is_reset_by_force_and_one_that_listens_has_ended_by_then() {
    let stage = Stage::running().await;
    let mut deaf = ticking(&stage, "/deaf").await;
    let mut listens = ticking(&stage, "/events").await;
    stage.drains().await;
    assert!(listens.rest().await.0.ends_with(SAYS_BYE));
    drop(stage.handle.force());
    assert_eq!(deaf.end().await, Seen::Rst);
    let over = stage.over().await.ended([Cut, Idle]).at_once();
    over.named(&["http/1 GET"]);
}
