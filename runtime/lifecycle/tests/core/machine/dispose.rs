//! Disposing: what is waited for, what is left, and what that makes of the end (tests of floor 0).
//!
//! **Invariant:** what is named as stuck is not waited for.

use lamplighter_lifecycle::{Failure, HookEnd, Input, Phase, Plan, WorkerEnd, WorkerId};

use crate::life::{Life, at};

fn undisposed(life: &mut Life, left: &[&str]) {
    let left = left.iter().map(|name| (*name).into()).collect();
    life.input(Input::Undisposed(left));
}

#[test]
fn what_is_not_disposed_of_in_time_is_left_and_named() {
    let mut life = Life::new(Plan::new()).running();
    life.stop().listeners_closed().to(499);
    assert_eq!(life.phase(), Phase::Disposing);
    life.asked();
    life.timeout(at(500));
    assert_eq!(life.asked(), ["name what is left"]);
    undisposed(&mut life, &["start", "hook database"]);
    life.play_out();
    assert_eq!(
        (life.phase(), life.model.machine.now()),
        (Phase::Stopped, at(500))
    );
    assert_eq!(life.report().outcome.exit_code(), 12);
    let failures = life.report().failures;
    let left = ["start".into(), "hook database".into()].into();
    assert_eq!(failures, [Failure::NotDisposed { left }]);
    assert_eq!(
        failures[0].to_string(),
        "own tasks were not gone in time: start, hook database"
    );
}

#[test]
fn what_is_gone_in_the_instant_of_the_question_was_disposed_of() {
    for answer in [Input::Disposed, Input::Undisposed([].into())] {
        let mut life = Life::new(Plan::new()).running();
        life.stop().listeners_closed().timeout(at(500));
        life.input(answer);
        assert_eq!(life.phase(), Phase::Stopped);
        assert!(life.report().outcome.is_clean(), "{}", life.report());
    }
}

#[test]
fn an_answer_that_took_its_time_counts() {
    let mut life = Life::new(Plan::new()).running();
    life.stop().listeners_closed().timeout(at(500));
    let left: std::sync::Arc<[std::sync::Arc<str>]> = ["start".into()].into();
    life.model.handle(at(700), Input::Undisposed(left.clone()));
    let failures = life.report().failures;
    assert_eq!(failures, [Failure::NotDisposed { left }]);
}

#[test]
fn a_driver_that_does_not_say_what_is_left_holds_nothing() {
    let mut life = Life::new(Plan::new()).running();
    life.stop().listeners_closed().to(500);
    assert_eq!(life.phase(), Phase::Stopped);
    let failures = life.report().failures;
    assert_eq!(failures, [Failure::NotDisposed { left: [].into() }]);
    assert_eq!(failures[0].to_string(), "own tasks were not gone in time");
}

#[test]
fn nobody_is_believed_who_names_what_is_left_unasked() {
    let mut life = Life::new(Plan::new()).running();
    undisposed(&mut life, &["start"]);
    life.stop().listeners_closed();
    undisposed(&mut life, &["start"]);
    assert_eq!(life.phase(), Phase::Disposing);
    life.disposed();
    assert!(life.report().outcome.is_clean(), "{}", life.report());
}

#[test]
fn a_stuck_connection_and_a_stuck_worker_are_not_waited_for_again() {
    let mut life = Life::new(Plan::new());
    life.model.register_worker("reaper");
    life.model.register_worker("sweeper");
    let mut life = life.running();
    life.opened(1)
        .opened(2)
        .stop()
        .listeners_closed()
        .to(30_000);
    life.closed(2);
    let (worker, end) = (WorkerId::new(0), WorkerEnd::Aborted);
    life.input(Input::WorkerEnded { worker, end });
    life.asked();
    life.to(30_250);
    assert_eq!(
        life.asked(),
        [
            "abort connections",
            "dispose of all but conn#1, worker sweeper"
        ]
    );
    life.disposed();
    // Work was cut, and named for being stuck; nothing was abandoned.
    assert_eq!(life.report().outcome.exit_code(), 10);
    assert_eq!(life.report().outcome.stuck, 2);
}

#[test]
fn a_hook_that_ignores_its_abort_is_not_waited_for_again() {
    let mut life = Life::new(Plan::new())
        .hooks(&["database", "cache"])
        .running();
    life.stop().listeners_closed();
    life.hook_ended(1, HookEnd::Ok).asked();
    life.to(4_100);
    assert_eq!(
        life.asked(),
        ["abort database", "dispose of all but database"]
    );
    life.disposed();
    assert_eq!(life.report().outcome.exit_code(), 11);
    assert!(life.report().hooks[0].still_running);
}
