//! Connections and workers: counted, cut, named (tests of floor 0).
//!
//! **Invariant:** the sums of a report hold whatever was claimed.

use lamplighter_lifecycle::{
    ConnectionEnd, ConnectionId, HookError, Input, Instant, Phase, Plan, Protocol, Work, WorkerEnd,
    WorkerId, WorkerOutcome,
};

use std::time::Duration;

use crate::life::{Life, at, requests, secs};

fn work(began: Instant) -> Work {
    Work::new(Protocol::Http1, "GET", Some("/reports/{id}".into()), began)
}

fn forced(life: &mut Life, number: u64, in_flight: Vec<Work>) {
    let begun = in_flight.len() as u64;
    life.input(Input::ConnectionForced {
        connection: ConnectionId::new(number),
        protocol: Protocol::Http1,
        tally: requests(begun, 0),
        work: in_flight,
    });
}

#[test]
fn a_stuck_connection_is_named_with_what_it_was_doing() {
    let mut life = Life::new(Plan::new()).running();
    life.opened(1).stop().listeners_closed().to(30_000);
    forced(&mut life, 1, vec![work(at(10))]);
    life.asked();
    assert_eq!(life.to(30_249).phase(), Phase::ForceClosing);
    assert_eq!(life.asked(), [""; 0]);
    life.to(30_250);
    assert_eq!(
        life.asked(),
        ["abort connections", "dispose of all but conn#1"]
    );
    let report = life.report();
    assert_eq!(report.connections.ended(ConnectionEnd::Stuck), 1);
    assert_eq!((report.outcome.cut, report.outcome.stuck), (1, 1));
    let [cut] = &report.connections.cut[..] else {
        panic!("{report:?}");
    };
    assert!(cut.stuck && cut.work == work(at(10)) && cut.at == at(30_250));
}

/// That it was cut while it had one request.
fn cut(number: u64) -> Input {
    Input::ConnectionClosed {
        connection: ConnectionId::new(number),
        protocol: Protocol::Http1,
        end: ConnectionEnd::Cut,
        tally: requests(1, 0),
        cut: vec![work(at(10))],
    }
}

#[test]
fn what_ends_when_it_is_aborted_is_cut_and_not_stuck() {
    let mut life = Life::new(Plan::new()).running();
    life.opened(1).stop().listeners_closed().to(30_000);
    forced(&mut life, 1, vec![work(at(10))]);
    life.asked();
    life.timeout(at(30_250));
    assert_eq!(life.asked(), ["abort connections"]);
    // The clock goes on while the task is dropped.
    life.input_at(at(30_251), cut(1));
    assert_eq!(life.phase(), Phase::Disposing);
    let outcome = life.report().outcome;
    assert_eq!((outcome.cut, outcome.stuck), (1, 0));
}

#[test]
fn without_a_margin_nothing_is_stuck_that_ends_before_the_next_timer() {
    let mut life = Life::new(Plan::new().margin(Duration::ZERO));
    life.model.register_worker("reaper");
    let mut life = life.running();
    life.opened(1).stop().listeners_closed();
    life.timeout(at(30_000));
    assert_eq!(life.phase(), Phase::ForceClosing);
    // Each of these comes later than a force close without any time may last.
    life.input_at(at(30_001), cut(1));
    life.input_at(
        at(30_002),
        Input::WorkerEnded {
            worker: WorkerId::new(0),
            end: WorkerEnd::Aborted,
        },
    );
    assert_eq!(life.phase(), Phase::Disposing);
    let outcome = life.report().outcome;
    assert_eq!((outcome.cut, outcome.stuck), (2, 0));
}

#[test]
fn cut_work_is_named_and_is_no_failure() {
    let mut life = Life::new(Plan::new()).running();
    life.opened(1).stop().listeners_closed().to(30_000);
    life.to(30_010);
    life.ended(1, ConnectionEnd::Cut, requests(3, 2), vec![work(at(10))]);
    life.disposed();
    let report = life.report();
    assert_eq!((report.outcome.cut, report.outcome.stuck), (1, 0));
    assert_eq!(report.connections.cut.len(), 1);
    assert_eq!(report.failures, []);
    assert_eq!(report.outcome.exit_code(), 10);
}

#[test]
fn a_peer_without_work_that_is_closed_by_force_is_no_cut() {
    let mut life = Life::new(Plan::new()).running();
    life.opened(1).stop().listeners_closed().to(30_000);
    life.ended(1, ConnectionEnd::Idle, requests(2, 2), vec![])
        .disposed();
    assert!(life.report().outcome.is_clean());
}

#[test]
fn what_is_in_flight_when_a_connection_ends_was_aborted_by_its_peer() {
    let mut life = Life::new(Plan::new()).running();
    life.opened(1);
    life.ended(1, ConnectionEnd::Failed, requests(3, 1), vec![]);
    let tally = life.report().connections.tally;
    assert_eq!(
        (tally.begun, tally.answered, tally.aborted, tally.cut),
        (3, 1, 2, 0)
    );
}

