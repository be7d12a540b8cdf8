//! The laws of one connection, on arbitrary lives under arbitrary limits.

use proptest::prelude::*;

use super::*;

fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![
        Just(Input::FirstByte),
        Just(Input::Speaks(Protocol::Http1)),
        Just(Input::Speaks(Protocol::Http2)),
        (0..4_u64, 0..3_u64, any::<bool>())
            .prop_map(|(begun, in_flight, head)| activity(begun, in_flight, head)),
        (0..4_u64, 0..3_u64).prop_map(|(begun, in_flight)| blocked(begun, in_flight)),
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

fn any_times() -> impl Strategy<Value = Times> {
    let millis = |most: u64| prop::option::of((0..most).prop_map(Duration::from_millis));
    let retirement = (millis(20_000), prop::option::of(0..4_u64), millis(5_000)).prop_map(
        |(max_age, max_requests, grace)| Retirement {
            max_age,
            max_requests,
            grace,
        },
    );
    let some = prop_oneof![Just(Retirement::default()), retirement];
    (prop_oneof![Just(0), 0..5_000_u64], some).prop_map(|(spread, retirement)| Times {
        drain_spread: Duration::from_millis(spread),
        retirement,
        ..Times::default()
    })
}

fn any_setting() -> impl Strategy<Value = (Times, Vec<(u64, Input)>)> {
    (any_times(), any_life())
}

/// Lives as the outside could: timers ring when due, effects are carried out.
fn run(times: Times, life: &[(u64, Input)], mut look: impl FnMut(&Connection, Instant, &[Effect])) {
    let mut connection = Connection::new(ConnectionId::new(1), times, at(0), &[]);
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
    fn a_connection_is_told_once_ends_once_and_is_left_alone_afterwards((times, life) in any_setting()) {
        let (mut told, mut ended, mut forced, mut asked_to_finish) = (0, 0, false, 0);
        run(times, &life, |connection, _, asked| {
            for effect in asked {
                assert_eq!(ended, 0, "{effect:?} after the end");
                match effect {
                    Effect::GracefulClose => {
                        assert!(!forced, "told after force");
                        told += 1;
                    }
                    Effect::Close(_) | Effect::Reset(_) => ended += 1,
                    Effect::AskToFinish => {
                        asked_to_finish += 1;
                        assert!(connection.is_draining(), "asked to finish by nobody");
                    }
                    Effect::RefuseStreams => assert!(told == 1, "refuses before it has told"),
                    Effect::EndReading | Effect::CutStreams => {}
                }
            }
            forced |= connection.is_forced();
            assert_eq!(told > 0, connection.is_told());
            ended = ended.max(u32::from(connection.end().is_some()));
        });
        prop_assert!(told <= 1 && ended <= 1 && asked_to_finish <= 1);
    }

    #[test]
    fn draining_comes_before_cancelled_before_cut((times, life) in any_setting()) {
        let (mut asked_to_stop, mut before) = (false, (false, false, false));
        let mut inputs = life.iter();
        run(times, &life, |connection, _, asked| {
            let level = (connection.is_draining(), connection.is_cancelled(), connection.is_forced());
            // A limit of its own cuts a connection without a stop, which nobody is told of.
            let by_stop = (level.0, level.1, level.2 && !connection.overdue);
            assert!(by_stop.0 >= by_stop.1 && by_stop.1 >= by_stop.2, "{level:?}");
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
        prop_assert!(asked_to_stop || before < (true, false, false), "stopped by nobody");
        let retires = times.retirement.grace.is_some();
        prop_assert!(asked_to_stop || retires || !before.2, "cut by nobody");
    }

    #[test]
    fn what_drains_has_a_timer_unless_work_without_a_deadline_is_in_flight((times, life) in any_setting()) {
        run(times, &life, |connection, now, _| {
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
                let longest = times.drain_spread.max(Duration::from_secs(1));
                assert!(due <= now + longest, "{due:?} at {now:?}");
            }
        });
    }

    #[test]
    fn force_ends_a_connection_within_the_flush((times, life) in any_setting()) {
        let mut forced_at = None;
        run(times, &life, |connection, now, _| {
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
    fn extra_timer_calls_and_a_clock_that_runs_back_change_nothing((times, life) in any_setting()) {
        let mut seen = Vec::new();
        run(times, &life, |connection, now, asked| {
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
        run(times, &life, |_, now, asked| again.push((now, asked.to_vec())));
        prop_assert_eq!(seen, again);
    }
}
