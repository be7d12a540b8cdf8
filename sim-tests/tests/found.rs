//! What simulation has found, each by name.

use std::time::Duration;

use lamplighter_sim::{Callback, CallbackDoes, Memory, Moment, Oracle, Scenario, World};

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
