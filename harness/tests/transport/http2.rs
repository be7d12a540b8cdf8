//! HTTP/2 connections: idle, without manners, and with streams in flight.

use futures_util::FutureExt;
use lamplighter::ConnectionEnd::{Cut, Graceful, TimedOut};
use lamplighter::Phase;
use lamplighter_harness::{Manners, Probe, Seen};

use crate::over::Requests;
use crate::stage::{LAME_DUCK, Setting, Stage, plan};
use crate::{CANCEL, EVERY_STREAM, goes_away_after, millis, secs};

/// REFUSED_STREAM of RFC 9113, 7.
const REFUSED_STREAM: u32 = 7;

/// What came, without the acknowledgements of what the client sent.
fn told(probe: &Probe) -> Vec<Seen> {
    let settings =
        |seen: &&Seen| !matches!(seen, Seen::Settings { .. } | Seen::WindowUpdate { .. });
    probe.seen().iter().filter(settings).cloned().collect()
}

/// A connection whose stream waits at the gate, and that stream.
async fn held(stage: &Stage, manners: Manners) -> (Probe, u32) {
    let mut probe = stage.http2(manners).await;
    let before = stage.handle.in_flight();
    let stream = probe.open_stream("/held").await.unwrap();
    stage.in_flight(before + 1).await;
    (probe, stream)
}

/// Waits for the first GOAWAY.
async fn goaway(probe: &mut Probe) {
    let goaway = |seen: &Seen| matches!(seen, Seen::GoAway { .. });
    probe.until("GOAWAY", goaway).await;
    assert_eq!(probe.goaways(), [(EVERY_STREAM, 0)]);
}

