//! What simulation has found, each by name.

use std::time::Duration;

use lamplighter::Signal;
use lamplighter_sim::{
    Act, ActDoes, Callback, CallbackDoes, Client, ClientDoes, Defences, Memory, Moment, Oracle,
    Scenario, World,
};

#[test]
fn a_force_in_on_start_drops_a_start_that_was_never_polled_at_once() {
    let scenario = Scenario {
        callbacks: vec![Callback {
            on: Moment::Start,
            does: CallbackDoes::Force,
        }],
        ..Scenario::default()
    };
    let mut oracle = Oracle::new(&scenario);
    let run = Memory::default().run(&scenario, &mut oracle).unwrap();
    assert_eq!(oracle.judge(&run), Ok(()), "{}", run.text());
    assert_eq!(run.report.unwrap().total(), Duration::ZERO);
}

/// How long a stop takes that finds one such client, 10 ms after Ready, where a head may take so long.
fn stop_with(does: ClientDoes, header_read_ms: u32) -> Option<Duration> {
    let scenario = Scenario {
        defences: Defences {
            header_read_ms: Some(header_read_ms),
            ..Defences::default()
        },
        clients: vec![Client {
            does,
            ..Client::default()
        }],
        acts: vec![Act {
            gap_ms: 10,
            does: ActDoes::Signal(Signal::Sigterm),
        }],
        ..Scenario::default()
    };
    let mut oracle = Oracle::new(&scenario);
    let run = Memory::default().run(&scenario, &mut oracle).ok()?;
    assert_eq!(oracle.judge(&run), Ok(()), "{}", run.text());
    Some(run.report?.total())
}

#[test]
fn a_drain_gives_a_silent_connection_no_longer_than_its_head_may_take() {
    // It is accepted 3 ms after Ready, and would have 100 ms in a drain.
    let stop = stop_with(ClientDoes::Silent, 50);
    assert_eq!(stop, Some(Duration::from_millis(43)));
}

#[test]
fn a_drain_gives_half_a_head_no_longer_than_a_head_may_take() {
    // It has come 3 ms after Ready, and would have a second in a drain.
    let stop = stop_with(ClientDoes::HalfHead, 200);
    assert_eq!(stop, Some(Duration::from_millis(193)));
}
