//! What one connection's machine promises to whoever drives it, seen from outside (floor 0).
//!
//! **Invariant:** only the public surface is used; the laws on arbitrary lives stand beside the code.

use std::time::Duration;

use lamplighter_lifecycle::connection::{Activity, Connection, Effect, Input, Order, Times};
use lamplighter_lifecycle::{ConnectionEnd, ConnectionId, Instant, ListenerId, Protocol, Tally};

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn http2(orders: &[Order]) -> Connection {
    let mut connection = Connection::new(ConnectionId::new(1), Times::default(), at(0), orders);
    connection.handle(at(0), Input::FirstByte);
    connection.handle(at(0), Input::Speaks(Protocol::Http2));
    connection
}

const IDLE: Input = Input::Activity(Activity {
    begun: 0,
    in_flight: 0,
    head: false,
    blocked: false,
});

#[test]
fn there_are_effects_exactly_as_long_as_one_is_handed_out() {
    let mut connection = http2(&[]);
    assert!(!connection.has_effects());
    assert_eq!(connection.poll_effect(), None);
    connection.handle(at(1), Input::Ordered(Order::Drain { deadline: None }));
    assert!(connection.has_effects());
    assert_eq!(connection.poll_effect(), Some(Effect::GracefulClose));
    assert!(!connection.has_effects());
    assert_eq!(connection.poll_effect(), None);
}

#[test]
fn news_that_nothing_is_in_flight_do_not_put_off_the_end_of_an_idle_connection() {
    let mut connection = http2(&[]);
    connection.handle(at(0), Input::Ordered(Order::Drain { deadline: None }));
    let end = connection.poll_timeout();
    assert_eq!(end, Some(at(0) + Times::default().goaway_grace));
    assert_eq!(connection.poll_effect(), Some(Effect::GracefulClose));
    connection.handle(at(500), IDLE);
    assert_eq!(connection.poll_timeout(), end);
    connection.handle_timeout(at(1_000));
    let asked: Vec<_> = std::iter::from_fn(|| connection.poll_effect()).collect();
    let closed = Effect::Close(ConnectionEnd::TimedOut);
    assert_eq!(asked.last(), Some(&closed), "{asked:?}");
}

#[test]
fn a_lame_duck_that_is_announced_again_moves_no_goaway() {
    let mut connection = http2(&[]);
    let until = at(0) + Duration::from_secs(2);
    connection.handle(at(0), Input::Ordered(Order::LameDuck { until }));
    let told = connection.poll_timeout();
    assert!(told.is_some_and(|told| told < at(1_000)));
    let until = at(0) + Duration::from_secs(20);
    connection.handle(at(0), Input::Ordered(Order::LameDuck { until }));
    assert_eq!(connection.poll_timeout(), told);
}

/// The first number that SplitMix64 gives for some seeds, as its author's reference code prints them.
const SPLITMIX64: [(u64, u64); 3] = [
    (0, 0xe220_a839_7b1d_cdaf),
    (1, 0x910a_2dec_8902_5cc1),
    (1_234_567, 0x599e_d017_fb08_fc85),
];

#[test]
fn a_connections_place_in_the_first_half_of_a_lame_duck_comes_from_its_number_alone() {
    // The first half, in nanoseconds, is the range of the places: each place is its own instant.
    let until = Instant::from_nanos(2 * u64::from(u32::MAX));
    for (number, random) in SPLITMIX64 {
        let id = ConnectionId::new(number);
        let mut connection = Connection::new(id, Times::default(), at(0), &[]);
        connection.handle(at(0), Input::Speaks(Protocol::Http2));
        connection.handle(at(0), Input::Ordered(Order::LameDuck { until }));
        let place = Instant::from_nanos(random >> 32);
        assert_eq!(connection.poll_timeout(), Some(place), "{id}");
    }
}

