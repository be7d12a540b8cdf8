//! Every law, after every call of ten thousand hostile lives (tests of floor 0).
//!
//! **Invariant:** the sequences are a function of a fixed seed.

use lamplighter_lifecycle::{Instant, Phase};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use std::cell::RefCell;

use crate::generator::{DEEDS, Deed, Hostile, KINDS, Setting, kind, settings};
use crate::laws::Laws;
use crate::model::{Model, Moment};

/// How many sequences there are, unless `LAWS_SEQUENCES` asks for fewer: meant for mutation runs
/// alone, where one mutant at a time has the whole suite against it.
const SEQUENCES: u32 = 10_500;

pub(crate) fn sequences() -> u32 {
    let asked = std::env::var("LAWS_SEQUENCES").ok();
    let asked = asked.and_then(|asked| asked.parse().ok());
    asked.map_or(SEQUENCES, |asked: u32| asked.clamp(1, SEQUENCES))
}

/// Whether this run looks at less than it could.
pub(crate) fn is_shortened() -> bool {
    sequences() < SEQUENCES
}

/// Runs `each` over the same settings and numbers, every time.
pub(crate) fn for_each_sequence(share: u32, each: impl Fn(&Setting, &[u64]) -> Result<(), String>) {
    let mut runner = TestRunner::new(Config {
        cases: (sequences() / share).max(1),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(0x1a3b_1197),
        max_shrink_iters: 20_000,
        ..Config::default()
    });
    let numbers = proptest::collection::vec(any::<u64>(), 1..=DEEDS);
    let outcome = runner.run(&(settings(), numbers), |(setting, numbers)| {
        each(&setting, &numbers).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// How many deeds a life is followed for beyond its end.
const AFTERLIFE: usize = 12;

/// Lives one life after the other until the numbers are used up; shows each moment to what `watch`
/// makes for each life.
pub(crate) fn live<W>(
    setting: &Setting,
    numbers: &[u64],
    watch: impl Fn() -> W,
) -> Result<(), String>
where
    W: FnMut(&Model, &Moment) -> Result<(), String>,
{
    let mut numbers = numbers.iter();
    while !numbers.as_slice().is_empty() {
        let mut watch = watch();
        live_once(setting, &mut numbers, &mut watch)?;
    }
    Ok(())
}

fn live_once(
    setting: &Setting,
    numbers: &mut std::slice::Iter<'_, u64>,
    watch: &mut dyn FnMut(&Model, &Moment) -> Result<(), String>,
) -> Result<(), String> {
    let mut model = Model::default();
    let mut hostile = Hostile::new(setting);
    let mut deeds = vec![Deed::SetPlan, Deed::Observe(setting.observed)];
    deeds.extend(setting.hooks.iter().cloned().map(Deed::RegisterHook));
    deeds.extend((0..setting.workers).map(|_| Deed::RegisterWorker));
    deeds.push(Deed::Timeout(Instant::from_nanos(setting.begins)));
    for deed in deeds {
        hostile.carry_out(&mut model, deed, watch)?;
    }
    let mut afterlife = 0;
    for number in numbers {
        for deed in hostile.deeds(&model, *number) {
            hostile.carry_out(&mut model, deed, watch)?;
        }
        afterlife += usize::from(model.machine.phase() == Phase::Stopped);
        if afterlife == AFTERLIFE {
            break;
        }
    }
    Ok(())
}

#[test]
fn every_law_holds_after_every_call_of_every_hostile_life() {
    for_each_sequence(1, |setting, numbers| {
        live(setting, numbers, || {
            let mut laws = Laws::default();
            move |model: &Model, moment: &Moment| laws.check(model, moment)
        })
    });
}

/// How often each kind of input came in each phase.
type Hits = [[u32; KINDS.len()]; Phase::ALL.len()];

#[test]
fn every_kind_of_input_comes_in_every_phase_a_hundred_times() {
    if is_shortened() {
        return; // A promise about all of the sequences.
    }
    let hits = RefCell::new(Hits::default());
    for_each_sequence(1, |setting, numbers| {
        live(setting, numbers, || {
            |_: &Model, moment: &Moment| {
                if let Some(input) = moment.input() {
                    let before = moment.before.phase;
                    let phase = Phase::ALL.iter().position(|phase| *phase == before);
                    hits.borrow_mut()[phase.unwrap()][kind(input)] += 1;
                }
                Ok(())
            }
        })
    });
    // No cell is out of reach: nothing keeps a driver from handing in any input in any phase.
    let wanted = 100;
    let mut missing = Vec::new();
    for (phase, hits) in Phase::ALL.iter().zip(hits.into_inner()) {
        for (kind, hits) in KINDS.iter().zip(hits) {
            if hits < wanted {
                missing.push(format!("{kind} in {phase}: {hits}"));
            }
        }
    }
    assert!(missing.is_empty(), "fewer than {wanted}: {missing:#?}");
}
