//! Stops that go as they should (tests of floor 0).
//!
//! **Invariant:** every effect of a stop is seen, in its order.

use lamplighter_lifecycle::{
    Cause, Event, Input, LameDuckReadiness, OnDeadline, Phase, Plan, Readiness,
};
use std::time::Duration;

use crate::life::{Life, at, secs};

#[test]
fn a_clean_stop_asks_for_one_thing_after_the_other() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5)))
        .hooks(&["database", "cache: database"])
        .running();
    life.opened(1).stop();
    assert_eq!(
        life.asked(),
        ["not ready", "announce stopping", "lame duck until 5000 ms"]
    );
    assert_eq!(life.to(4999).phase(), Phase::LameDuck);
    life.to(5000);
    assert_eq!(life.asked(), ["drain until 35000 ms", "close listeners"]);
    life.listeners_closed().to(6000).closed(1);
    assert_eq!(life.asked(), ["run database until 8000 ms"]);
    life.to(6500)
        .hook_ended(0, lamplighter_lifecycle::HookEnd::Ok);
    assert_eq!(life.asked(), ["run cache until 10000 ms"]);
    life.to(7000)
        .hook_ended(1, lamplighter_lifecycle::HookEnd::Ok);
    assert_eq!(life.asked(), ["dispose"]);
    life.disposed();
    assert_eq!(life.asked(), ["seal", "announce stop", "finish"]);
    let report = life.report();
    assert_eq!((report.total, report.outcome.exit_code()), (secs(7), 0));
    assert!(report.complete && report.outcome.is_clean());
}

#[test]
fn a_stop_with_nothing_to_do_takes_no_time() {
    let mut life = Life::new(Plan::new()).running();
    life.stop().listeners_closed().disposed();
    assert_eq!(life.phase(), Phase::Stopped);
    assert_eq!(life.report().total, Duration::ZERO);
    let phases: Vec<Phase> = life
        .report()
        .phases
        .iter()
        .map(|phase| phase.phase)
        .collect();
    assert_eq!(phases, Phase::STOPPING);
}

#[test]
fn the_lame_duck_does_not_end_for_lack_of_connections() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5))).running();
    life.opened(1).stop().to(1000).closed(1);
    assert_eq!(life.to(4999).phase(), Phase::LameDuck);
    assert_eq!(life.to(5000).phase(), Phase::Draining);
}

#[test]
fn readiness_that_is_held_goes_off_with_the_end_of_the_lame_duck() {
    let plan = Plan::new()
        .lame_duck(secs(5))
        .lame_duck_readiness(LameDuckReadiness::Held);
    let mut life = Life::new(plan.clone()).running();
    life.opened(1).stop();
    assert_eq!(
        life.asked(),
        ["announce stopping", "lame duck until 5000 ms"]
    );
    assert_eq!(life.model.machine.readiness(), Readiness::Ready);
    life.to(5000);
    assert_eq!(
        life.asked(),
        ["not ready", "drain until 35000 ms", "close listeners"]
    );
    assert_eq!(life.model.machine.readiness(), Readiness::NotReady);

    // Whatever ends the lame duck ends it.
    let mut forced = Life::new(plan).running();
    forced.signal().to(1000).signal();
    assert_eq!(
        forced.asked().get(2).map(String::as_str),
        Some("not ready"),
        "before anything that a second signal does"
    );
}

#[test]
fn without_a_lame_duck_there_is_nothing_to_hold_readiness_for() {
    let plan = Plan::new().lame_duck_readiness(LameDuckReadiness::Held);
    let mut life = Life::new(plan).running();
    life.opened(1).stop();
    assert_eq!(
        life.asked().first().map(String::as_str),
        Some("not ready"),
        "at the cause"
    );
    assert_eq!(life.model.machine.readiness(), Readiness::NotReady);
}

#[test]
fn a_second_stop_changes_nothing_but_is_told() {
    let mut life = Life::new(Plan::new()).running();
    life.opened(1).stop();
    let (due, ends_by) = (
        life.model.machine.poll_timeout(),
        life.model.machine.ends_by(),
    );
    life.asked();
    life.to(1000);
    let again = Cause::Requested(Some("again".into()));
    let (_, moment) = life.model.handle(at(1000), Input::Stop(again.clone()));
    assert_eq!(moment.effects, []);
    assert_eq!(moment.events, [(at(1000), Event::StopAgain(again))]);
    assert_eq!(life.model.machine.poll_timeout(), due);
    assert_eq!(life.model.machine.ends_by(), ends_by);
    assert_eq!(life.report().cause, Some(Cause::Requested(None)));
}

