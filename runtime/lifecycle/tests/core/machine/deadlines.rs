//! Time: frozen, jumped, run back, at its end (tests of floor 0).
//!
//! **Invariant:** whatever the clock does, every phase is passed.

use lamplighter_lifecycle::{Input, Instant, Phase, Plan, Signal};
use std::time::Duration;

use crate::life::{Life, at, millis, secs};

#[test]
fn after_a_freeze_every_phase_is_passed_in_a_call_of_its_own() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5)))
        .hooks(&["database"])
        .running();
    life.opened(1).stop();
    life.asked();
    // Nobody ran for a minute: the lame duck and the drain are long over.
    life.timeout(at(60_000));
    assert_eq!(life.asked(), ["drain until 35000 ms", "close listeners"]);
    assert_eq!(life.model.machine.poll_timeout(), Some(at(34_900)));
    life.timeout(at(60_000));
    assert_eq!(life.asked(), ["cancel", "force", "drop listeners"]);
    assert_eq!(life.model.machine.poll_timeout(), Some(at(60_250)));
    life.to(60_250);
    // The hooks have all of their window.
    assert_eq!(
        life.asked(),
        ["abort connections", "run database until 64250 ms"]
    );
    assert_eq!(life.report().stalled, secs(55));
}

#[test]
fn a_frozen_stop_ends_within_its_budget_and_what_it_was_frozen_for() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5)))
        .hooks(&["database"])
        .running();
    life.opened(1).stop().freeze_to(20_000).play_out();
    assert_eq!(life.phase(), Phase::Stopped);
    let report = life.report();
    assert_eq!(report.stalled, secs(15));
    assert!(report.total <= report.budget.unwrap() + report.stalled);
    let entered: Vec<Instant> = report.phases.iter().map(|phase| phase.began).collect();
    assert_eq!(
        entered,
        [at(0), at(20_000), at(35_000), at(35_250), at(39_350)]
    );
}

#[test]
fn an_input_after_a_freeze_comes_after_what_had_been_due_before() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5))).running();
    life.opened(1).stop();
    let (overdue, moment) = life.model.handle(at(5001), Input::Signal(Signal::Sigterm));
    assert_eq!(overdue.unwrap().1.after.phase, Phase::Draining);
    assert_eq!(moment.effects, []);
}

#[test]
fn a_second_signal_that_comes_late_does_not_promise_an_end_in_the_past() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5))).running();
    life.opened(1).signal();
    life.model
        .machine
        .handle(at(60_000), Input::Signal(Signal::Sigterm));
    assert_eq!(life.phase(), Phase::Draining);
    // The drain deadline lies in the past; what follows it still has its time.
    assert_eq!(life.model.machine.ends_by(), Some(at(40_000)));
    let (due, stalled) = (
        life.model.machine.poll_timeout(),
        life.model.machine.stalled(),
    );
    assert!(due <= Some(at(60_000)));
    assert_eq!(stalled, secs(55));
    life.freeze_to(60_000).play_out();
    assert!(life.report().total <= life.report().budget.unwrap() + life.report().stalled);
}

#[test]
fn a_clock_that_runs_back_stands_still() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5))).running();
    life.to(10_000);
    life.model
        .machine
        .handle(at(3), Input::Signal(Signal::Sigterm));
    assert_eq!(life.model.machine.now(), at(10_000));
    assert_eq!(life.model.machine.poll_timeout(), Some(at(15_000)));
    life.timeout(at(14_000)).timeout(at(1));
    assert_eq!(life.model.machine.now(), at(14_000));
    assert_eq!(life.phase(), Phase::LameDuck);
}

#[test]
fn at_the_end_of_time_a_stop_still_ends() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5)))
        .hooks(&["database", "cache: database"])
        .running();
    life.opened(1);
    let end = Instant::MAX;
    life.model
        .machine
        .handle(end, Input::Signal(Signal::Sigterm));
    for _ in 0..20 {
        life.timeout(end);
    }
    assert_eq!(life.phase(), Phase::Stopped);
    assert_eq!(life.report().total, Duration::ZERO);
}

#[test]
fn time_saved_in_one_phase_is_given_to_none() {
    let mut life = Life::new(Plan::new()).hooks(&["database"]).running();
    life.opened(1).stop().listeners_closed().to(1000);
    life.asked();
    life.closed(1);
    assert_eq!(life.asked(), ["run database until 5000 ms"]);
}

#[test]
fn a_lame_duck_cut_short_does_not_lengthen_the_drain() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5)).cancel_lead(secs(3))).running();
    life.opened(1).signal().to(1000).signal();
    assert_eq!(life.asked()[3], "drain until 4000 ms");
    assert_eq!(life.model.machine.ends_by(), Some(at(9000)));
}

#[test]
fn a_cancel_lead_of_zero_cancels_in_the_step_that_cuts() {
    let mut life = Life::new(Plan::new().cancel_lead(Duration::ZERO)).running();
    life.opened(1).stop().listeners_closed();
    life.asked();
    assert_eq!(life.to(29_999).asked(), [""; 0]);
    assert_eq!(life.to(30_000).asked(), ["cancel", "force"]);
}

#[test]
fn a_short_freeze_within_a_phase_is_no_lateness() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5))).running();
    life.stop().timeout(at(2000)).timeout(at(4999));
    assert_eq!(life.report().stalled, Duration::ZERO);
    life.timeout(at(5010));
    assert_eq!(life.report().stalled, millis(10));
}
