//! Starts that go well, fail, or are told to end (tests of floor 0).
//!
//! **Invariant:** a start that is over never makes a server ready.

use lamplighter_lifecycle::{Event, HookEnd, Input, Phase, Plan, StartFailure};

use crate::life::{Life, at, millis, secs};

fn bind_failed() -> Input {
    Input::StartFailed(StartFailure::Bind("0.0.0.0:5000 is in use".into()))
}

#[test]
fn a_start_binds_proves_its_readiness_and_serves() {
    let mut life = Life::new(Plan::new());
    life.model.register_worker("reaper");
    life.input(Input::Start);
    assert_eq!(life.asked(), ["announce start", "begin start"]);
    assert_eq!(life.model.machine.poll_timeout(), Some(at(30_000)));
    life.to(100).input(Input::Bound);
    // It looks sixteen times whether the process runs, before the time of the checks is over.
    assert_eq!(
        life.model.machine.poll_timeout(),
        Some(at(100) + millis(3000) / 16)
    );
    life.to(200).input(Input::Ready);
    assert_eq!(
        life.asked(),
        ["ready", "serve", "announce ready", "start worker 0"]
    );
    assert_eq!(life.phase(), Phase::Running);
    assert_eq!(life.model.machine.poll_timeout(), None);
}

/// A start whose checks are asked since instant 0, which ran for 1 s, and then not until 10 s.
fn thawed() -> Life {
    let mut life = Life::new(Plan::new());
    life.input(Input::Start).input(Input::Bound).to(1000);
    life.timeout(at(10_000));
    life
}

/// The pulse that was missed first was due at six sixteenths of 3 s; from there on it slept.
const ASLEEP: u64 = 10_000 - 1125;

#[test]
fn time_in_which_the_process_is_frozen_is_not_the_checks() {
    let mut life = thawed();
    assert_eq!(life.phase(), Phase::Starting);
    life.to(3000 + ASLEEP - 1).input(Input::Ready);
    assert_eq!(life.phase(), Phase::Running);
}

#[test]
fn a_thawed_start_has_no_more_than_what_it_had_left() {
    let mut life = thawed();
    life.to(3000 + ASLEEP - 1);
    assert_eq!(life.phase(), Phase::Starting);
    life.to(3000 + ASLEEP).play_out();
    let failure = life.report().outcome.start_failure;
    assert!(
        matches!(failure, Some(StartFailure::NotReady(_))),
        "{failure:?}"
    );
}

#[test]
fn timers_that_come_a_little_late_give_no_start_more_time() {
    let mut life = Life::new(Plan::new());
    life.input(Input::Start).input(Input::Bound);
    while let Some(due) = life.model.machine.poll_timeout()
        && due < at(2900)
    {
        life.timeout(due + millis(99));
    }
    assert_eq!(life.phase(), Phase::Starting);
    life.timeout(at(3000)).play_out();
    assert!(life.report().outcome.start_failure.is_some());
}

#[test]
fn readiness_that_is_the_first_word_after_a_freeze_is_in_time() {
    let mut life = Life::new(Plan::new());
    life.input(Input::Start).input(Input::Bound).to(1000);
    life.model.handle(at(60_000), Input::Ready);
    assert_eq!(life.phase(), Phase::Running);
}

#[test]
fn a_failed_start_runs_hooks_and_ends_with_its_error() {
    let mut life = Life::new(Plan::new()).hooks(&["database"]);
    life.input(Input::Start);
    life.asked();
    life.input(bind_failed());
    assert_eq!(
        life.asked(),
        [
            "not ready",
            "drain until 0 ms",
            "run database until 4000 ms"
        ]
    );
    life.to(100).hook_ended(0, HookEnd::Ok);
    assert_eq!(life.asked(), ["dispose"]);
    life.disposed();
    assert_eq!(life.asked(), ["announce error", "seal", "finish"]);
    let events: Vec<Event> = life
        .model
        .timeline
        .entries()
        .map(|(_, event)| event.clone())
        .collect();
    assert!(matches!(events.last(), Some(Event::Error(_))));
    assert!(!events.contains(&Event::Stop));
    assert_eq!(life.report().outcome.exit_code(), 69);
}

#[test]
fn nothing_is_told_after_the_error_of_a_failed_start() {
    let mut life = Life::new(Plan::new());
    life.answers_callbacks = false;
    life.input(Input::Start).input(bind_failed()).disposed();
    assert_eq!(life.phase(), Phase::Disposing);
    for input in [
        Input::Signal(lamplighter_lifecycle::Signal::Sigterm),
        Input::Stop(lamplighter_lifecycle::Cause::Requested(None)),
        Input::Force,
    ] {
        let (_, moment) = life.model.handle(at(0), input);
        assert_eq!(moment.events, []);
    }
    life.play_out();
    let last = life.model.timeline.entries().last().unwrap().1.clone();
    assert!(matches!(last, Event::Error(_)), "{last}");
}

#[test]
fn a_bad_configuration_fails_the_start_before_it_begins() {
    let mut life = Life::new(Plan::new()).hooks(&["cache: datbase"]);
    life.input(Input::Start);
    assert_eq!(
        life.asked(),
        [
            "announce start",
            "not ready",
            "drain until 0 ms",
            "run cache until 4000 ms"
        ]
    );
    let failure = life.report().outcome.start_failure.clone();
    assert!(matches!(failure, Some(StartFailure::Configuration(_))));
    assert_eq!(life.report().outcome.exit_code(), 78);
}