#[test]
fn work_in_flight_at_the_deadline_is_cancelled_and_then_cut() {
    let mut life = Life::new(Plan::new()).running();
    life.opened(1).stop().listeners_closed();
    life.asked();
    assert_eq!(life.to(29_899).asked(), [""; 0]);
    assert_eq!(life.to(29_900).asked(), ["cancel"]);
    assert_eq!(life.to(30_000).asked(), ["force"]);
    assert_eq!(life.phase(), Phase::ForceClosing);
    life.to(30_250);
    assert_eq!(
        life.asked(),
        ["abort connections", "dispose of all but conn#1"]
    );
    assert_eq!(life.report().outcome.stuck, 1);
    assert_eq!(life.report().outcome.exit_code(), 10);
}

#[test]
fn a_drain_of_zero_tells_everybody_once_and_then_cuts() {
    let mut life = Life::new(Plan::new().drain_timeout(Duration::ZERO)).running();
    life.opened(1).stop();
    assert_eq!(
        life.asked(),
        [
            "not ready",
            "announce stopping",
            "drain until 0 ms",
            "close listeners"
        ]
    );
    assert_eq!(life.phase(), Phase::Draining);
    life.timeout(at(0));
    assert_eq!(life.asked(), ["cancel", "force", "drop listeners"]);
}

#[test]
fn a_drain_of_zero_after_a_lame_duck_tells_everybody_once_and_then_cuts() {
    let plan = Plan::new().lame_duck(secs(5)).drain_timeout(Duration::ZERO);
    let mut life = Life::new(plan).running();
    life.opened(1).stop();
    life.asked();
    // Between the two, whoever drives this lets every connection hear of it.
    life.timeout(at(5000));
    assert_eq!(life.asked(), ["drain until 5000 ms", "close listeners"]);
    assert_eq!(life.phase(), Phase::Draining);
    assert_eq!(life.model.machine.poll_timeout(), Some(at(5000)));
    life.timeout(at(5000));
    assert_eq!(life.asked(), ["cancel", "force", "drop listeners"]);
}

#[test]
fn a_plan_that_keeps_waiting_waits_as_long_as_it_takes_and_runs_hooks_then() {
    let plan = Plan::new().on_deadline(OnDeadline::KeepWaiting);
    let mut life = Life::new(plan).hooks(&["database"]).running();
    life.opened(1).signal().listeners_closed();
    assert_eq!(
        life.asked(),
        [
            "not ready",
            "announce stopping",
            "drain without end",
            "close listeners"
        ]
    );
    assert_eq!(life.model.machine.poll_timeout(), None);
    assert_eq!(life.model.machine.ends_by(), None);
    life.to(86_400_000).closed(1);
    assert_eq!(life.asked(), ["run database until 86404000 ms"]);
    assert_eq!(life.report().budget, None);
}

#[test]
fn a_wait_without_end_that_ends_by_itself_has_an_end_from_then_on() {
    let plan = Plan::new().on_deadline(OnDeadline::KeepWaiting);
    let mut life = Life::new(plan).hooks(&["database"]).running();
    life.opened(1)
        .signal()
        .listeners_closed()
        .to(60_000)
        .closed(1);
    assert_eq!(life.phase(), Phase::RunningHooks);
    assert_eq!(life.model.machine.ends_by(), Some(at(65_000)));
    life.play_out();
    assert!(life.model.machine.now() <= at(65_000));
}

#[test]
fn a_first_signal_ends_the_wait_of_a_plan_that_keeps_waiting() {
    let plan = Plan::new().on_deadline(OnDeadline::KeepWaiting);
    let mut life = Life::new(plan).running();
    life.opened(1).stop().listeners_closed().to(100_000);
    life.asked();
    life.signal();
    assert_eq!(life.asked(), ["tighten to 130000 ms"]);
    assert_eq!(life.model.machine.ends_by(), Some(at(135_000)));
    assert_eq!(life.to(130_000).asked(), ["cancel", "force"]);
}

