//! What a person reads of a few lives (tests of floor 0).
//!
//! **Invariant:** every line of a timeline is of the life that its name tells.

use lamplighter_lifecycle::{
    ConnectionEnd, HookEnd, Input, Plan, Protocol, Signal, StartFailure, Work, WorkerEnd, WorkerId,
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

/// The one that the README shows: the quickstart with a sleeper, and everything open beside it.
#[test]
fn the_timeline_of_the_readme() {
    let hooks = ["database", "cache: database", "telemetry: database cache"];
    let mut life = Life::new(Plan::within(secs(30))).hooks(&hooks).running();
    life.to(60_000).opened(1).opened(2);
    life.input(Input::Signal(Signal::Sigint));
    life.to(60_001).listeners_closed().closed(2);
    life.to(63_204).closed(1);
    for (hook, millis) in [(0, 63_206), (1, 63_207), (2, 63_215)] {
        life.to(millis).hook_ended(hook, HookEnd::Ok);
    }
    life.disposed();
    compare("timeline__readme", &life.timeline());
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
