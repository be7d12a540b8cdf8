//! Hooks: in their turn, in their time (tests of floor 0).
//!
//! **Invariant:** a hook that hangs costs its dependents nothing of their share.

use lamplighter_lifecycle::{
    HookEnd, HookError, HookKind, HookOutcome, HookSpec, Input, Phase, Plan, StartFailure,
};
use std::time::Duration;

use crate::life::{Life, at, millis, secs, spec};

fn stopped(life: &mut Life) -> Vec<String> {
    life.asked();
    life.stop().listeners_closed();
    life.asked().split_off(4)
}

#[test]
fn hooks_that_nothing_orders_run_side_by_side_and_each_has_all_the_time() {
    let mut life = Life::new(Plan::new())
        .hooks(&["database", "cache"])
        .running();
    assert_eq!(
        stopped(&mut life),
        ["run database until 4000 ms", "run cache until 4000 ms"]
    );
}

#[test]
fn a_hung_hook_does_not_starve_those_that_wait_for_it() {
    let mut life = Life::new(Plan::new())
        .hooks(&["database", "cache: database", "telemetry: cache database"])
        .running();
    assert_eq!(stopped(&mut life), ["run database until 1333333333 ns"]);
    life.to(1334);
    assert_eq!(
        life.asked(),
        ["abort database", "run cache until 2666666666 ns"]
    );
    life.to(2667);
    assert_eq!(life.asked(), ["abort cache", "run telemetry until 4000 ms"]);
    life.hook_ended(2, HookEnd::Ok);
    assert_eq!(life.hook_outcome("telemetry"), Some(HookOutcome::Ok));
    assert_eq!(life.hook_outcome("database"), Some(HookOutcome::TimedOut));
}

#[test]
fn a_hook_that_fails_does_not_stop_those_that_wait_for_it() {
    let mut life = Life::new(Plan::new())
        .hooks(&["database", "cache: database"])
        .running();
    stopped(&mut life);
    life.hook_ended(0, HookEnd::Failed("broken pipe".into()));
    assert_eq!(life.asked(), ["run cache until 4000 ms"]);
    assert_eq!(life.report().outcome.hooks_not_ok, 1);
}

#[test]
fn an_aborted_hook_is_waited_for_a_tenth_of_the_margin_and_then_left() {
    let mut life = Life::new(Plan::new()).hooks(&["database"]).running();
    stopped(&mut life);
    assert_eq!(life.to(4000).asked(), ["abort database"]);
    assert_eq!(life.to(4099).phase(), Phase::RunningHooks);
    assert_eq!(life.to(4100).phase(), Phase::Disposing);
    assert!(life.report().hooks[0].still_running);
    // It ends after all.
    life.to(4200).hook_ended(0, HookEnd::Aborted);
    assert!(!life.report().hooks[0].still_running);
}

#[test]
fn an_aborted_hook_that_ends_is_not_waited_for_any_longer() {
    let mut life = Life::new(Plan::new()).hooks(&["database"]).running();
    stopped(&mut life);
    life.to(4000).to(4010).hook_ended(0, HookEnd::Aborted);
    assert_eq!(life.phase(), Phase::Disposing);
    assert_eq!(life.hook_outcome("database"), Some(HookOutcome::TimedOut));
}

#[test]
fn a_blocking_hook_is_left_running_and_named() {
    let spec = HookSpec::named("database").kind(HookKind::Blocking);
    let mut life = Life::new(Plan::new()).hook(spec).running();
    stopped(&mut life);
    assert_eq!(life.to(4000).asked(), ["dispose of all but database"]);
    assert!(life.report().hooks[0].still_running);
}

#[test]
fn a_hook_is_not_started_when_the_window_is_over() {
    let slow = HookSpec::named("database").timeout(secs(4));
    let mut life = Life::new(Plan::new())
        .hook(slow)
        .hook(spec("cache: database").kind(HookKind::Blocking))
        .running();
    stopped(&mut life);
    assert_eq!(life.to(4000).asked(), ["abort database"]);
    assert_eq!(life.hook_outcome("cache"), Some(HookOutcome::NotStarted));
    assert!(!life.report().hooks[1].still_running);
}

