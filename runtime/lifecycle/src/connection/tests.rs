//! One connection: the table of a drain, row by row. Its laws, and what ends it without a stop, are
//! below.

mod laws;
mod retirement;
mod spread;

use alloc::vec;

use super::*;

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn connection(orders: &[Order]) -> Connection {
    connection_with(Times::default(), orders)
}

fn connection_with(times: Times, orders: &[Order]) -> Connection {
    Connection::new(ConnectionId::new(1), times, at(0), orders)
}

fn effects(connection: &mut Connection) -> Vec<Effect> {
    core::iter::from_fn(|| connection.poll_effect()).collect()
}

fn activity(begun: u64, in_flight: u64, head: bool) -> Input {
    Input::Activity(Activity {
        begun,
        in_flight,
        head,
        blocked: false,
    })
}

/// Work of HTTP/2 whose frames the peer does not take.
fn blocked(begun: u64, in_flight: u64) -> Input {
    Input::Activity(Activity {
        begun,
        in_flight,
        head: false,
        blocked: true,
    })
}

const DRAIN: Input = Input::Ordered(Order::Drain { deadline: None });
const CANCEL: Input = Input::Ordered(Order::Cancel);
const FORCE: Input = Input::Ordered(Order::Force);

/// What happens, each in millis since the start.
fn live(inputs: &[(u64, Input)]) -> Connection {
    live_with(Times::default(), inputs)
}

fn live_with(times: Times, inputs: &[(u64, Input)]) -> Connection {
    let mut connection = connection_with(times, &[]);
    for (millis, input) in inputs {
        connection.handle(at(*millis), *input);
        effects(&mut connection);
    }
    connection
}

fn http1() -> Vec<(u64, Input)> {
    vec![(0, Input::FirstByte), (0, Input::Speaks(Protocol::Http1))]
}

fn http2() -> Vec<(u64, Input)> {
    vec![(0, Input::FirstByte), (0, Input::Speaks(Protocol::Http2))]
}

fn with(mut life: Vec<(u64, Input)>, more: &[(u64, Input)]) -> Vec<(u64, Input)> {
    life.extend_from_slice(more);
    life
}

/// A drain at 20 s, where heads may take as long as they like: what is asked at once, when the timer is
/// due, and what that brings.
#[track_caller]
fn check_drain(life: &[(u64, Input)], at_once: &[Effect], due: Option<u64>, then: &[Effect]) {
    let graces_alone = Times {
        head_timeout: None,
        ..Times::default()
    };
    let mut connection = live_with(graces_alone, life);
    connection.handle(at(20_000), DRAIN);
    assert_eq!(effects(&mut connection), at_once, "at once");
    assert_eq!(connection.poll_timeout(), due.map(at), "due");
    if let Some(due) = due {
        connection.handle_timeout(at(due.max(20_000)));
    }
    assert_eq!(effects(&mut connection), then, "then");
}

#[test]
fn a_drain_asks_of_each_kind_of_connection_what_the_table_says() {
    use ConnectionEnd::{Idle, Silent, TimedOut};
    use Effect::{Close, EndReading, GracefulClose};
    // Silent for long: its grace has passed.
    check_drain(&[], &[], Some(100), &[Close(Silent)]);
    // A preface or a first head, 0.5 s old.
    check_drain(
        &[(19_500, Input::FirstByte)],
        &[],
        Some(20_500),
        &[Close(TimedOut)],
    );
    // Idle between requests: reading ends, and it closes by itself.
    let idle = with(http1(), &[(0, activity(1, 0, false))]);
    check_drain(
        &idle,
        &[GracefulClose, EndReading],
        Some(21_000),
        &[Close(Idle)],
    );
    // The head of a further request, 0.2 s old.
    check_drain(
        &with(idle, &[(19_800, activity(1, 0, true))]),
        &[GracefulClose, EndReading],
        Some(20_800),
        &[Close(TimedOut)],
    );
    // Work: as long as it takes.
    check_drain(
        &with(http1(), &[(0, activity(1, 1, false))]),
        &[GracefulClose, EndReading],
        None,
        &[],
    );
    // On HTTP/2 too, but in a second its peer has agreed, or opens no more.
    check_drain(
        &with(http2(), &[(0, activity(3, 2, false))]),
        &[GracefulClose],
        Some(21_000),
        &[Effect::RefuseStreams],
    );
    check_drain(&with(http1(), &[(0, Input::Upgraded)]), &[], None, &[]);
    // HTTP/2 without work has a second to agree.
    check_drain(&http2(), &[GracefulClose], Some(21_000), &[Close(TimedOut)]);
}

