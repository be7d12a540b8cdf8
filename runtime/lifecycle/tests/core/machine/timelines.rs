//! What a person reads of a few lives (tests of floor 0).
//!
//! **Invariant:** every line of a timeline is of the life that its name tells.

use lamplighter_lifecycle::{
    ConnectionEnd, HookEnd, Input, Plan, Protocol, StartFailure, Work, WorkerEnd, WorkerId,
};

use crate::life::{Life, at, requests, secs};
use crate::snapshot::compare;

#[test]
fn the_timeline_of_a_clean_stop() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5)))
        .hooks(&["database", "cache: database"])
        .running();
    life.to(60_000)
        .opened(1)
        .signal()
        .to(65_000)
        .listeners_closed();
    life.to(65_200)
        .closed(1)
        .to(65_250)
        .hook_ended(0, HookEnd::Ok);
    life.to(65_300).hook_ended(1, HookEnd::Ok).disposed();
    compare("timeline__core_clean_stop", &life.timeline());
}

#[test]
fn the_timeline_of_a_stop_that_two_signals_force() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5))).hooks(&["database"]);
    life.model.register_worker("reaper");
    let mut life = life.running();
    life.opened(1)
        .to(2000)
        .signal()
        .to(2010)
        .signal()
        .to(3500)
        .signal();
    life.listeners_closed().to(3600);
    let work = Work::new(
        Protocol::Http1,
        "GET",
        Some("/reports/{id}".into()),
        at(1500),
    );
    life.to(3610);
    life.ended(1, ConnectionEnd::Cut, requests(4, 3), vec![work]);
    let worker = WorkerId::new(0);
    let end = WorkerEnd::Aborted;
    life.input(Input::WorkerEnded { worker, end });
    life.to(3700).hook_ended(0, HookEnd::Ok).disposed();
    compare("timeline__core_two_signals", &life.timeline());
}

#[test]
fn the_timeline_of_a_hook_that_hangs_and_a_third_signal() {
    let mut life = Life::new(Plan::new())
        .hooks(&["database", "cache: database", "telemetry"])
        .running();
    life.signal().listeners_closed().to(100);
    life.hook_ended(2, HookEnd::Failed("connection refused".into()));
    life.to(1000).signal().to(2500).signal().play_out();
    compare("timeline__core_third_signal", &life.timeline());
}

#[test]
fn the_timeline_of_a_failed_start() {
    let mut life = Life::new(Plan::new()).hooks(&["database"]);
    life.input(Input::Start).to(20);
    life.input(Input::StartFailed(StartFailure::Bind(
        "0.0.0.0:5000: address in use".into(),
    )));
    life.to(30).hook_ended(0, HookEnd::Ok).disposed();
    compare("timeline__core_failed_start", &life.timeline());
}

#[test]
fn the_timeline_of_a_drain_that_a_stop_ends() {
    let mut life = Life::new(Plan::new()).hooks(&["database"]).running();
    life.opened(1).input(Input::Drain).listeners_closed();
    life.to(45_000).closed(1).to(90_000).stop();
    life.hook_ended(0, HookEnd::Ok).disposed();
    compare("timeline__core_drain_then_stop", &life.timeline());
}

#[test]
fn the_timeline_of_a_stop_that_was_frozen() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5)))
        .hooks(&["database"])
        .running();
    life.opened(1).stop().freeze_to(60_000);
    life.to(60_100).listeners_closed().closed(1);
    life.to(60_200).hook_ended(0, HookEnd::Ok).disposed();
    compare("timeline__core_frozen", &life.timeline());
}

#[test]
fn the_timeline_of_what_does_not_end() {
    let mut life = Life::new(Plan::new()).hooks(&["database", "cache: database"]);
    life.model.register_worker("reaper");
    let mut life = life.panicking("stopping").running();
    life.opened(1).stop().play_out();
    compare("timeline__core_nothing_ends", &life.timeline());
}
