//! Limits of age and of requests: when they are reached, and what follows while nobody stops the
//! server, and when somebody does.

use super::*;

fn retiring(number: u64, retirement: Retirement) -> Connection {
    let times = Times {
        retirement,
        ..Times::default()
    };
    Connection::new(ConnectionId::new(number), times, at(0), &[])
}

fn aged(grace: Option<u64>) -> Connection {
    let retirement = Retirement {
        max_age: Some(Duration::from_secs(10)),
        grace: grace.map(Duration::from_millis),
        ..Retirement::default()
    };
    retiring(1, retirement)
}

fn lives(connection: &mut Connection, life: &[(u64, Input)]) {
    for (millis, input) in life {
        connection.handle(at(*millis), *input);
    }
    effects(connection);
}

/// Goes to the next timer: when it was, and what it brought.
fn next(connection: &mut Connection) -> (Instant, Vec<Effect>) {
    let due = connection.poll_timeout().unwrap();
    connection.handle_timeout(due);
    (due, effects(connection))
}

#[test]
fn each_connection_retires_at_an_age_of_its_own_a_tenth_around_the_limit() {
    let mut ages = vec![];
    for number in 1..=100 {
        let retirement = Retirement {
            max_age: Some(Duration::from_secs(10)),
            ..Retirement::default()
        };
        let mut connection = retiring(number, retirement);
        lives(&mut connection, &http2());
        let (age, asked) = next(&mut connection);
        assert_eq!(asked, [Effect::GracefulClose]);
        assert!(connection.is_retired() && !connection.is_draining());
        ages.push(age);
    }
    assert!(
        ages.iter()
            .all(|age| (at(9_000)..=at(11_000)).contains(age))
    );
    assert!(ages.iter().any(|age| *age < at(9_200)) && ages.iter().any(|age| *age > at(10_800)));
}

#[test]
fn nothing_retires_unless_a_limit_is_set() {
    let mut connection = retiring(1, Retirement::default());
    lives(
        &mut connection,
        &with(http2(), &[(0, activity(1_000, 0, false))]),
    );
    assert_eq!(connection.poll_timeout(), None);
}

#[test]
fn the_last_request_that_is_allowed_retires_its_connection() {
    for speaks in [http1(), http2()] {
        let retirement = Retirement {
            max_requests: Some(2),
            ..Retirement::default()
        };
        let mut connection = retiring(1, retirement);
        lives(
            &mut connection,
            &with(speaks, &[(1, activity(1, 1, false))]),
        );
        assert!(!connection.is_told());
        connection.handle(at(2), activity(2, 1, false));
        assert_eq!(effects(&mut connection), [Effect::GracefulClose]);
    }
}

#[test]
fn http1_between_requests_has_a_second_for_one_more_then_reading_ends() {
    let mut connection = aged(None);
    lives(
        &mut connection,
        &with(http1(), &[(0, activity(1, 0, false))]),
    );
    let (age, asked) = next(&mut connection);
    assert_eq!(asked, [Effect::GracefulClose]);
    let second = age + Duration::from_secs(1);
    assert_eq!(next(&mut connection), (second, vec![Effect::EndReading]));
    let close = Effect::Close(ConnectionEnd::Retired);
    let third = second + Duration::from_secs(1);
    assert_eq!(next(&mut connection), (third, vec![close]));
}

#[test]
fn http2_without_streams_has_a_second_to_agree() {
    let mut connection = aged(None);
    lives(&mut connection, &http2());
    let (age, _) = next(&mut connection);
    let (closed, asked) = next(&mut connection);
    assert_eq!(closed, age + Duration::from_secs(1));
    assert_eq!(asked.last(), Some(&Effect::Close(ConnectionEnd::TimedOut)));
}

#[test]
fn work_of_a_retired_connection_is_waited_for_unless_there_is_a_grace() {
    let working = activity(1, 1, false);
    let mut patient = aged(None);
    lives(&mut patient, &with(http1(), &[(0, working)]));
    next(&mut patient);
    assert_eq!(patient.poll_timeout(), None);

    let cut = Effect::Reset(ConnectionEnd::Cut);
    for (life, asked) in [
        (with(http1(), &[(0, working)]), cut),
        (with(http1(), &[(0, Input::Upgraded)]), cut),
        (with(http2(), &[(0, working)]), Effect::CutStreams),
    ] {
        let mut connection = aged(Some(500));
        lives(&mut connection, &life);
        let (age, _) = next(&mut connection);
        let over = (age + Duration::from_millis(500), vec![asked]);
        assert_eq!(next(&mut connection), over);
        assert!(connection.is_forced());
        assert!(!connection.is_cancelled(), "nobody stops the server");
    }
}

#[test]
fn a_stop_does_not_tell_a_retired_connection_again_and_an_age_does_not_tell_a_stopping_one() {
    let drain = Input::Ordered(Order::Drain { deadline: None });
    let mut retired = aged(None);
    lives(&mut retired, &with(http2(), &[(0, activity(1, 1, false))]));
    next(&mut retired);
    retired.handle(at(12_000), drain);
    assert_eq!(effects(&mut retired), []);

    let duck = Input::Ordered(Order::LameDuck { until: at(60_000) });
    let mut stopping = aged(Some(100));
    lives(
        &mut stopping,
        &with(http1(), &[(0, activity(1, 1, false)), (0, duck)]),
    );
    assert!(stopping.is_told());
    assert_eq!(
        stopping.poll_timeout(),
        None,
        "the stop has the say from here on"
    );
}

#[test]
fn a_drain_does_not_lengthen_the_grace_of_a_retired_connection() {
    let mut connection = aged(Some(500));
    lives(
        &mut connection,
        &with(http1(), &[(0, activity(1, 1, false))]),
    );
    let (age, _) = next(&mut connection);
    let deadline = Some(at(60_000));
    connection.handle(age, Input::Ordered(Order::Drain { deadline }));
    effects(&mut connection);
    let over = age + Duration::from_millis(500);
    assert_eq!(connection.poll_timeout(), Some(over));
    connection.handle_timeout(over);
    assert_eq!(
        effects(&mut connection),
        [Effect::Reset(ConnectionEnd::Cut)]
    );
}
