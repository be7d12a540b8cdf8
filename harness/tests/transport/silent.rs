//! Connections that have not said a word.

use lamplighter::ConnectionEnd::{Graceful, Idle, Silent};
use lamplighter_harness::{Manners, Seen};

use crate::stage::{LAME_DUCK, Stage};
use crate::{answer, millis, secs};

const NOTHING: (String, Seen) = (String::new(), Seen::Fin);

#[tokio::test(start_paused = true)]
async fn a_silent_connection_has_100_ms_from_its_accept() {
    for age in [0, 60, 99] {
        let mut stage = Stage::running().await;
        let mut silent = stage.misbehave().silent().await;
        stage.has_read().await;
        stage.passes(millis(age)).await;
        stage.drains().await;
        stage.passes(millis(102 - age)).await;
        assert_eq!(silent.rest().await, NOTHING);
        let over = stage.over().await.ended([Silent]).answered(0);
        over.drained_in(millis(100 - age));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_older_than_100_ms_is_closed_at_once() {
    let mut stage = Stage::running().await;
    let mut silent = stage.misbehave().silent().await;
    stage.has_read().await;
    stage.passes(secs(5)).await;
    drop(stage.stop());
    assert_eq!(silent.rest().await, NOTHING);
    stage.over().await.ended([Silent]).answered(0).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_that_speaks_in_its_100_ms_is_answered() {
    let mut stage = Stage::running().await;
    let mut silent = stage.misbehave().silent().await;
    stage.has_read().await;
    stage.drains().await;
    stage.passes(millis(90)).await;
    silent.request("/").await.unwrap();
    assert_eq!(silent.rest().await, (answer("hello"), Seen::Fin));
    let over = stage.over().await.ended([Graceful]).answered(1);
    over.drained_in(millis(90));
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_that_speaks_http2_in_its_100_ms_is_answered() {
    let mut stage = Stage::running().await;
    let mut silent = stage.misbehave().silent().await;
    stage.has_read().await;
    stage.drains().await;
    stage.passes(millis(90)).await;
    silent.http2(Manners::Polite).await.unwrap();
    let stream = silent.open_stream("/").await.unwrap();
    assert_eq!(silent.streamed(stream).await.body, "hello");
    assert_eq!(silent.end().await, Seen::Fin);
    assert_eq!(silent.goaways(), crate::goes_away_after(stream));
    let over = stage.over().await.ended([Graceful]).answered(1);
    over.drained_in(millis(90));
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_lives_through_the_lame_duck_and_is_served_in_it() {
    let mut stage = Stage::with_lame_duck().await;
    let mut mute = stage.connects().await;
    let mut late = stage.connects().await;
    stage.has_read().await;
    stage.enters_lame_duck().await;
    stage.passes(LAME_DUCK - millis(1)).await;
    late.request("/").await.unwrap();
    assert_eq!(late.rest().await, (answer("hello"), Seen::Fin));
    stage.passes(millis(3)).await;
    assert_eq!(mute.rest().await, NOTHING);
    let over = stage.over().await.ended([Silent, Graceful]).answered(1);
    over.at_once();
}

#[tokio::test(start_paused = true)]
async fn a_connection_accepted_in_the_lame_duck_is_silent_from_its_own_accept() {
    let mut stage = Stage::with_lame_duck().await;
    stage.enters_lame_duck().await;
    stage.passes(LAME_DUCK - millis(30)).await;
    let mut silent = stage.misbehave().silent().await;
    stage.has_read().await;
    stage.passes(millis(102)).await;
    assert_eq!(silent.rest().await, NOTHING);
    let over = stage.over().await.ended([Silent]).answered(0);
    over.drained_in(millis(70));
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_gets_fin_by_force() {
    let stage = Stage::running().await;
    let mut silent = stage.misbehave().silent().await;
    stage.has_read().await;
    stage.forces().await;
    assert_eq!(silent.rest().await, NOTHING);
    stage.over().await.ended([Silent]).answered(0).at_once();
}

#[tokio::test(start_paused = true)]
async fn before_ready_a_silent_connection_waits_and_is_served_once_the_server_is() {
    let mut stage = Stage::starting().await;
    let mut silent = stage.misbehave().silent().await;
    stage.has_read().await;
    stage.passes(secs(60)).await;
    stage.gets_ready().await;
    silent.request("/").await.unwrap();
    assert_eq!(silent.answer().await.status(), 200);
    drop(stage.stop());
    assert_eq!(silent.rest().await, NOTHING);
    stage.over().await.ended([Idle]).answered(1).at_once();
}