#[test]
fn a_place_scales_with_the_lame_duck() {
    let id = ConnectionId::new(1);
    let mut connection = Connection::new(id, Times::default(), at(0), &[]);
    connection.handle(at(0), Input::Speaks(Protocol::Http2));
    let until = at(0) + Duration::from_secs(20);
    connection.handle(at(0), Input::Ordered(Order::LameDuck { until }));
    // 0x910a2dec of 0xffffffff of ten seconds.
    let place = Instant::from_nanos(5_665_615_751);
    assert_eq!(connection.poll_timeout(), Some(place));
}

#[test]
fn what_is_in_flight_has_begun_and_ended_in_no_way() {
    let mut tally = Tally::default();
    tally.begun = 10;
    tally.answered = 4;
    tally.cut = 3;
    tally.aborted = 1;
    assert_eq!(tally.in_flight(), 2);
    // Counts that were read one after the other may not fit for a moment.
    tally.begun = 7;
    assert_eq!(tally.in_flight(), 0);
}

#[test]
fn numbers_are_given_back_as_they_were_given() {
    assert_eq!(ConnectionId::new(7).number(), 7);
    assert_eq!(ListenerId::new(7).number(), 7);
}

#[test]
fn a_turn_in_a_spread_drain_is_not_put_off_by_a_deadline_that_comes_later() {
    let spread = Duration::from_secs(10);
    let times = Times {
        drain_spread: spread,
        ..Times::default()
    };
    let mut connection = Connection::new(ConnectionId::new(1), times, at(0), &[]);
    connection.handle(at(0), Input::Speaks(Protocol::Http2));
    connection.handle(at(0), Input::Ordered(Order::Drain { deadline: None }));
    let turn = connection.poll_timeout();
    assert!(turn.is_some_and(|turn| turn > at(1_000) && turn <= at(0) + spread));
    let deadline = Some(at(100_000));
    connection.handle(at(1_000), Input::Ordered(Order::Drain { deadline }));
    assert_eq!(connection.poll_timeout(), turn);
}

#[test]
fn a_connection_is_long_quiet_a_second_after_it_was_told_or_last_worked() {
    let mut connection = http2(&[]);
    connection.handle_timeout(at(60_000));
    assert!(!connection.is_long_quiet(), "nobody stops the server");
    let until = at(70_000);
    connection.handle(at(60_000), Input::Ordered(Order::LameDuck { until }));
    let told = connection.poll_timeout().unwrap();
    connection.handle_timeout(told);
    let busy = Input::Activity(Activity {
        begun: 1,
        in_flight: 1,
        ..Activity::default()
    });
    let quiet = Input::Activity(Activity {
        begun: 1,
        ..Activity::default()
    });
    connection.handle(told, busy);
    let last = told + Duration::from_millis(300);
    connection.handle(last, quiet);
    for (since, long) in [(0, false), (999, false), (1_000, true), (5_000, true)] {
        connection.handle_timeout(last + Duration::from_millis(since));
        assert_eq!(connection.is_long_quiet(), long, "{since} ms");
    }
}

#[test]
fn whoever_was_told_in_the_lame_duck_is_not_kept_for_a_turn_in_the_drain() {
    let times = Times {
        drain_spread: Duration::from_secs(10),
        ..Times::default()
    };
    let mut connection = Connection::new(ConnectionId::new(1), times, at(0), &[]);
    connection.handle(at(0), Input::Speaks(Protocol::Http2));
    let until = at(2_000);
    connection.handle(at(0), Input::Ordered(Order::LameDuck { until }));
    connection.handle_timeout(at(1_000));
    assert_eq!(connection.poll_effect(), Some(Effect::GracefulClose));
    connection.handle(until, Input::Ordered(Order::Drain { deadline: None }));
    connection.handle_timeout(until);
    let end = ConnectionEnd::TimedOut;
    assert_eq!(connection.poll_effect(), Some(Effect::Close(end)));
}
