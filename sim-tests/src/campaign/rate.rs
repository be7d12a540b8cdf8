//! How many small cases a second.
//!
//! **Invariant:** measured on one thread, generation and judgement included, as in a campaign.

use std::io::{self, Write};
use std::time::Duration;

use super::Ended;
use super::judge::Judge;
use super::worlds::WorldName;
use crate::strategy::Case;

/// How many rounds there are; the median of them counts.
const ROUNDS: usize = 11;

/// How many cases are run in a round.
const CASES: u64 = 2_000;

/// Measures it and tells.
pub(super) fn tell(out: &mut dyn Write) -> io::Result<Ended> {
    let judge = Judge::new(WorldName::Memory);
    let mut lines = 0;
    let mut rates: Vec<u64> = (0..ROUNDS)
        .map(|round| {
            let from = round as u64 * CASES;
            let began = now();
            for seed in from..from + CASES {
                lines += judge.judge(&Case::small(seed).scenario).trace.len();
            }
            per_second(CASES, began.elapsed())
        })
        .collect();
    rates.sort_unstable();
    let rate = |place: usize| rates.get(place).copied().unwrap_or_default();
    writeln!(
        out,
        "{} small cases a second on one core (median of {ROUNDS} rounds of {CASES}, from {} to {}); {} lines each",
        rate(ROUNDS / 2),
        rate(0),
        rate(ROUNDS - 1),
        lines as u64 / (ROUNDS as u64 * CASES),
    )?;
    Ok(Ended::Passed)
}

/// The real time: what a simulation costs is not simulated.
#[expect(
    clippy::disallowed_methods,
    reason = "the speed of the simulator is the one thing here that real time is about"
)]
pub(super) fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// How many of so many a second.
pub(super) fn per_second(many: u64, took: Duration) -> u64 {
    let micros = took.as_micros().max(1);
    u64::try_from(u128::from(many) * 1_000_000 / micros).unwrap_or(u64::MAX)
}
