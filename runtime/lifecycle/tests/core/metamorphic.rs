//! Laws 10, 15 and 19 as pairs of runs that must not differ, or only for the better (tests of
//! floor 0).
//!
//! **Invariant:** the second run of a pair differs from the first in the one thing that its test
//! names.

use lamplighter_lifecycle::{Effect, Event, HookId, Input, Instant, Machine, Phase, Signal};
use proptest::prelude::*;
use std::cell::RefCell;

use crate::generator::{Draw, Setting};
use crate::hostile::{for_each_sequence, live};
use crate::laws::Laws;
use crate::model::{Call, Model, Moment};
use crate::world::{World, worlds};

/// A call, and the instant that its caller gave.
type Recorded = (Instant, Call);

/// What one call brought.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Brought {
    effects: Vec<Effect>,
    events: Vec<(Instant, Event)>,
    due: Option<Instant>,
    ends_by: Option<Instant>,
}

/// The calls of the lives that these numbers make, one list for each life.
fn record(setting: &Setting, numbers: &[u64]) -> Vec<Vec<Recorded>> {
    let lives: RefCell<Vec<Vec<Recorded>>> = RefCell::default();
    live(setting, numbers, || {
        lives.borrow_mut().push(Vec::new());
        |_: &Model, moment: &Moment| {
            let mut lives = lives.borrow_mut();
            let calls = lives.last_mut().unwrap();
            if !matches!(moment.call, Call::Overdue) {
                calls.push((moment.at, moment.call.clone()));
            }
            Ok(())
        }
    })
    .unwrap();
    lives.into_inner()
}

/// Makes the calls again, each after what `before` does to the machine.
fn replay(
    calls: &[Recorded],
    mut before: impl FnMut(&mut Machine, Instant),
) -> (Machine, Vec<Brought>) {
    let mut machine = Machine::new();
    let mut brought = Vec::new();
    for (at, call) in calls {
        before(&mut machine, *at);
        match call.clone() {
            Call::Handle(input) => machine.handle(*at, input),
            Call::Timeout | Call::Overdue => machine.handle_timeout(*at),
            Call::RegisterHook(spec, _) => drop(machine.register_hook(spec)),
            Call::RegisterWorker(_) => drop(machine.register_worker("worker".into())),
            Call::SetPlan(plan) => machine.set_plan(plan),
            Call::Observe(observed) => machine.observe_connections(observed),
        }
        brought.push(Brought {
            effects: std::iter::from_fn(|| machine.poll_effect()).collect(),
            events: std::iter::from_fn(|| machine.poll_event()).collect(),
            due: machine.poll_timeout(),
            ends_by: machine.ends_by(),
        });
    }
    (machine, brought)
}

fn same(
    first: &(Machine, Vec<Brought>),
    second: &(Machine, Vec<Brought>),
    calls: &[Recorded],
) -> Result<(), String> {
    for (place, pair) in first.1.iter().zip(&second.1).enumerate() {
        if pair.0 != pair.1 {
            return Err(format!("{:#?}\nbrought {pair:#?}", calls[place]));
        }
    }
    if first.0 != second.0 {
        return Err(format!("{:#?}\nis not\n{:#?}", first.0, second.0));
    }
    Ok(())
}

#[test]
fn extra_polls_and_timer_calls_change_nothing() {
    for_each_sequence(4, |setting, numbers| {
        let mut draws = numbers.iter().cycle();
        for calls in record(setting, numbers) {
            let plain = replay(&calls, |_, _| {});
            let extra = replay(&calls, |machine, next| {
                let mut draw = Draw::new(*draws.next().unwrap() >> 7);
                for _ in 0..draw.below(3) {
                    assert_eq!(machine.poll_effect(), None);
                    assert_eq!(machine.poll_event(), None);
                    let now = machine.now();
                    let due = machine.poll_timeout();
                    if due.is_some_and(|due| due <= now) {
                        return; // What is due is no extra call.
                    }
                    let due = due.unwrap_or(Instant::MAX).as_nanos();
                    let latest = next.as_nanos().min(due.saturating_sub(1));
                    let at = match draw.below(4) {
                        0 => now.as_nanos() / 2,
                        1 => now.as_nanos(),
                        2 => (now.as_nanos() / 2 + latest / 2).min(latest),
                        _ => latest,
                    };
                    machine.handle_timeout(Instant::from_nanos(at));
                }
            });
            same(&plain, &extra, &calls)?;
        }
        Ok(())
    });
}

