//! Two things that come within a millisecond of each other, in either order and in one instant: each
//! side has the outcome that the design gives it, and in one instant there is one outcome, the same
//! each time, which the report and the client tell alike.
//!
//! **Invariant:** what is expected is worked out from the numbers of a case alone.

#[path = "races/came.rs"]
mod came;
#[path = "races/expected.rs"]
mod expected;
#[path = "races/numbers.rs"]
mod numbers;

use std::time::Duration;

use lamplighter::ServerEventKind;
use lamplighter_sim::{Act, Bind, Memory, Origin, Run, Scenario, Start, World};
use proptest::sample::select;
use proptest::strategy::Strategy;

use crate::stage::holds;
use came::Came;
use expected::Expected;
use numbers::{Numbers, Race, Speaks, numbers};

/// Runs it, and once more: what comes of one case is one thing.
fn run(scenario: &Scenario) -> Result<Run, String> {
    let once = || {
        let run = Memory::with_wire().run(scenario, &mut ());
        run.map_err(|error| error.to_string())
    };
    let (first, second) = (once()?, once()?);
    if first.trace == second.trace {
        return Ok(first);
    }
    let (first, second) = (first.text(), second.text());
    Err(format!("two runs differ:\n\n{first}\n\n{second}"))
}

#[test]
fn what_comes_within_a_millisecond_of_each_other_ends_as_its_order_says() {
    let race = select(&Race::ALL[..]);
    holds(
        what_comes_within_a_millisecond_of_each_other_ends_as_its_order_says,
        32,
        (race, -1..=1, numbers())
            .prop_map(|(race, side, numbers)| (race, side, race.set(side, numbers))),
        |(_, _, numbers)| {
            let run = run(&numbers.scenario())?;
            let told = |how: String| format!("{how}\n\n{}", run.text());
            let came = Came::read(&run).map_err(told)?;
            Expected::of(numbers).holds(&came).map_err(told)
        },
    );
}

#[test]
fn a_millisecond_decides() {
    let numbers = Numbers {
        lame_duck: 0,
        drain: 1_000,
        cancel_lead: 100,
        hooks: 2_000,
        takes: 10_000,
        hears: false,
        hook: 5,
        hook_may: None,
        first: 50,
        second: None,
        third: None,
        speaks: Speaks::Http2,
    };
    for race in [
        Race::AnswerAndDeadline,
        Race::AnswerAndCancel,
        Race::AnswerAndForce,
        Race::SecondAndFirst,
        Race::ThirdAndHook,
        Race::HookAndTimeout,
        Race::HookAndWindow,
    ] {
        let [before, after] = [-1, 1].map(|side| {
            let run = run(&race.set(side, numbers).scenario()).unwrap();
            let came = Came::read(&run).unwrap();
            (came.answered, came.cancelled, came.outcome, came.second)
        });
        assert_ne!(before, after, "{race:?}");
    }
}

#[test]
fn a_stop_within_a_millisecond_of_ready_comes_before_it_or_after_it() {
    holds(
        a_stop_within_a_millisecond_of_ready_comes_before_it_or_after_it,
        8,
        (1..1_000_u32, -1..=1),
        |(bound, side)| {
            let scenario = Scenario {
                start: Start {
                    bind: Bind::Late { ms: *bound },
                    ..Start::default()
                },
                from: Origin::Call,
                acts: vec![Act {
                    gap_ms: bound.checked_add_signed(*side).unwrap(),
                    ..Act::default()
                }],
                ..Scenario::default()
            };
            let run = run(&scenario)?;
            let said = |wanted: ServerEventKind| {
                let mut said = run.trace.iter().filter_map(|entry| entry.server());
                said.any(|event| *event == wanted)
            };
            let ready = said(ServerEventKind::Ready);
            let report = run.report.as_ref().ok_or("it never ends")?;
            let tells = !report.outcome().stopped_before_ready;
            let right = match side {
                -1 => !ready,
                1 => ready,
                _ => true,
            };
            if right && ready == tells && report.total() == Duration::ZERO {
                return Ok(());
            }
            Err(format!(
                "ready: {ready}, and in the report: {tells}\n\n{}",
                run.text()
            ))
        },
    );
}
