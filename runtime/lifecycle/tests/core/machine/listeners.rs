//! Listeners that break: who stops, who goes on, what the exit code says (tests of floor 0).
//!
//! **Invariant:** a listener is missed only while it is open, or about to be said to be.

use lamplighter_lifecycle::{
    Cause, Event, Failure, Input, OnListenerError, Phase, Plan, Report, StartFailure,
};

use crate::life::{Life, millis, secs};

fn breaks(left: usize) -> Input {
    Input::ListenerFailed {
        listener: "0.0.0.0:5000".into(),
        error: "bad file descriptor".into(),
        left,
    }
}

fn listeners_in(failures: &[Failure]) -> usize {
    let listener = |failure: &&Failure| matches!(failure, Failure::Listener { .. });
    failures.iter().filter(listener).count()
}

/// Whether it could not stay up, and how many listeners it names.
fn lost(report: &Report) -> (u8, usize) {
    (report.outcome.exit_code(), listeners_in(&report.failures))
}

fn going_on() -> Plan {
    Plan::new().on_listener_error(OnListenerError::Continue)
}

#[test]
fn a_fatal_listener_stops_the_server_with_a_code_of_its_own() {
    for left in [0, 1] {
        let mut life = Life::new(Plan::new()).running();
        life.input(breaks(left));
        assert_eq!(
            life.asked(),
            [
                "announce error",
                "not ready",
                "announce stopping",
                "drain until 30000 ms",
                "close listeners"
            ]
        );
        life.listeners_closed().disposed();
        assert_eq!(lost(&life.report()), (69, 1));
        assert_eq!(millis(0), life.report().total);
        let cause = Cause::ListenerFailed("0.0.0.0:5000".into());
        assert_eq!(life.report().cause, Some(cause));
    }
}

#[test]
fn a_server_that_may_goes_on_with_the_listeners_that_are_left_until_the_last_one_breaks() {
    let mut life = Life::new(going_on()).running();
    life.input(breaks(1));
    assert_eq!(life.asked(), ["announce error"]);
    assert_eq!(life.phase(), Phase::Running);
    life.input(breaks(0));
    assert_eq!(life.asked()[..2], ["announce error", "not ready"]);
    life.listeners_closed().disposed();
    assert_eq!(lost(&life.report()), (69, 2));
}

#[test]
fn a_listener_that_a_server_went_on_without_is_in_the_report_and_not_in_the_exit_code() {
    let mut life = Life::new(going_on().lame_duck(secs(5))).running();
    life.input(breaks(2)).stop().input(breaks(1));
    life.to(5000).listeners_closed().disposed();
    assert_eq!(lost(&life.report()), (0, 2));
}

#[test]
fn a_listener_that_breaks_in_the_lame_duck_costs_the_exit_code_and_nothing_else() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5))).running();
    life.stop();
    life.asked();
    let now = life.model.machine.now();
    let (_, moment) = life.model.handle(now, breaks(1));
    assert_eq!(moment.effects, []);
    assert_eq!(life.phase(), Phase::LameDuck);
    let error = |event: &Event| matches!(event, Event::Error(_));
    assert!(!moment.events.iter().any(|(_, event)| error(event)));
    life.to(5000).listeners_closed().disposed();
    assert_eq!(lost(&life.report()), (69, 1));
    let cause = Cause::Requested(None);
    assert_eq!(life.report().cause, Some(cause), "the first cause counts");
}

#[test]
fn the_last_listener_that_breaks_in_the_lame_duck_costs_the_exit_code_of_whoever_may_go_on() {
    let mut life = Life::new(going_on().lame_duck(secs(5))).running();
    life.stop().input(breaks(0));
    life.to(5000).listeners_closed().disposed();
    assert_eq!(lost(&life.report()), (69, 1));
}

#[test]
fn a_listener_that_breaks_before_all_are_said_to_be_open_is_missed_too() {
    let mut life = Life::new(Plan::new());
    life.input(Input::Start).input(breaks(1));
    assert_eq!(life.phase(), Phase::Draining);
    life.asked();
    // What the start has opened meanwhile is closed again.
    life.input(Input::Bound).input(Input::StartEnded);
    assert_eq!(life.asked(), ["drop listeners"]);
    life.listeners_closed().disposed();
    assert_eq!(lost(&life.report()), (69, 1));
    assert!(life.report().outcome.stopped_before_ready);
}

#[test]
fn a_listener_that_breaks_while_it_is_being_closed_is_not_missed() {
    let mut life = Life::new(Plan::new()).running();
    life.stop().input(breaks(0)).listeners_closed().disposed();
    assert_eq!(lost(&life.report()), (0, 0));
    let mut failed = Life::new(Plan::new());
    let failure = StartFailure::Bind("address in use".into());
    failed
        .input(Input::Start)
        .input(Input::StartFailed(failure))
        .input(breaks(0));
    assert_eq!(listeners_in(&failed.report().failures), 0);
}

#[test]
fn connections_that_were_turned_away_are_counted_and_are_no_failure() {
    let mut life = Life::new(Plan::new());
    life.input(Input::ConnectionsTurnedAway(1));
    let mut life = life.running();
    life.input(Input::ConnectionsTurnedAway(2)).stop();
    life.input(Input::ConnectionsTurnedAway(3));
    life.listeners_closed().disposed();
    life.input(Input::ConnectionsTurnedAway(7));
    let report = life.report();
    assert_eq!(report.connections.turned_away, 5);
    assert_eq!((report.connections.accepted, lost(&report)), (0, (0, 0)));
    let line = report.to_string();
    assert!(line.contains("; clean; "), "{line}");
    assert!(line.contains("; turned away 5; "), "{line}");
}
