//! One, two, three signals (tests of floor 0).
//!
//! **Invariant:** between two signals that are to be told apart lies more than 300 ms.

use lamplighter_lifecycle::{Cause, Event, HookOutcome, Input, Phase, Plan, Signal, SignalTaken};

use crate::life::{Life, at, millis, secs};

fn taken(life: &mut Life) -> SignalTaken {
    let now = life.model.machine.now();
    let (_, moment) = life.model.handle(now, Input::Signal(Signal::Sigint));
    match moment.events[..] {
        [(_, Event::Signal { taken, .. }), ..] => taken,
        _ => panic!("{moment:?}"),
    }
}

#[test]
fn a_second_signal_in_the_lame_duck_skips_to_the_force_close() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5)))
        .hooks(&["database"])
        .running();
    life.opened(1).signal().to(1000);
    life.asked();
    life.signal();
    assert_eq!(
        life.asked(),
        ["drain until 1100 ms", "close listeners", "cancel"]
    );
    life.to(1100);
    assert_eq!(life.asked(), ["force", "drop listeners"]);
    // The hooks keep their full window.
    life.listeners_closed().closed(1);
    assert_eq!(life.asked(), ["run database until 5100 ms"]);
}

#[test]
fn a_second_signal_while_draining_cancels_and_cuts_a_lead_later() {
    let mut life = Life::new(Plan::new()).running();
    life.opened(1).signal().listeners_closed().to(2000);
    life.asked();
    life.signal();
    assert_eq!(life.asked(), ["tighten to 2100 ms", "cancel"]);
    assert_eq!(life.model.machine.ends_by(), Some(at(7100)));
    assert_eq!(life.to(2100).asked(), ["force"]);
}

#[test]
fn a_second_signal_just_before_the_deadline_does_not_move_it() {
    let mut life = Life::new(Plan::new()).running();
    life.opened(1).signal().listeners_closed().to(29_950);
    assert_eq!(life.asked().last().unwrap(), "cancel");
    life.signal();
    assert_eq!(life.asked(), ["tighten to 30000 ms"]);
    assert_eq!(life.to(30_000).asked(), ["force"]);
}

#[test]
fn force_does_what_a_second_signal_does_and_is_not_counted() {
    let mut life = Life::new(Plan::new()).running();
    life.opened(1).signal().listeners_closed().to(2000);
    life.asked();
    life.input(Input::Force);
    assert_eq!(life.asked(), ["tighten to 2100 ms", "cancel"]);
    assert_eq!(taken(&mut life), SignalTaken::Second);
}

#[test]
fn force_of_a_running_server_begins_a_stop_without_a_lame_duck() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5))).running();
    life.opened(1).input(Input::Force);
    assert_eq!(
        life.asked(),
        [
            "not ready",
            "announce stopping",
            "lame duck until 5000 ms",
            "drain until 100 ms",
            "close listeners",
            "cancel"
        ]
    );
    assert_eq!(life.report().cause, Some(Cause::Forced));
}

#[test]
fn the_first_signal_of_a_requested_stop_tightens_but_never_forces() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5))).running();
    life.opened(1).stop().to(1000);
    life.asked();
    assert_eq!(taken(&mut life), SignalTaken::First);
    assert_eq!((life.phase(), life.asked()), (Phase::LameDuck, vec![]));
    assert_eq!(life.model.machine.ends_by(), Some(at(40_000)));
    life.to(2000);
    assert_eq!(taken(&mut life), SignalTaken::Second);
    assert_eq!(life.phase(), Phase::Draining);
}

#[test]
fn a_third_signal_gives_up_on_a_hung_hook() {
    let mut life = Life::new(Plan::new())
        .hooks(&["database", "cache: database"])
        .running();
    life.signal().listeners_closed().to(1000).signal();
    assert_eq!(life.phase(), Phase::RunningHooks);
    life.asked();
    life.to(1500).signal();
    assert_eq!(
        life.asked(),
        ["abort database", "dispose of all but database"]
    );
    assert_eq!(life.hook_outcome("database"), Some(HookOutcome::Abandoned));
    assert_eq!(life.hook_outcome("cache"), Some(HookOutcome::Abandoned));
    life.play_out();
    assert_eq!(life.phase(), Phase::Stopped);
    assert_eq!(life.report().total, millis(1500));
    assert_eq!(life.report().outcome.exit_code(), 12);
}

#[test]
fn a_second_signal_while_hooks_run_is_only_recorded() {
    let mut life = Life::new(Plan::new()).hooks(&["database"]).running();
    life.signal().listeners_closed().to(1000);
    life.asked();
    let before = life.model.machine.poll_timeout();
    assert_eq!(taken(&mut life), SignalTaken::Second);
    assert_eq!((life.asked(), life.phase()), (vec![], Phase::RunningHooks));
    assert_eq!(life.model.machine.poll_timeout(), before);
}

#[test]
fn a_third_signal_lets_what_it_cuts_speak_once() {
    let mut life = Life::new(Plan::new()).running();
    life.opened(1).signal().listeners_closed().to(1000).signal();
    life.to(1050);
    life.asked();
    life.model
        .machine
        .handle(at(1301), Input::Signal(Signal::Sigterm));
    life.timeout(at(1301));
    assert_eq!(life.phase(), Phase::ForceClosing);
    assert!(life.asked().contains(&"abort connections".into()));
    life.timeout(at(1301));
    assert_eq!(life.phase(), Phase::Disposing);
    assert_eq!(life.report().outcome.stuck, 1);
}

#[test]
fn signals_within_300_ms_of_the_last_counted_one_are_the_same() {
    let mut life = Life::new(Plan::new()).running();
    life.opened(1);
    let mut seen = Vec::new();
    for at in [1000, 1000, 1150, 1300, 1301, 1390, 1600, 1601, 1602] {
        life.to(at);
        seen.push((at, taken(&mut life)));
    }
    assert_eq!(
        seen,
        [
            (1000, SignalTaken::First),
            (1000, SignalTaken::Repeated),
            (1150, SignalTaken::Repeated),
            (1300, SignalTaken::Repeated),
            (1301, SignalTaken::Second),
            (1390, SignalTaken::Repeated),
            (1600, SignalTaken::Repeated),
            (1601, SignalTaken::Repeated),
            (1602, SignalTaken::Third),
        ]
    );
}

#[test]
fn before_the_start_only_the_first_signal_counts() {
    let mut life = Life::new(Plan::new());
    assert_eq!(taken(&mut life), SignalTaken::First);
    life.to(1000);
    assert_eq!(taken(&mut life), SignalTaken::Ignored);
    life.input(Input::Start);
    assert_eq!(life.report().cause, Some(Cause::Signal(Signal::Sigint)));
    assert!(!life.model.machine.is_abandoned());
}