#[test]
fn a_drain_gives_nobody_more_time_for_a_first_head_than_there_is_without_one() {
    // It has taken 9.5 of 10 s to send a byte.
    let mut connection = live(&[(9_500, Input::FirstByte)]);
    connection.handle(at(9_600), DRAIN);
    assert_eq!(connection.poll_timeout(), Some(at(10_000)));
    connection.handle_timeout(at(10_000));
    let closed = [Effect::Close(ConnectionEnd::TimedOut)];
    assert_eq!(effects(&mut connection), closed);
}

#[test]
fn the_second_for_goaway_counts_from_the_end_of_the_last_stream() {
    let mut connection = live(&with(
        http2(),
        &[
            (0, activity(1, 1, false)),
            (1_000, DRAIN),
            (5_000, activity(1, 0, false)),
        ],
    ));
    connection.handle_timeout(at(5_000));
    assert_eq!(effects(&mut connection), [Effect::RefuseStreams]);
    assert_eq!(connection.poll_timeout(), Some(at(6_000)));
    connection.handle(at(5_500), activity(2, 1, false));
    assert_eq!(connection.poll_timeout(), None, "it refuses already");
}

#[test]
fn graces_end_with_the_drain() {
    let drain = Input::Ordered(Order::Drain {
        deadline: Some(at(300)),
    });
    let connection = live(&with(http2(), &[(0, drain)]));
    assert_eq!(connection.poll_timeout(), Some(at(300)));
}

#[test]
fn force_asks_of_each_kind_of_connection_what_the_table_says() {
    use Effect::{Close, CutStreams, Reset};
    let check = |life: Vec<(u64, Input)>, asked: &[Effect]| {
        let mut connection = live(&life);
        connection.handle(at(1), FORCE);
        assert_eq!(effects(&mut connection), asked, "{life:?}");
        connection
    };
    check(vec![], &[Close(ConnectionEnd::Silent)]);
    check(
        vec![(0, Input::FirstByte)],
        &[Close(ConnectionEnd::TimedOut)],
    );
    let idle = with(http1(), &[(0, activity(1, 0, false))]);
    check(idle.clone(), &[Close(ConnectionEnd::Idle)]);
    check(
        with(idle, &[(0, activity(1, 0, true))]),
        &[Close(ConnectionEnd::TimedOut)],
    );
    let working = activity(1, 1, false);
    check(with(http1(), &[(0, working)]), &[Reset(ConnectionEnd::Cut)]);
    check(
        with(http1(), &[(0, Input::Upgraded)]),
        &[Reset(ConnectionEnd::Cut)],
    );
    check(http2(), &[Close(ConnectionEnd::Idle)]);
    check(
        with(http2(), &[(0, DRAIN)]),
        &[Close(ConnectionEnd::Graceful)],
    );
    // HTTP/2 with work: its streams are reset, and it closes as soon as that is out, or in 50 ms.
    let mut flushed = check(with(http2(), &[(0, working)]), &[CutStreams]);
    let mut stalled = flushed.clone();
    flushed.handle(at(10), activity(1, 0, false));
    assert_eq!(effects(&mut flushed), [Close(ConnectionEnd::Cut)]);
    assert_eq!(stalled.poll_timeout(), Some(at(51)));
    // What is left waits for a window, or for the peer to take anything at all.
    let mut deaf = stalled.clone();
    deaf.handle(at(10), blocked(1, 1));
    // Or only the resets do, of work that is gone.
    let mut untold = stalled.clone();
    untold.handle(at(10), blocked(1, 0));
    assert_eq!(effects(&mut untold), []);
    for (connection, end) in [
        (&mut stalled, Close(ConnectionEnd::Cut)),
        (&mut deaf, Reset(ConnectionEnd::Cut)),
        (&mut untold, Close(ConnectionEnd::Cut)),
    ] {
        connection.handle_timeout(at(51));
        assert_eq!(effects(connection), [end]);
    }
}

