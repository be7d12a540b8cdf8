//! In which order hooks are handed out, and how long the chains behind them are.

use super::*;

#[test]
fn the_seeds_of_a_usual_service_run_in_their_order() {
    let graph = graph([
        named("message-queue", &["database", "cache"]),
        named("cache", &["database"]),
        named("database", &[]),
    ]);
    let mut schedule = Schedule::new(&graph);
    for expected in [2, 1, 0] {
        assert_eq!(startable(&mut schedule), [id(expected)]);
        assert!(schedule.settle(id(expected)));
    }
    assert!(schedule.is_done());
    assert_eq!(schedule.next_startable(), None);
}

#[test]
fn hooks_of_one_name_run_in_parallel_and_all_of_them_are_waited_for() {
    let graph = graph([
        named("cache", &["database"]),
        named("database", &[]),
        HookSpec::anonymous(),
        named("database", &[]),
    ]);
    let mut schedule = Schedule::new(&graph);
    assert_eq!(startable(&mut schedule), [id(1), id(2), id(3)]);
    schedule.settle(id(3));
    assert_eq!(schedule.next_startable(), None);
    schedule.settle(id(1));
    assert_eq!(schedule.next_startable(), Some(id(0)));
}

#[test]
fn hooks_of_one_name_may_wait_for_different_names() {
    let graph = graph([
        named("a", &["x"]),
        named("a", &[]),
        named("x", &[]),
        named("b", &["a"]),
    ]);
    let mut schedule = Schedule::new(&graph);
    assert_eq!(startable(&mut schedule), [id(1), id(2)]);
    schedule.settle(id(1));
    assert_eq!(startable(&mut schedule), []);
    schedule.settle(id(2));
    assert_eq!(startable(&mut schedule), [id(0)]);
    schedule.settle(id(0));
    assert_eq!(startable(&mut schedule), [id(3)]);
}

#[test]
fn a_name_that_no_hook_has_holds_nobody_up() {
    let graph = graph([named("a", &["nobody"])]);
    let mut schedule = Schedule::new(&graph);
    assert_eq!(schedule.next_startable(), Some(id(0)));
}

#[test]
fn settling_again_or_a_stranger_changes_nothing() {
    let graph = graph([named("a", &[]), named("b", &["a"])]);
    let mut schedule = Schedule::new(&graph);
    assert!(schedule.settle(id(0)));
    let after = schedule.clone();
    assert!(!schedule.settle(id(0)));
    assert!(!schedule.settle(id(2)));
    assert_eq!(schedule, after);
    assert_eq!(schedule.unsettled_count(), 1);
    assert_eq!(schedule.chain(id(2)), 1);
}

#[test]
fn a_hook_settled_before_its_turn_is_never_handed_out() {
    let graph = graph([named("a", &[]), named("b", &["a"]), named("c", &["b"])]);
    let mut schedule = Schedule::new(&graph);
    schedule.settle(id(0));
    schedule.settle(id(1));
    assert_eq!(startable(&mut schedule), [id(2)]);
    assert_eq!(schedule.unsettled().collect::<Vec<_>>(), [id(2)]);
}

#[test]
fn chains_leave_out_what_was_settled_before_its_turn() {
    let graph = graph([
        named("a", &[]),
        named("b", &["a"]),
        named("c", &["b"]),
        named("d", &["a"]),
    ]);
    let mut schedule = Schedule::new(&graph);
    assert_eq!(
        [0, 1, 2, 3].map(|hook| schedule.chain(id(hook))),
        [3, 2, 1, 1]
    );
    schedule.settle(id(1));
    assert_eq!(schedule.chain(id(0)), 2, "d still waits for a");
    schedule.settle(id(3));
    assert_eq!(schedule.chain(id(0)), 1);
    assert_eq!(schedule.chain(id(1)), 1, "c is not waiting for it any more");
}

#[test]
fn schedules_differ_by_graph_and_by_progress() {
    let (one, other) = (
        graph([named("a", &[]), named("b", &["a"])]),
        graph([named("a", &[]), named("b", &[])]),
    );
    let fresh = Schedule::new(&one);
    assert_eq!(fresh, Schedule::new(&one));
    assert_ne!(fresh, Schedule::new(&other));
    let mut started = fresh.clone();
    started.next_startable();
    assert_ne!(fresh, started);
    assert!(started.is_started(id(0)));
    assert!(!fresh.is_started(id(0)));
    let mut settled = started.clone();
    settled.settle(id(0));
    assert_ne!(started, settled);
    assert!(!settled.is_started(id(0)));
}
