//! Connections between two requests, over HTTP/1.

use std::time::Duration;

use lamplighter::ConnectionEnd::{Graceful, Idle};
use lamplighter::Phase;
use lamplighter_harness::Seen;

use crate::stage::{LAME_DUCK, Stage};
use crate::{answer, secs};

#[tokio::test(start_paused = true)]
async fn an_idle_connection_gets_fin_and_holds_nothing() {
    let stage = Stage::running().await;
    let mut idle = stage.idle().await;
    drop(stage.stop());
    assert_eq!(idle.rest().await, (String::new(), Seen::Fin));
    stage.over().await.ended([Idle]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_told_in_the_lame_duck_with_its_next_answer() {
    let mut stage = Stage::with_lame_duck().await;
    let mut idle = stage.idle().await;
    stage.passes(secs(60)).await;
    stage.enters_lame_duck().await;
    stage.passes(LAME_DUCK / 2).await;
    idle.request("/").await.unwrap();
    // The end comes with it, in the middle of the lame duck.
    assert_eq!(idle.rest().await, (answer("hello"), Seen::Fin));
    stage.passes(LAME_DUCK / 2).await;
    let over = stage.over().await.ended([Graceful]).answered(2).at_once();
    over.took(Phase::LameDuck, LAME_DUCK);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_that_asks_for_nothing_lives_as_long_as_the_lame_duck() {
    let mut stage = Stage::with_lame_duck().await;
    let mut idle = stage.idle().await;
    stage.enters_lame_duck().await;
    stage.passes(LAME_DUCK).await;
    assert_eq!(idle.rest().await, (String::new(), Seen::Fin));
    stage.over().await.ended([Idle]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_gets_fin_by_force() {
    let stage = Stage::running().await;
    let mut idle = stage.idle().await;
    drop(stage.handle.force());
    assert_eq!(idle.rest().await, (String::new(), Seen::Fin));
    stage.over().await.ended([Idle]).answered(1).at_once();
}

#[tokio::test(start_paused = true)]
async fn before_ready_a_connection_gets_503_and_lives_on() {
    let stage = Stage::starting().await;
    let mut early = stage.connects().await;
    early.request("/").await.unwrap();
    let answer = early.answer().await;
    assert_eq!(
        (answer.status(), answer.head.closes()),
        (503, false),
        "{answer:?}"
    );
    stage.gets_ready().await;
    early.request("/").await.unwrap();
    assert_eq!(early.answer().await.text(), "hello");
    drop(stage.stop());
    assert_eq!(early.rest().await, (String::new(), Seen::Fin));
    stage.over().await.ended([Idle]).answered(2).at_once();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_got_503_gets_fin_when_the_start_is_stopped() {
    let stage = Stage::starting().await;
    let mut early = stage.connects().await;
    early.request("/").await.unwrap();
    assert_eq!(early.answer().await.status(), 503);
    drop(stage.stop());
    assert_eq!(early.rest().await, (String::new(), Seen::Fin));
    let over = stage.over().await.ended([Idle]).answered(1).at_once();
    over.took(Phase::LameDuck, Duration::ZERO);
}