#[test]
fn a_clock_that_runs_back_gives_the_life_of_the_clamped_one() {
    for_each_sequence(4, |setting, numbers| {
        for calls in record(setting, numbers) {
            let mut now = Instant::ZERO;
            let clamped: Vec<Recorded> = calls
                .iter()
                .map(|(at, call)| {
                    now = now.max(*at);
                    (now, call.clone())
                })
                .collect();
            let plain = replay(&calls, |_, _| {});
            let clamped = replay(&clamped, |_, _| {});
            same(&plain, &clamped, &calls)?;
        }
        Ok(())
    });
}

#[test]
fn the_same_inputs_give_the_same_life_and_the_same_report() {
    for_each_sequence(10, |setting, numbers| {
        for calls in record(setting, numbers) {
            same(
                &replay(&calls, |_, _| {}),
                &replay(&calls, |_, _| {}),
                &calls,
            )?;
        }
        Ok(())
    });
}

/// Lives in a world to its end, every law held.
fn outlive(world: &World) -> Result<Model, String> {
    let mut laws = Laws::default();
    world.live(&mut |model, moment| laws.check(model, moment))
}

/// When each phase of the stop was entered.
fn steps(model: &Model) -> Vec<(Phase, Option<Instant>)> {
    Phase::STOPPING
        .into_iter()
        .chain([Phase::Stopped])
        .map(|phase| (phase, model.machine.entered(phase)))
        .collect()
}

/// The hooks that began.
fn hooks(model: &Model) -> Vec<HookId> {
    let report = model.report();
    let began = report.hooks.iter().map(|hook| hook.started.is_some());
    model
        .machine
        .hooks()
        .ids()
        .zip(began)
        .filter_map(|(id, began)| began.then_some(id))
        .collect()
}

#[test]
fn a_stop_in_a_punctual_world_ends_within_its_budget_to_the_nanosecond() {
    for_each_world(|world, _| {
        let model = outlive(world)?;
        let report = model.report();
        if !report.stalled.is_zero() {
            return Err(format!(
                "a punctual driver was late by {:?}",
                report.stalled
            ));
        }
        match report.budget {
            // The wait may have been ended late: its end is what the laws look at.
            Some(budget) if !world.waits() && report.total > budget => {
                Err(format!("took {:?} of {budget:?}", report.total))
            }
            _ => Ok(()),
        }
    });
}

#[test]
fn an_extra_signal_makes_no_step_later_and_fewer_than_three_skip_no_hook() {
    for_each_world(|world, at| {
        let plain = outlive(world)?;
        let mut hurried = world.clone();
        hurried.calls.push((at, Input::Signal(Signal::Sigterm)));
        let hurried = outlive(&hurried)?;
        // A start that failed by itself has cut everything already, and waits for nothing.
        let failed = plain.report().outcome.start_failure.is_some();
        if failed {
            return Ok(());
        }
        for (plain, hurried) in steps(&plain).into_iter().zip(steps(&hurried)) {
            let (phase, before) = plain;
            let Some(before) = before else { continue };
            if hurried.1.is_none_or(|now| now > before) {
                return Err(format!("{phase} at {:?}, without at {before:?}", hurried.1));
            }
        }
        if !hurried.machine.is_abandoned() {
            let began = hooks(&hurried);
            if let Some(skipped) = hooks(&plain).iter().find(|hook| !began.contains(hook)) {
                return Err(format!("{skipped} was skipped"));
            }
        }
        Ok(())
    });
}

/// Runs `each` over worlds, with an instant at which something more may happen in each.
fn for_each_world(each: impl Fn(&World, Instant) -> Result<(), String>) {
    use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
    let mut runner = TestRunner::new(Config {
        cases: (crate::hostile::sequences() / 4).max(1),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(0x1a3b_1198),
        ..Config::default()
    });
    let extra = (0..60_000_u64).prop_map(|millis| Instant::from_nanos(millis * 1_000_000));
    let outcome = runner.run(&(worlds(), extra), |(world, at)| {
        each(&world, at).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