/// Waits for the last GOAWAY, which names this stream.
async fn last_goaway(probe: &mut Probe, stream: u32) {
    let last =
        |seen: &Seen| matches!(seen, Seen::GoAway { last_stream, .. } if *last_stream == stream);
    probe.until("the last GOAWAY", last).await;
    assert_eq!(probe.goaways(), goes_away_after(stream));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_goes_away_in_two_steps_and_holds_nothing() {
    let stage = Stage::running().await;
    let mut idle = stage.http2(Manners::Polite).await;
    drop(stage.stop());
    assert_eq!(idle.end().await, Seen::Fin);
    let told = told(&idle);
    let [
        Seen::GoAway { .. },
        Seen::Ping { ack: false, .. },
        Seen::GoAway { .. },
        Seen::Fin,
    ] = told.as_slice()
    else {
        panic!("{told:?}")
    };
    assert_eq!(idle.goaways(), goes_away_after(0));
    stage.over().await.ended([Graceful]).answered(0).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_stream_in_flight_is_answered_and_named_by_the_last_goaway() {
    let stage = Stage::running().await;
    let (mut probe, stream) = held(&stage, Manners::Polite).await;
    drop(stage.stop());
    goaway(&mut probe).await;
    stage.gate.open();
    assert_eq!(probe.streamed(stream).await.body, "let go");
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(probe.goaways(), goes_away_after(stream));
    stage.over().await.ended([Graceful]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_stream_between_the_goaways_is_answered() {
    let stage = Stage::running().await;
    let (mut probe, stream) = held(&stage, Manners::Polite).await;
    drop(stage.stop());
    goaway(&mut probe).await;
    // PONG is sent as PING is read, so this goes out before it.
    let crossing = probe.open_stream("/").await.unwrap();
    assert_eq!(probe.streamed(crossing).await.body, "hello");
    stage.gate.open();
    assert_eq!(probe.streamed(stream).await.body, "let go");
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(probe.goaways(), goes_away_after(crossing));
    stage.over().await.ended([Graceful]).answered(2).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_stream_beyond_the_last_goaway_is_never_begun() {
    let stage = Stage::running().await;
    let (mut probe, stream) = held(&stage, Manners::Polite).await;
    drop(stage.stop());
    goaway(&mut probe).await;
    last_goaway(&mut probe, stream).await;
    let beyond = probe.open_stream("/").await.unwrap();
    // What is asked on the connection afterwards is answered: the stream has been read by then.
    probe.ping(*b"seen it?").await.unwrap();
    let pong = |seen: &Seen| matches!(seen, Seen::Ping { ack: true, .. });
    probe.until("PONG", pong).await;
    assert_eq!(stage.handle.in_flight(), 1);
    stage.gate.open();
    assert_eq!(probe.streamed(stream).await.body, "let go");
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(probe.stream(beyond).status, None);
    let over = stage.over().await.ended([Graceful]).at_once();
    over.requests(Requests {
        answered: 1,
        refused: 1,
        ..Requests::default()
    });
}

#[tokio::test(start_paused = true)]
async fn a_window_for_a_stream_beyond_the_last_goaway_costs_no_other_stream() {
    let stage = Stage::running().await;
    let (mut probe, stream) = held(&stage, Manners::Polite).await;
    drop(stage.stop());
    goaway(&mut probe).await;
    last_goaway(&mut probe, stream).await;
    // As a client does that has not read so far, with each stream that it opens.
    let beyond = probe.open_stream("/").await.unwrap();
    probe.widen(beyond, 5).await.unwrap();
    probe.widen(stream, 5).await.unwrap();
    probe.ping(*b"seen it?").await.unwrap();
    let pong = |seen: &Seen| matches!(seen, Seen::Ping { ack: true, .. });
    probe.until("PONG", pong).await;
    stage.gate.open();
    assert_eq!(probe.streamed(stream).await.body, "let go");
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(probe.goaways(), goes_away_after(stream));
    stage.over().await.ended([Graceful]).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_stream_and_its_window_that_come_with_the_pong_cost_no_other_stream() {
    // Whole, or in pieces that break every frame's head.
    for size in [usize::MAX, 1, 5] {
        let stage = Stage::running().await;
        let (mut probe, stream) = held(&stage, Manners::NoPong).await;
        drop(stage.stop());
        let ping = |seen: &Seen| matches!(seen, Seen::Ping { ack: false, .. });
        let Seen::Ping { data, .. } = probe.until("PING", ping).await else {
            unreachable!("it was looked for");
        };
        let beyond = (stream + 2).to_be_bytes();
        let asks = [
            &[0, 0, 8, 6, 1, 0, 0, 0, 0][..],
            &data,
            &[0, 0, 6, 1, 5],
            &beyond,
            &[0x82, 0x86, 0x84, 0x41, 1, b'x'],
            &[0, 0, 4, 8, 0],
            &beyond,
            &[0, 0, 0, 5],
        ]
        .concat();
        for piece in asks.chunks(size) {
            probe.send(piece).await.unwrap();
            // So that the server mostly reads it by itself; it may as well read more at once.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
        last_goaway(&mut probe, stream).await;
        stage.gate.open();
        assert_eq!(probe.streamed(stream).await.body, "let go");
        assert_eq!(probe.end().await, Seen::Fin);
        assert_eq!(probe.goaways(), goes_away_after(stream));
        drop(stage.over().await);
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_body_is_waited_for() {
    let stage = Stage::running().await;
    let mut probe = stage.http2(Manners::Polite).await;
    let stream = probe.open_upload("/echo").await.unwrap();
    probe.send_data(stream, b"half", false).await.unwrap();
    stage.in_flight(1).await;
    drop(stage.stop());
    goaway(&mut probe).await;
    probe.send_data(stream, b"half", true).await.unwrap();
    assert_eq!(probe.streamed(stream).await.body, "halfhalf");
    assert_eq!(probe.end().await, Seen::Fin);
    stage.over().await.ended([Graceful]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_acknowledges_settings_holds_nothing() {
    let stage = Stage::running().await;
    let mut probe = stage.http2(Manners::NoSettingsAck).await;
    drop(stage.stop());
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(probe.goaways(), goes_away_after(0));
    stage.over().await.ended([Graceful]).answered(0).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_ping_has_1_s() {
    for manners in [Manners::NoPong, Manners::Mute] {
        let mut stage = Stage::running().await;
        let mut probe = stage.http2(manners).await;
        stage.passes(secs(60)).await;
        stage.drains().await;
        goaway(&mut probe).await;
        stage.passes(millis(1002)).await;
        assert_eq!(probe.end().await, Seen::Fin, "{manners:?}");
        // Named all the same, at the end.
        assert_eq!(probe.goaways(), goes_away_after(0), "{manners:?}");
        let over = stage.over().await.ended([TimedOut]).answered(0);
        over.drained_in(secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_ping_gets_its_answer_and_1_s_from_then_on() {
    let mut stage = Stage::running().await;
    let (mut probe, stream) = held(&stage, Manners::NoPong).await;
    stage.drains().await;
    goaway(&mut probe).await;
    stage.passes(secs(5)).await;
    // What comes beyond the stream that is named at the end is refused.
    let late = probe.open_stream("/").await.unwrap();
    assert_eq!(probe.streamed(late).await.reset, Some(REFUSED_STREAM));
    stage.gate.open();
    assert_eq!(probe.streamed(stream).await.body, "let go");
    stage.passes(millis(1002)).await;
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(probe.goaways(), goes_away_after(stream));
    let over = stage.over().await.ended([TimedOut]);
    over.requests(Requests {
        answered: 1,
        refused: 1,
        ..Requests::default()
    })
    .drained_in(secs(6));
}

#[tokio::test(start_paused = true)]
async fn in_the_lame_duck_each_connection_is_told_once_and_all_in_its_first_half() {
    let mut stage = Stage::with_lame_duck().await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(stage.http2(Manners::Polite).await);
    }
    stage.enters_lame_duck().await;
    stage.passes(LAME_DUCK / 4).await;
    // What has come so far is known to the runtime.
    stage.has_read().await;
    for probe in &mut idle {
        while probe.next().now_or_never().is_some() {}
    }
    let told = idle.iter().filter(|probe| !probe.goaways().is_empty());
    let told = told.count();
    assert!((1..20).contains(&told), "{told} of 20 in the first quarter");
    stage.passes(LAME_DUCK / 4).await;
    for probe in &mut idle {
        assert_eq!(probe.end().await, Seen::Fin);
        assert_eq!(probe.goaways(), goes_away_after(0));
    }
    assert_eq!(stage.handle.phase(), Phase::LameDuck);
    stage.passes(LAME_DUCK / 2).await;
    let over = stage.over().await.ended([Graceful; 20]).answered(0);
    over.at_once();
}

#[tokio::test(start_paused = true)]
async fn a_stream_in_flight_is_answered_in_the_lame_duck() {
    let mut stage = Stage::with_lame_duck().await;
    let (mut probe, stream) = held(&stage, Manners::Polite).await;
    stage.enters_lame_duck().await;
    stage.passes(LAME_DUCK / 2).await;
    goaway(&mut probe).await;
    stage.gate.open();
    assert_eq!(probe.streamed(stream).await.body, "let go");
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(stage.handle.phase(), Phase::LameDuck);
    stage.passes(LAME_DUCK / 2).await;
    stage.over().await.ended([Graceful]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_connection_accepted_in_the_lame_duck_is_served_and_told_when_it_ends() {
    let mut stage = Stage::with_lame_duck().await;
    stage.enters_lame_duck().await;
    let mut probe = stage.http2(Manners::Polite).await;
    stage.passes(LAME_DUCK - secs(1)).await;
    let stream = probe.open_stream("/").await.unwrap();
    assert_eq!(probe.streamed(stream).await.body, "hello");
    assert_eq!(probe.goaways(), []);
    stage.passes(secs(1)).await;
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(probe.goaways(), goes_away_after(stream));
    stage.over().await.ended([Graceful]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_mute_peer_told_in_the_lame_duck_holds_the_drain_no_more() {
    let mut stage = Stage::with_lame_duck().await;
    let mut probe = stage.http2(Manners::Mute).await;
    stage.enters_lame_duck().await;
    stage.passes(LAME_DUCK).await;
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(probe.goaways(), goes_away_after(0));
    let over = stage.over().await.ended([TimedOut]).answered(0);
    over.at_once();
}

#[tokio::test(start_paused = true)]
async fn before_ready_a_stream_gets_503_and_the_connection_lives_on() {
    let stage = Stage::starting().await;
    let mut early = stage.http2(Manners::Polite).await;
    let stream = early.open_stream("/").await.unwrap();
    assert_eq!(early.streamed(stream).await.status, Some(503));
    stage.gets_ready().await;
    let stream = early.open_stream("/").await.unwrap();
    assert_eq!(early.streamed(stream).await.body, "hello");
    drop(stage.stop());
    assert_eq!(early.end().await, Seen::Fin);
    assert_eq!(early.goaways(), goes_away_after(stream));
    stage.over().await.ended([Graceful]).answered(2).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_streams_gets_fin_by_force_and_waits_for_no_ping() {
    for manners in [Manners::Mute, Manners::NoPong] {
        let stage = Stage::running().await;
        let mut probe = stage.http2(manners).await;
        stage.drains().await;
        goaway(&mut probe).await;
        drop(stage.handle.force());
        assert_eq!(probe.end().await, Seen::Fin, "{manners:?}");
        assert_eq!(probe.goaways(), goes_away_after(0));
        stage.over().await.ended([TimedOut]).answered(0).at_once();
    }
}

#[tokio::test(start_paused = true)]
async fn streams_are_reset_by_force_and_named_and_finished_ones_stay_whole() {
    let stage = Stage::running().await;
    let (mut probe, first) = held(&stage, Manners::Polite).await;
    let second = probe.open_upload("/echo").await.unwrap();
    let done = probe.open_stream("/").await.unwrap();
    assert_eq!(probe.streamed(done).await.body, "hello");
    stage.in_flight(2).await;
    stage.forces().await;
    assert_eq!(probe.end().await, Seen::Fin);
    for cut in [first, second] {
        let known = probe.stream(cut);
        assert_eq!((known.status, known.reset), (None, Some(CANCEL)));
    }
    assert_eq!(probe.stream(done).reset, None);
    let over = stage.over().await.ended([Cut]).at_once();
    over.named(&["http/2 GET", "http/2 POST"])
        .requests(Requests {
            answered: 1,
            cut: 2,
            ..Requests::default()
        });
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_outlasts_the_drain_is_reset_at_its_deadline() {
    let plan = plan().drain_timeout(secs(7));
    let mut stage = Setting::new(plan).running().await;
    let (mut probe, stream) = held(&stage, Manners::Polite).await;
    stage.drains().await;
    last_goaway(&mut probe, stream).await;
    stage.passes(millis(7001)).await;
    assert_eq!(probe.end().await, Seen::Fin);
    assert_eq!(probe.stream(stream).reset, Some(CANCEL));
    assert_eq!(probe.goaways(), goes_away_after(stream));
    let over = stage.over().await.ended([Cut]).drained_in(secs(7));
    over.named(&["http/2 GET"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_gets_fin_in_every_state_when_the_start_is_stopped() {
    let stage = Stage::starting().await;
    let mut early = stage.http2(Manners::Polite).await;
    drop(stage.stop());
    assert_eq!(early.end().await, Seen::Fin);
    assert_eq!(early.goaways(), goes_away_after(0));
    let over = stage.over().await.ended([Graceful]).answered(0);
    over.at_once();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_cancels_its_stream_and_leaves_holds_nothing() {
    for goes_before in [true, false] {
        let stage = Stage::running().await;
        let (mut probe, stream) = held(&stage, Manners::Polite).await;
        if goes_before {
            probe.reset_stream(stream, CANCEL).await.unwrap();
            stage.in_flight(0).await;
            stage.drains().await;
        } else {
            stage.drains().await;
            goaway(&mut probe).await;
            probe.reset_stream(stream, CANCEL).await.unwrap();
            stage.in_flight(0).await;
        }
        drop(probe);
        let over = stage.over().await.at_once();
        over.requests(Requests {
            aborted: 1,
            ..Requests::default()
        });
    }
}
