//! A drain that is spread: who is told when, and what puts an end to it.

use super::*;

const SPREAD: u64 = 4_000;

fn drain(deadline: Option<u64>) -> Input {
    Input::Ordered(Order::Drain {
        deadline: deadline.map(at),
    })
}

fn spread(number: u64) -> Connection {
    let times = Times {
        drain_spread: Duration::from_millis(SPREAD),
        ..Times::default()
    };
    Connection::new(ConnectionId::new(number), times, at(0), &[])
}

fn lives(connection: &mut Connection, life: &[(u64, Input)]) {
    for (millis, input) in life {
        connection.handle(at(*millis), *input);
    }
    effects(connection);
}

#[test]
fn http2_is_told_in_its_turn_and_handlers_just_before() {
    let mut turns = vec![];
    for number in 1..=100 {
        let mut connection = spread(number);
        lives(
            &mut connection,
            &with(http2(), &[(0, activity(1, 1, false))]),
        );
        connection.handle(at(1_000), drain(None));
        assert_eq!(effects(&mut connection), [], "nothing before its turn");
        assert!(
            connection.is_draining(),
            "new upgrades are refused from now on"
        );
        let turn = connection.poll_timeout().unwrap();
        connection.handle_timeout(turn);
        assert_eq!(
            effects(&mut connection),
            [Effect::AskToFinish, Effect::GracefulClose]
        );
        turns.push(turn);
    }
    assert!(
        turns
            .iter()
            .all(|turn| (at(1_000)..=at(5_000)).contains(turn))
    );
    for quarter in 0..4 {
        let begin = 1_000 + quarter * SPREAD / 4;
        let span = at(begin)..=at(begin + SPREAD / 4);
        let count = turns.iter().filter(|turn| span.contains(turn)).count();
        assert!(
            (15..=35).contains(&count),
            "{count} of 100 in quarter {quarter}"
        );
    }
}

#[test]
fn http1_announces_its_close_at_once_and_only_handlers_have_a_turn() {
    let mut connection = spread(1);
    lives(
        &mut connection,
        &with(http1(), &[(0, activity(1, 1, false))]),
    );
    connection.handle(at(0), drain(None));
    assert_eq!(
        effects(&mut connection),
        [Effect::GracefulClose, Effect::EndReading]
    );
    let turn = connection.poll_timeout().unwrap();
    connection.handle_timeout(turn);
    assert_eq!(effects(&mut connection), [Effect::AskToFinish]);
    assert_eq!(connection.poll_timeout(), None);
}

#[test]
fn an_upgraded_connection_has_its_turn_too() {
    let mut connection = spread(1);
    lives(&mut connection, &with(http1(), &[(0, Input::Upgraded)]));
    connection.handle(at(0), drain(None));
    assert_eq!(effects(&mut connection), []);
    connection.handle_timeout(at(SPREAD));
    assert_eq!(effects(&mut connection), [Effect::AskToFinish]);
}

#[test]
fn cancel_puts_an_end_to_the_spread() {
    let mut connection = spread(1);
    lives(
        &mut connection,
        &with(http2(), &[(0, activity(1, 1, false)), (0, drain(None))]),
    );
    connection.handle(at(1), CANCEL);
    assert_eq!(
        effects(&mut connection),
        [Effect::AskToFinish, Effect::GracefulClose]
    );
}

#[test]
fn force_leaves_no_turn() {
    let mut connection = spread(1);
    lives(&mut connection, &with(http2(), &[(0, drain(None))]));
    connection.handle(at(1), FORCE);
    assert_eq!(
        effects(&mut connection),
        [Effect::Close(ConnectionEnd::Idle)]
    );
}

#[test]
fn a_turn_is_never_in_the_second_half_of_a_short_drain_nor_behind_a_nearer_deadline() {
    for number in 1..=100 {
        let mut short = spread(number);
        lives(&mut short, &with(http2(), &[(0, drain(Some(1_000)))]));
        assert!(short.poll_timeout().unwrap() <= at(500));
        let mut tightened = spread(number);
        lives(
            &mut tightened,
            &with(http2(), &[(0, drain(None)), (0, drain(Some(100)))]),
        );
        assert!(tightened.poll_timeout().unwrap() <= at(100));
    }
}

#[test]
fn the_second_to_agree_counts_from_the_turn() {
    let mut connection = spread(1);
    lives(&mut connection, &with(http2(), &[(0, drain(None))]));
    let turn = connection.poll_timeout().unwrap();
    connection.handle_timeout(turn);
    effects(&mut connection);
    let agreed = turn + Duration::from_secs(1);
    assert_eq!(connection.poll_timeout(), Some(agreed));
    connection.handle_timeout(agreed);
    assert!(connection.end().is_some());
}

#[test]
fn one_that_was_told_in_the_lame_duck_still_asks_its_handlers_in_its_turn() {
    let duck = Input::Ordered(Order::LameDuck { until: at(100) });
    let mut connection = spread(1);
    lives(
        &mut connection,
        &with(http2(), &[(0, activity(1, 1, false)), (0, duck)]),
    );
    connection.handle_timeout(at(50));
    assert_eq!(effects(&mut connection), [Effect::GracefulClose]);
    connection.handle(at(100), drain(None));
    connection.handle_timeout(at(100 + SPREAD));
    assert_eq!(
        effects(&mut connection),
        [Effect::RefuseStreams, Effect::AskToFinish]
    );
}
