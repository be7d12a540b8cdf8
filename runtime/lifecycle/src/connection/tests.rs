//! The laws of one connection, on arbitrary lives, and the table of a drain, row by row.

use alloc::vec;
use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn connection(orders: &[Order]) -> Connection {
    Connection::new(ConnectionId::new(1), Times::default(), at(0), orders)
}

fn effects(connection: &mut Connection) -> Vec<Effect> {
    core::iter::from_fn(|| connection.poll_effect()).collect()
}

fn activity(begun: u64, in_flight: u64, head: bool) -> Input {
    Input::Activity(Activity {
        begun,
        in_flight,
        head,
    })
}

const DRAIN: Input = Input::Ordered(Order::Drain { deadline: None });
const CANCEL: Input = Input::Ordered(Order::Cancel);
const FORCE: Input = Input::Ordered(Order::Force);

/// What happens, each in millis since the start.
fn live(inputs: &[(u64, Input)]) -> Connection {
    let mut connection = connection(&[]);
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

/// A drain at 20 s: what is asked at once, when the timer is due, and what that brings.
#[track_caller]
fn check_drain(life: &[(u64, Input)], at_once: &[Effect], due: Option<u64>, then: &[Effect]) {
    let mut connection = live(life);
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
    check_drain(
        &with(http2(), &[(0, activity(3, 2, false))]),
        &[GracefulClose],
        None,
        &[],
    );
    check_drain(&with(http1(), &[(0, Input::Upgraded)]), &[], None, &[]);
    // HTTP/2 without work has a second to agree.
    check_drain(&http2(), &[GracefulClose], Some(21_000), &[Close(TimedOut)]);
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
    assert_eq!(connection.poll_timeout(), Some(at(6_000)));
    connection.handle(at(5_500), activity(2, 1, false));
    assert_eq!(connection.poll_timeout(), None);
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
    stalled.handle_timeout(at(51));
    assert_eq!(effects(&mut stalled), [Reset(ConnectionEnd::Cut)]);
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
fn a_head_is_timed_from_its_first_byte_and_only_while_nothing_is_in_flight() {
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

fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![
        Just(Input::FirstByte),
        Just(Input::Speaks(Protocol::Http1)),
        Just(Input::Speaks(Protocol::Http2)),
        (0..4_u64, 0..3_u64, any::<bool>())
            .prop_map(|(begun, in_flight, head)| activity(begun, in_flight, head)),
        Just(Input::Upgraded),
        (0..20_000_u64).prop_map(|millis| Input::Ordered(Order::LameDuck { until: at(millis) })),
        prop::option::of(0..20_000_u64).prop_map(|millis| Input::Ordered(Order::Drain {
            deadline: millis.map(at),
        })),
        Just(CANCEL),
        Just(FORCE),
        Just(Input::Ended(ConnectionEnd::PeerClosed)),
    ]
}

/// Inputs with the millis that pass before each.
fn any_life() -> impl Strategy<Value = Vec<(u64, Input)>> {
    prop::collection::vec((0..3_000_u64, any_input()), 0..14)
}

/// Lives as the outside could: timers ring when due, effects are carried out.
fn run(life: &[(u64, Input)], mut look: impl FnMut(&Connection, Instant, &[Effect])) {
    let mut connection = connection(&[]);
    let mut now = Instant::ZERO;
    for (wait, input) in life {
        now = now + Duration::from_millis(*wait);
        while let Some(due) = connection.poll_timeout().filter(|due| *due <= now) {
            let due = due.max(connection.now);
            connection.handle_timeout(due);
            let asked = effects(&mut connection);
            look(&connection, due, &asked);
        }
        connection.handle(now, *input);
        let asked = effects(&mut connection);
        look(&connection, now, &asked);
    }
}

/// Sixteen times proptest's own number of lives, 4 096 unless `PROPTEST_CASES` says otherwise. A life
/// that fails is printed; nothing is written beside the code.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig {
        cases: config.cases.saturating_mul(16),
        failure_persistence: None,
        ..config
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_connection_is_told_once_ends_once_and_is_left_alone_afterwards(life in any_life()) {
        let (mut told, mut ended, mut forced) = (0, 0, false);
        run(&life, |connection, _, asked| {
            for effect in asked {
                assert_eq!(ended, 0, "{effect:?} after the end");
                match effect {
                    Effect::GracefulClose => {
                        assert!(!forced, "told after force");
                        told += 1;
                    }
                    Effect::Close(_) | Effect::Reset(_) => ended += 1,
                    Effect::EndReading | Effect::CutStreams => {}
                }
            }
            forced |= connection.is_forced();
            assert_eq!(told > 0, connection.is_told());
            ended = ended.max(u32::from(connection.end().is_some()));
        });
        prop_assert!(told <= 1 && ended <= 1);
    }

    #[test]
    fn draining_comes_before_cancelled_before_cut(life in any_life()) {
        let (mut asked_to_stop, mut before) = (false, (false, false, false));
        let mut inputs = life.iter();
        run(&life, |connection, _, asked| {
            let level = (connection.is_draining(), connection.is_cancelled(), connection.is_forced());
            assert!(level.0 >= level.1 && level.1 >= level.2, "{level:?}");
            assert!(level >= before, "fell back from {before:?} to {level:?}");
            before = level;
            for effect in asked {
                let cut = matches!(
                    effect,
                    Effect::CutStreams
                        | Effect::Reset(_)
                        | Effect::Close(ConnectionEnd::Cut)
                );
                assert!(!cut || level.2, "{effect:?} without force");
            }
        });
        asked_to_stop |= inputs.any(|(_, input)| matches!(
            input,
            Input::Ordered(Order::Drain { .. } | Order::Cancel | Order::Force)
        ));
        prop_assert!(asked_to_stop || before == (false, false, false), "stopped by nobody");
    }

    #[test]
    fn what_drains_has_a_timer_unless_work_without_a_deadline_is_in_flight(life in any_life()) {
        run(&life, |connection, now, _| {
            if connection.end().is_some() {
                assert_eq!(connection.poll_timeout(), None);
            } else if connection.is_draining() && connection.poll_timeout().is_none() {
                let working = connection.activity.in_flight > 0
                    || connection.stage == Stage::Upgraded;
                assert!(working && connection.deadline.is_none(), "{connection:?}");
            } else if connection.is_draining() && connection.activity.in_flight == 0
                && connection.stage != Stage::Upgraded
            {
                let due = connection.poll_timeout().unwrap();
                assert!(due <= now + Duration::from_secs(1), "{due:?} at {now:?}");
            }
        });
    }

    #[test]
    fn force_ends_a_connection_within_the_flush(life in any_life()) {
        let mut forced_at = None;
        run(&life, |connection, now, _| {
            if connection.is_forced() {
                let at = *forced_at.get_or_insert(now);
                if connection.end().is_none() {
                    let due = connection.poll_timeout().unwrap();
                    assert!(due <= at + Duration::from_millis(50));
                }
            }
        });
    }

    #[test]
    fn extra_timer_calls_and_a_clock_that_runs_back_change_nothing(life in any_life()) {
        let mut seen = Vec::new();
        run(&life, |connection, now, asked| {
            let mut twice = connection.clone();
            twice.handle_timeout(now);
            twice.handle_timeout(Instant::ZERO);
            // Time that has come meanwhile counts; nothing else does.
            if connection.poll_timeout().is_none_or(|due| due > now) {
                assert_eq!(&twice, connection);
            }
            seen.push((now, asked.to_vec()));
        });
        let mut again = Vec::new();
        run(&life, |_, now, asked| again.push((now, asked.to_vec())));
        prop_assert_eq!(seen, again);
    }
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
