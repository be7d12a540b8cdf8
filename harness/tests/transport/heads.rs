//! Heads and prefaces that are not complete when the server stops.

use lamplighter::ConnectionEnd::{Graceful, TimedOut};
use lamplighter_harness::{HALF_A_HEAD, HALF_A_PREFACE, Manners, Probe, REST_OF_HEAD, Seen};

use crate::stage::{LAME_DUCK, Stage};
use crate::{answer, goes_away_after, millis, secs};

const NOTHING: (String, Seen) = (String::new(), Seen::Fin);

/// Where a half head stands on its connection.
#[derive(Clone, Copy, Debug)]
enum Place {
    First,
    BehindAnAnswer,
}

impl Place {
    const ALL: [Self; 2] = [Self::First, Self::BehindAnAnswer];

    /// A connection with half a head, which the server has read.
    async fn half(self, stage: &Stage) -> Probe {
        match self {
            Self::First => half_a_head(stage).await,
            Self::BehindAnAnswer => {
                let mut probe = stage.idle().await;
                probe.send(HALF_A_HEAD).await.unwrap();
                stage.has_read().await;
                probe
            }
        }
    }

    /// How many requests were answered before the half one.
    const fn answered(self) -> u64 {
        match self {
            Self::First => 0,
            Self::BehindAnAnswer => 1,
        }
    }
}

/// A connection with half a head, which the server has read.
async fn half_a_head(stage: &Stage) -> Probe {
    let probe = stage.misbehave().half_a_head().await;
    stage.has_read().await;
    probe
}

/// A connection with half a preface, which the server has read.
async fn half_a_preface(stage: &Stage) -> Probe {
    let probe = stage.misbehave().half_a_preface().await;
    stage.has_read().await;
    probe
}

#[tokio::test(start_paused = true)]
async fn half_a_head_that_is_completed_while_draining_is_answered() {
    for place in Place::ALL {
        let mut stage = Stage::running().await;
        let mut half = place.half(&stage).await;
        stage.drains().await;
        stage.passes(millis(900)).await;
        half.send(REST_OF_HEAD).await.unwrap();
        assert_eq!(half.rest().await, (answer("hello"), Seen::Fin), "{place:?}");
        let over = stage.over().await.ended([Graceful]);
        over.answered(place.answered() + 1).drained_in(millis(900));
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_head_that_is_never_completed_has_1_s_from_its_begin() {
    for (place, age) in [
        (Place::First, 0),
        (Place::First, 400),
        (Place::BehindAnAnswer, 0),
        (Place::BehindAnAnswer, 400),
    ] {
        let mut stage = Stage::running().await;
        let mut half = place.half(&stage).await;
        stage.passes(millis(age)).await;
        stage.drains().await;
        stage.passes(millis(1002 - age)).await;
        assert_eq!(half.rest().await, NOTHING, "{place:?}");
        let over = stage.over().await.ended([TimedOut]);
        over.answered(place.answered())
            .drained_in(millis(1000 - age));
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_head_older_than_1_s_is_closed_at_once() {
    for place in Place::ALL {
        let mut stage = Stage::running().await;
        let mut half = place.half(&stage).await;
        stage.passes(secs(5)).await;
        drop(stage.stop());
        assert_eq!(half.rest().await, NOTHING, "{place:?}");
        let over = stage.over().await.ended([TimedOut]);
        over.answered(place.answered()).at_once();
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_half_heads_hold_a_stop_no_longer_than_one() {
    let mut stage = Stage::running().await;
    let mut halves = Vec::new();
    for _ in 0..100 {
        halves.push(stage.misbehave().half_a_head().await);
    }
    stage.has_read().await;
    stage.drains().await;
    stage.passes(millis(1002)).await;
    for half in &mut halves {
        assert_eq!(half.rest().await, NOTHING);
    }
    let over = stage.over().await.ended([TimedOut; 100]).answered(0);
    over.drained_in(secs(1));
}

#[tokio::test(start_paused = true)]
async fn half_a_head_completed_in_the_lame_duck_is_answered() {
    for place in Place::ALL {
        let mut stage = Stage::with_lame_duck().await;
        let mut half = place.half(&stage).await;
        stage.enters_lame_duck().await;
        stage.passes(LAME_DUCK / 2).await;
        half.send(REST_OF_HEAD).await.unwrap();
        assert_eq!(half.rest().await, (answer("hello"), Seen::Fin), "{place:?}");
        stage.passes(LAME_DUCK / 2).await;
        let over = stage.over().await.ended([Graceful]);
        over.answered(place.answered() + 1).at_once();
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_head_gets_fin_by_force() {
    for place in Place::ALL {
        let stage = Stage::running().await;
        let mut half = place.half(&stage).await;
        stage.forces().await;
        assert_eq!(half.rest().await, NOTHING, "{place:?}");
        let over = stage.over().await.ended([TimedOut]);
        over.answered(place.answered()).at_once();
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_head_begun_before_ready_and_completed_after_it_is_served() {
    let stage = Stage::starting().await;
    let mut half = half_a_head(&stage).await;
    stage.gets_ready().await;
    half.send(REST_OF_HEAD).await.unwrap();
    assert_eq!(half.answer().await.text(), "hello");
    drop(stage.stop());
    assert_eq!(half.rest().await, NOTHING);
    stage.over().await.answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn half_a_preface_has_1_s_from_its_begin() {
    for age in [0, 400] {
        let mut stage = Stage::running().await;
        let mut half = half_a_preface(&stage).await;
        stage.passes(millis(age)).await;
        stage.drains().await;
        stage.passes(millis(1002 - age)).await;
        assert_eq!(half.rest().await, NOTHING);
        let over = stage.over().await.ended([TimedOut]).answered(0);
        over.drained_in(millis(1000 - age));
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_preface_that_is_completed_while_draining_is_served_and_told_to_go() {
    let mut stage = Stage::running().await;
    let mut half = stage.says(&HALF_A_PREFACE[..4]).await;
    stage.drains().await;
    stage.passes(millis(900)).await;
    half.http2_from(4, Manners::Polite).await.unwrap();
    let stream = half.open_stream("/").await.unwrap();
    assert_eq!(half.streamed(stream).await.body, "hello");
    assert_eq!(half.end().await, Seen::Fin);
    assert_eq!(half.goaways(), goes_away_after(stream));
    let over = stage.over().await.ended([Graceful]).answered(1);
    over.drained_in(millis(900));
}

#[tokio::test(start_paused = true)]
async fn half_a_preface_gets_fin_by_force() {
    let stage = Stage::running().await;
    let mut half = half_a_preface(&stage).await;
    stage.forces().await;
    assert_eq!(half.rest().await, NOTHING);
    stage.over().await.ended([TimedOut]).answered(0).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_preface_without_settings_has_1_s() {
    let mut stage = Stage::running().await;
    let mut half = stage.says("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    stage.drains().await;
    stage.passes(millis(1002)).await;
    assert_eq!(half.end().await, Seen::Fin);
    let over = stage.over().await.ended([TimedOut]).answered(0);
    over.drained_in(secs(1));
}