#[test]
fn hooks_of_a_plan_that_has_no_time_for_them_are_not_started() {
    let mut life = Life::new(Plan::new().hooks_timeout(Duration::ZERO)).hooks(&["database"]);
    life.input(Input::Start).play_out();
    let failure = life.report().outcome.start_failure.clone();
    assert!(matches!(failure, Some(StartFailure::Configuration(_))));
    assert_eq!(life.hook_outcome("database"), Some(HookOutcome::NotStarted));
}

#[test]
fn a_fair_share_of_nanoseconds_is_never_none() {
    let mut life = Life::new(Plan::new().hooks_timeout(Duration::from_nanos(1)))
        .hooks(&["database", "cache: database"])
        .running();
    assert_eq!(stopped(&mut life), ["run database until 1 ns"]);
}

#[test]
fn a_hook_that_ends_exactly_at_its_deadline_is_in_time() {
    let mut life = Life::new(Plan::new()).hooks(&["database"]).running();
    stopped(&mut life);
    let hook = lamplighter_lifecycle::HookId::new(0);
    let end = HookEnd::Ok;
    life.model.handle(at(4000), Input::HookEnded { hook, end });
    assert_eq!(life.hook_outcome("database"), Some(HookOutcome::Ok));
}

#[test]
fn a_hook_that_ends_after_its_deadline_is_not() {
    let mut life = Life::new(Plan::new()).hooks(&["database"]).running();
    stopped(&mut life);
    let hook = lamplighter_lifecycle::HookId::new(0);
    let end = HookEnd::Ok;
    let late = at(4000) + Duration::from_nanos(1);
    life.model.handle(late, Input::HookEnded { hook, end });
    assert_eq!(life.hook_outcome("database"), Some(HookOutcome::TimedOut));
}

#[test]
fn a_hook_that_was_aborted_is_gone_and_one_that_ran_to_its_end_has_ended() {
    let ends = [
        (HookEnd::Aborted, "hook          database gone\n"),
        (HookEnd::Ok, "hook          database ended after all\n"),
    ];
    for (end, told) in ends {
        let mut life = Life::new(Plan::new()).hooks(&["database"]).running();
        stopped(&mut life);
        life.to(4000).hook_ended(0, end);
        let timeline = life.report().timeline_text().to_string();
        assert!(timeline.contains(told), "{timeline}");
    }
}

#[test]
fn a_hook_registered_too_late_is_refused_with_the_phase() {
    let mut life = Life::new(Plan::new()).hooks(&["database"]).running();
    life.opened(1).stop();
    assert!(
        life.model
            .machine
            .register_hook(spec("late: database"))
            .is_ok()
    );
    life.listeners_closed().closed(1);
    assert_eq!(life.phase(), Phase::RunningHooks);
    assert_eq!(
        life.model.machine.register_hook(spec("later")),
        Err(HookError::TooLate {
            phase: Phase::RunningHooks
        })
    );
    assert_eq!(life.report().hooks.len(), 2);
}

#[test]
fn a_running_server_takes_no_hook_that_waits_for_a_name_it_does_not_know() {
    let mut life = Life::new(Plan::new()).running();
    let refused = life.model.machine.register_hook(spec("cache: database"));
    assert!(matches!(refused, Err(HookError::Unknown { .. })));
    assert_eq!(life.report().hooks.len(), 0);
}

#[test]
fn hooks_have_their_window_from_their_real_start() {
    let mut life = Life::new(Plan::new()).hooks(&["database"]).running();
    life.opened(1).stop().listeners_closed().to(30_000);
    life.asked();
    life.to(30_200).closed(1);
    assert_eq!(life.asked(), ["run database until 34200 ms"]);
}

#[test]
fn an_explicit_timeout_is_kept_within_the_window() {
    let quick = HookSpec::named("database").timeout(millis(300));
    let mut life = Life::new(Plan::new())
        .hook(quick)
        .hooks(&["cache: database"])
        .running();
    assert_eq!(stopped(&mut life), ["run database until 300 ms"]);
    life.to(300);
    assert_eq!(life.asked(), ["abort database", "run cache until 4000 ms"]);
}
