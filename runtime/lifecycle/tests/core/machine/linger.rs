//! Connections that linger, and the stop that waits for them a little (tests of floor 0).
//!
//! **Invariant:** lingering holds neither the drain nor a hook.

use lamplighter_lifecycle::{ConnectionId, HookEnd, Input, Phase, Plan};
use std::time::Duration;

use crate::life::{Life, at, millis};

fn began(life: &mut Life, number: u64) {
    let connection = ConnectionId::new(number);
    life.input(Input::LingerBegan { connection });
}

fn ended(life: &mut Life, number: u64) {
    let connection = ConnectionId::new(number);
    life.input(Input::LingerEnded { connection });
}

/// A server with this plan that stops, with one connection that has just ended its side.
fn lingering(life: Life) -> Life {
    let mut life = life.running();
    life.opened(1).stop().listeners_closed();
    began(&mut life, 1);
    life.closed(1);
    life
}

#[test]
fn lingering_holds_the_end_of_the_hooks_and_nothing_before() {
    let mut life = lingering(Life::new(Plan::new()).hooks(&["database"]));
    assert_eq!(life.phase(), Phase::RunningHooks);
    assert!(life.asked().contains(&"run database until 4000 ms".into()));
    life.to(20).hook_ended(0, HookEnd::Ok);
    assert_eq!(life.phase(), Phase::RunningHooks);
    life.to(30);
    ended(&mut life, 1);
    assert_eq!(life.asked(), ["dispose"]);
    life.disposed();
    assert!(life.report().outcome.is_clean(), "{}", life.report());
    assert_eq!(life.report().total, millis(30));
}

#[test]
fn without_hooks_lingering_takes_half_of_the_margin_at_most() {
    let mut life = lingering(Life::new(Plan::new()));
    life.asked();
    life.to(499);
    assert_eq!(life.phase(), Phase::RunningHooks);
    life.to(500);
    assert_eq!(life.asked(), ["end linger", "dispose"]);
}

#[test]
fn beside_hooks_lingering_takes_a_second_at_most_each() {
    let mut life = Life::new(Plan::new()).hooks(&["database"]).running();
    life.opened(1).opened(2).stop().listeners_closed();
    began(&mut life, 1);
    life.closed(1).to(300);
    began(&mut life, 2);
    life.closed(2).hook_ended(0, HookEnd::Ok).asked();
    life.to(1299);
    assert_eq!((life.phase(), life.asked()), (Phase::RunningHooks, vec![]));
    life.to(1300);
    assert_eq!(life.asked(), ["end linger", "dispose"]);
}

#[test]
fn the_last_one_to_end_ends_the_wait_though_a_later_one_had_more_time() {
    let mut life = Life::new(Plan::new()).hooks(&["database"]).running();
    life.opened(1).opened(2).stop().listeners_closed();
    began(&mut life, 1);
    life.closed(1).to(300);
    began(&mut life, 2);
    life.closed(2).hook_ended(0, HookEnd::Ok);
    ended(&mut life, 2);
    life.asked();
    life.to(1000);
    assert_eq!(life.asked(), ["end linger", "dispose"]);
}

#[test]
fn lingering_never_outlasts_the_window_of_the_hooks() {
    let plan = Plan::new().hooks_timeout(millis(200));
    let mut life = lingering(Life::new(plan).hooks(&["database"]));
    life.hook_ended(0, HookEnd::Ok).asked();
    life.to(200);
    assert_eq!(life.asked(), ["end linger", "dispose"]);
}

#[test]
fn what_began_to_linger_before_the_stop_is_waited_for_to_its_own_end() {
    let mut life = Life::new(Plan::new()).hooks(&["database"]).running();
    life.opened(1);
    began(&mut life, 1);
    life.closed(1).to(900);
    life.stop().listeners_closed().hook_ended(0, HookEnd::Ok);
    assert_eq!(life.phase(), Phase::RunningHooks);
    life.asked();
    life.to(1000);
    assert_eq!(life.asked(), ["end linger", "dispose"]);
}

#[test]
fn a_third_signal_ends_lingering_at_once() {
    let mut life = lingering(Life::new(Plan::new()).hooks(&["database"]));
    for later in [0, 400, 800] {
        life.to(later);
        life.asked();
        life.signal();
    }
    assert_eq!(
        life.asked(),
        [
            "abort database",
            "end linger",
            "dispose of all but database"
        ]
    );
}

#[test]
fn a_margin_of_zero_and_no_hooks_leave_no_time_to_linger() {
    let mut life = lingering(Life::new(Plan::new().margin(Duration::ZERO)));
    assert_eq!(life.phase(), Phase::Disposing);
    let asked = life.asked();
    assert!(
        asked.ends_with(&["end linger".into(), "dispose".into()]),
        "{asked:?}"
    );
    assert_eq!(life.model.machine.now(), at(0));
}

#[test]
fn what_begins_to_linger_too_late_is_ended_at_once() {
    let mut life = lingering(Life::new(Plan::new()));
    life.to(500);
    life.asked();
    began(&mut life, 7);
    assert_eq!(
        (life.phase(), life.asked()),
        (Phase::Disposing, vec!["end linger".into()])
    );
    life.disposed().asked();
    began(&mut life, 8);
    assert_eq!((life.phase(), life.asked()), (Phase::Stopped, vec![]));
}