#[test]
fn in_a_lame_duck_old_http2_is_told_in_its_first_half_and_new_http2_in_the_drain() {
    let duck = Order::LameDuck { until: at(10_000) };
    for number in 1..200 {
        let id = ConnectionId::new(number);
        let mut old = Connection::new(id, Times::default(), at(0), &[]);
        let mut young = Connection::new(id, Times::default(), at(0), &[duck]);
        for connection in [&mut old, &mut young] {
            connection.handle(at(0), Input::Speaks(Protocol::Http2));
        }
        old.handle(at(0), Input::Ordered(duck));
        let due = old.poll_timeout().unwrap();
        assert!(due <= at(5_000), "{due:?}");
        old.handle_timeout(due);
        assert_eq!(effects(&mut old), [Effect::GracefulClose]);
        assert_eq!(old.poll_timeout(), None);
        assert_eq!(young.poll_timeout(), None);
        young.handle(at(10_000), DRAIN);
        assert_eq!(effects(&mut young), [Effect::GracefulClose]);
    }
}

#[test]
fn in_a_lame_duck_http1_is_told_at_once_however_old() {
    let duck = Order::LameDuck { until: at(10_000) };
    let mut young = connection(&[duck]);
    young.handle(at(0), Input::Speaks(Protocol::Http1));
    assert_eq!(effects(&mut young), [Effect::GracefulClose]);
    let mut old = live(&http1());
    old.handle(at(0), Input::Ordered(duck));
    assert_eq!(effects(&mut old), [Effect::GracefulClose]);
    assert!(!old.is_draining());
}

#[test]
fn the_first_head_is_timed_from_accept_however_late_its_first_byte() {
    let untold = vec![(9_000, Input::FirstByte)];
    let told = with(untold.clone(), &[(9_500, Input::Speaks(Protocol::Http1))]);
    for life in [untold, told] {
        let mut connection = live(&life);
        assert_eq!(connection.poll_timeout(), Some(at(10_000)));
        connection.handle_timeout(at(10_000));
        assert_eq!(
            effects(&mut connection),
            [Effect::Close(ConnectionEnd::TimedOut)]
        );
    }
    // One that says at the last moment that it speaks HTTP/2 is idle then.
    let mut connection = live(&[
        (9_000, Input::FirstByte),
        (9_999, Input::Speaks(Protocol::Http2)),
    ]);
    assert_eq!(connection.poll_timeout(), None);
    connection.handle_timeout(at(20_000));
    assert_eq!(effects(&mut connection), []);
}

#[test]
fn a_further_head_is_timed_from_its_first_byte_and_only_while_nothing_is_in_flight() {
    let mut connection = live(&http1());
    assert_eq!(connection.poll_timeout(), Some(at(10_000)));
    connection.handle(at(9_000), activity(1, 1, false));
    assert_eq!(connection.poll_timeout(), None);
    connection.handle(at(9_500), activity(1, 1, true));
    assert_eq!(connection.poll_timeout(), None);
    connection.handle(at(9_900), activity(1, 0, true));
    assert_eq!(connection.poll_timeout(), Some(at(19_500)));
    // That one is complete, and a further one has begun.
    connection.handle(at(15_000), activity(2, 0, true));
    assert_eq!(connection.poll_timeout(), Some(at(25_000)));
    connection.handle_timeout(at(25_000));
    assert_eq!(
        effects(&mut connection),
        [Effect::Close(ConnectionEnd::TimedOut)]
    );
}

#[test]
fn work_left_by_everybody_is_cut_shortly_after_its_deadline() {
    let drain = |millis| {
        Input::Ordered(Order::Drain {
            deadline: Some(at(millis)),
        })
    };
    let mut connection = live(&with(
        http1(),
        &[(0, activity(1, 1, false)), (0, drain(500)), (0, drain(900))],
    ));
    assert_eq!(connection.poll_timeout(), Some(at(550)));
    connection.handle_timeout(at(550));
    assert_eq!(
        effects(&mut connection),
        [Effect::Reset(ConnectionEnd::Cut)]
    );
}

#[test]
fn a_drain_that_is_over_at_the_first_instant_still_asks_before_it_closes() {
    let mut connection = connection(&[]);
    connection.handle(at(0), Input::Speaks(Protocol::Http1));
    let drain = Order::Drain {
        deadline: Some(at(0)),
    };
    connection.handle(at(0), Input::Ordered(drain));
    assert_eq!(
        effects(&mut connection),
        [Effect::GracefulClose, Effect::EndReading]
    );
    connection.handle_timeout(at(0));
    assert_eq!(
        effects(&mut connection),
        [Effect::Close(ConnectionEnd::TimedOut)]
    );
}