#[test]
fn where_a_plan_comes_from_is_told_where_it_does_not_hold_and_of_nothing_else() {
    let told = |plan: Plan, hooks: &[&str]| {
        let mut life = Life::new(plan).hooks(hooks);
        life.model.machine.set_plan_note("LAME_DUCK_MS is 20000");
        life.input(Input::Start);
        let failure = life.report().outcome.start_failure.clone();
        failure.unwrap().message().to_owned()
    };
    let plan = told(Plan::within(secs(10)).lame_duck(secs(20)), &[]);
    assert!(plan.ends_with("; LAME_DUCK_MS is 20000"), "{plan}");
    let hooks = told(Plan::new(), &["cache: datbase"]);
    assert!(!hooks.contains("LAME_DUCK_MS"), "{hooks}");
}

#[test]
fn readiness_that_is_not_proven_in_time_fails_the_start_with_what_was_red() {
    let mut life = Life::new(Plan::new());
    life.input(Input::Start).to(1000).input(Input::Bound);
    life.input(Input::ChecksRed("database".into()));
    life.asked();
    life.to(3999);
    assert_eq!(life.phase(), Phase::Starting);
    life.to(4000);
    assert_eq!(
        life.asked(),
        [
            "not ready",
            "drain until 4000 ms",
            "drop listeners",
            "drop start",
            "cancel",
            "force",
            "drop listeners",
            "drop start"
        ]
    );
    let failure = life.report().outcome.start_failure.clone().unwrap();
    assert_eq!(failure.message(), "not ready within 3s: database");
}

#[test]
fn a_start_that_takes_too_long_fails() {
    let mut life = Life::new(Plan::new().start_timeout(secs(10)));
    life.input(Input::Start).to(10_000);
    let failure = life.report().outcome.start_failure.clone().unwrap();
    assert_eq!(failure.message(), "the start took longer than 10s");
    // A late answer of it makes nothing ready.
    life.input(Input::Bound).input(Input::Ready);
    assert!(!life.asked().contains(&"ready".to_owned()));
}

#[test]
fn a_start_that_is_lost_fails() {
    let mut life = Life::new(Plan::new());
    life.input(Input::Start).input(Input::StartEnded);
    let failure = life.report().outcome.start_failure.clone().unwrap();
    assert_eq!(failure.message(), "the start ended without a result");
}

#[test]
fn a_stop_during_the_start_cancels_it_and_drops_it_a_second_later() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5))).hooks(&["database"]);
    life.input(Input::Start).to(500);
    life.asked();
    life.stop();
    assert_eq!(
        life.asked(),
        [
            "not ready",
            "announce stopping",
            "cancel start",
            "drain until 30500 ms"
        ]
    );
    assert_eq!(life.to(1499).asked(), [""; 0]);
    assert_eq!(life.to(1500).asked(), ["drop start"]);
    life.input(Input::StartEnded);
    assert_eq!(life.asked(), ["run database until 5500 ms"]);
    life.hook_ended(0, HookEnd::Ok).disposed();
    assert_eq!(life.report().outcome.exit_code(), 0);
    assert!(life.report().outcome.stopped_before_ready);
    assert_eq!(life.report().outcome.start_failure, None);
}

#[test]
fn a_cancelled_start_that_says_it_failed_has_only_ended() {
    let mut life = Life::new(Plan::new());
    life.input(Input::Start)
        .stop()
        .input(bind_failed())
        .disposed();
    assert_eq!(life.phase(), Phase::Stopped);
    assert_eq!(life.report().outcome.start_failure, None);
}

#[test]
fn what_a_cancelled_start_has_just_opened_is_closed_again() {
    let mut life = Life::new(Plan::new());
    life.input(Input::Start).stop();
    life.asked();
    life.input(Input::Bound);
    assert_eq!(life.asked(), ["drop listeners"]);
    life.input(Input::StartEnded);
    assert_eq!(life.phase(), Phase::Draining);
    life.listeners_closed();
    assert_eq!(life.phase(), Phase::Disposing);
}

#[test]
fn a_second_signal_drops_the_start_now() {
    let mut life = Life::new(Plan::new());
    life.input(Input::Start).signal().to(400);
    life.asked();
    life.signal();
    assert_eq!(life.asked(), ["tighten to 500 ms", "drop start", "cancel"]);
}

#[test]
fn a_start_that_has_ended_is_not_dropped_a_second_later() {
    let mut life = Life::new(Plan::new());
    // Something else still goes on: the listeners that it had opened.
    life.input(Input::Start).input(Input::Bound).stop();
    life.to(100).input(Input::StartEnded);
    life.asked();
    assert_eq!(life.to(10_000).asked(), [""; 0]);
    assert_eq!(life.model.machine.poll_timeout(), Some(at(29_900)));
}

#[test]
fn the_grace_of_a_cancelled_start_is_at_most_the_drain() {
    let mut life = Life::new(Plan::new().drain_timeout(millis(200)));
    life.input(Input::Start).stop();
    life.asked();
    life.to(180);
    assert_eq!(life.asked(), ["cancel"]);
    life.timeout(at(200));
    assert_eq!(life.asked(), ["drop start", "force", "drop start"]);
}