#[test]
fn no_more_work_is_named_as_cut_than_was_cut() {
    let mut life = Life::new(Plan::new()).running();
    life.opened(1).stop();
    // Two were in flight when it was told, and one of them was answered in between.
    let claimed = vec![work(at(1)), work(at(2))];
    life.ended(1, ConnectionEnd::Cut, requests(2, 1), claimed);
    let connections = life.report().connections;
    assert_eq!(connections.tally.cut, 1);
    assert_eq!((connections.cut.len(), connections.cut_unnamed), (1, 0));
}

#[test]
fn the_hundred_slowest_are_named_and_the_rest_counted() {
    let mut life = Life::new(Plan::new()).running();
    life.to(1000);
    for number in 1..=3 {
        life.opened(number);
        let cut = (0..60).map(|age| work(at(age * 3 + number))).collect();
        life.ended(number, ConnectionEnd::Cut, requests(70, 0), cut);
    }
    let connections = life.report().connections;
    assert_eq!(connections.tally.cut, 210);
    let began: Vec<Instant> = connections
        .cut
        .iter()
        .map(|cut| cut.work.begun_at)
        .collect();
    let expected: Vec<Instant> = (1..=100).map(at).collect();
    assert_eq!(began, expected);
    assert_eq!(connections.cut_unnamed, 110);
}

#[test]
fn a_connection_accepted_while_the_force_close_runs_is_counted_and_cut() {
    let mut life = Life::new(Plan::new()).running();
    life.opened(1).stop().to(30_000);
    assert_eq!(life.phase(), Phase::ForceClosing);
    // The listener was not closed yet, and the queue not dry.
    life.opened(2).listeners_closed().closed(1);
    assert_eq!(life.phase(), Phase::ForceClosing);
    life.closed(2);
    assert_eq!(life.phase(), Phase::Disposing);
    assert_eq!(life.report().connections.accepted, 2);
}

#[test]
fn connections_are_told_of_one_by_one_only_while_observed() {
    let mut life = Life::new(Plan::new()).running();
    let opened = |life: &mut Life, number| {
        let connection = ConnectionId::new(number);
        let peer = "peer".into();
        let (_, moment) = life
            .model
            .handle(at(0), Input::ConnectionOpened { connection, peer });
        moment.events.len()
    };
    assert_eq!(opened(&mut life, 1), 0);
    life.model.observe(true);
    assert_eq!(opened(&mut life, 2), 1);
    assert_eq!(opened(&mut life, 2), 0);
    life.model.observe(false);
    assert_eq!(opened(&mut life, 3), 0);
    assert_eq!(life.report().connections.accepted, 3);
}

#[test]
fn a_worker_is_in_flight_until_it_ends() {
    let mut life = Life::new(Plan::new());
    life.model.register_worker("reaper");
    let mut life = life.running();
    life.stop().listeners_closed();
    assert_eq!(life.phase(), Phase::Draining);
    let worker = WorkerId::new(0);
    let end = WorkerEnd::Ok;
    life.input(Input::WorkerEnded { worker, end });
    assert_eq!(life.phase(), Phase::Disposing);
    assert_eq!(life.report().workers[0].outcome, Some(WorkerOutcome::Ok));
}

#[test]
fn a_worker_that_does_not_end_is_aborted_at_the_deadline() {
    let mut life = Life::new(Plan::new());
    life.model.register_worker("reaper");
    let mut life = life.running();
    life.stop().listeners_closed().to(29_900);
    life.asked();
    assert_eq!(life.to(30_000).asked(), ["force", "abort workers"]);
    let worker = WorkerId::new(0);
    let end = WorkerEnd::Aborted;
    life.input(Input::WorkerEnded { worker, end });
    assert_eq!(life.phase(), Phase::Disposing);
    assert_eq!(life.report().outcome.cut, 1);
    assert_eq!(life.report().workers[0].outcome, Some(WorkerOutcome::Cut));
}

#[test]
fn a_worker_that_ignores_its_abort_is_stuck_and_named() {
    let mut life = Life::new(Plan::new());
    life.model.register_worker("reaper");
    let mut life = life.running();
    life.stop().listeners_closed().to(30_250);
    assert_eq!(life.phase(), Phase::Disposing);
    assert_eq!(life.report().workers[0].outcome, Some(WorkerOutcome::Stuck));
    assert_eq!(life.report().outcome.stuck, 1);
}

#[test]
fn a_worker_that_fails_is_told_of_and_the_server_goes_on() {
    let mut life = Life::new(Plan::new());
    life.model.register_worker("reaper");
    let mut life = life.running();
    let worker = WorkerId::new(0);
    let end = WorkerEnd::Failed("no database".into());
    life.input(Input::WorkerEnded { worker, end });
    assert_eq!(
        (life.phase(), life.asked()),
        (Phase::Running, vec!["announce error".into()])
    );
}

#[test]
fn a_worker_of_a_ready_server_starts_at_once_and_one_of_a_draining_server_is_refused() {
    let mut life = Life::new(Plan::new().lame_duck(secs(5))).running();
    let first = life.model.register_worker("first");
    assert_eq!(first.effects.len(), 1);
    life.stop();
    let second = life.model.register_worker("second");
    assert_eq!(second.effects.len(), 1);
    life.to(5000);
    let third = life.model.machine.register_worker("third".into());
    let phase = Phase::Draining;
    assert_eq!(third, Err(HookError::TooLate { phase }));
}