#[test]
fn a_drain_runs_no_hook_until_somebody_stops() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5)))
        .hooks(&["database"])
        .running();
    life.opened(1).input(Input::Drain);
    assert_eq!(
        life.asked(),
        ["not ready", "announce stopping", "lame duck until 5000 ms"]
    );
    life.to(5000).listeners_closed().to(600_000);
    assert_eq!(life.asked(), ["drain without end", "close listeners"]);
    assert!(!life.model.machine.is_drained());
    life.closed(1);
    assert!(life.model.machine.is_drained());
    assert_eq!(life.to(900_000).asked(), [""; 0]);
    assert_eq!(life.phase(), Phase::Draining);
    life.stop();
    assert_eq!(
        life.asked(),
        ["tighten to 930000 ms", "run database until 904000 ms"]
    );
    assert_eq!(life.model.machine.ends_by(), Some(at(940_000)));
    assert_eq!(life.report().cause, Some(Cause::Drain));
}

#[test]
fn a_signal_ends_a_drain_without_a_second_lame_duck() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5))).running();
    life.opened(1).input(Input::Drain);
    life.to(2000).signal();
    // The lame duck under way goes on; the drain begins where it ends.
    assert_eq!(life.to(5000).phase(), Phase::Draining);
    assert_eq!(
        life.asked()[3..],
        ["drain until 35000 ms", "close listeners"]
    );
    assert_eq!(life.model.machine.ends_by(), Some(at(42_000)));
}

#[test]
fn a_stop_ends_the_drain_of_a_plan_that_keeps_waiting_but_not_the_waiting() {
    let plan = Plan::new().on_deadline(OnDeadline::KeepWaiting);
    let mut life = Life::new(plan).running();
    life.opened(1).input(Input::Drain).listeners_closed();
    life.to(10_000).stop();
    assert_eq!(life.model.machine.ends_by(), None);
    life.to(20_000).closed(1);
    assert_eq!(life.phase(), Phase::Disposing);
}

#[test]
fn a_margin_of_zero_makes_no_clean_stop_an_abandoned_one() {
    let mut life = Life::new(Plan::new().margin(Duration::ZERO)).running();
    life.stop().listeners_closed();
    assert_eq!(life.phase(), Phase::Disposing);
    // Nothing is waited for: the timer may come before the answer does.
    life.timeout(at(0));
    assert_eq!(life.phase(), Phase::Stopped);
    assert!(life.report().outcome.is_clean(), "{}", life.report());
    assert!(life.report().failures.is_empty());
}

#[test]
fn a_stop_of_a_server_that_was_never_started_waits_for_its_start() {
    let mut life = Life::new(Plan::new()).hooks(&["database"]);
    life.stop();
    assert_eq!((life.phase(), life.asked()), (Phase::Created, vec![]));
    life.input(Input::Start);
    assert_eq!(
        life.asked(),
        [
            "not ready",
            "announce stopping",
            "drain until 30000 ms",
            "run database until 4000 ms"
        ]
    );
    life.hook_ended(0, lamplighter_lifecycle::HookEnd::Ok)
        .disposed();
    assert_eq!(life.asked(), ["dispose", "seal", "announce stop", "finish"]);
    assert!(life.report().outcome.stopped_before_ready);
    assert_eq!(life.report().outcome.exit_code(), 0);
}

#[test]
fn a_discarded_server_tells_that_its_hooks_were_not_started() {
    let mut life = Life::new(Plan::new()).hooks(&["database", "cache"]);
    let (_, moment) = life.model.handle(at(0), Input::Discard);
    let settled: Vec<String> = moment
        .events
        .iter()
        .filter(|(_, event)| matches!(event, Event::HookSettled { .. }))
        .map(|(_, event)| event.to_string())
        .collect();
    assert_eq!(
        settled,
        [
            "hook          database not started",
            "hook          cache not started"
        ]
    );
    assert!(matches!(moment.events.last(), Some((_, Event::Stop))));
    assert_eq!(life.report().outcome.exit_code(), 0);
    life.input(Input::Start);
    assert_eq!((life.phase(), life.asked()), (Phase::Stopped, vec![]));
}
