//! One case in full.
//!
//! **Invariant:** what a campaign says about a seed, this shows.

use std::io::{self, Write};

use super::Ended;
use super::failure::Failure;
use super::judge::Judge;
use crate::trace::Text;

/// Runs the case of `seed` and tells all about it.
pub(super) fn tell(judge: &Judge, seed: u64, out: &mut dyn Write) -> io::Result<Ended> {
    let case = judge.world().case(seed);
    let verdict = judge.judge_twice(&case.scenario);
    writeln!(out, "seed {seed}, features: {}\n", case.swarm)?;
    writeln!(out, "{:#?}\n\n{}", case.scenario, Text::new(&verdict.trace))?;
    let Some(violation) = verdict.violation else {
        writeln!(out, "passed")?;
        return Ok(Ended::Passed);
    };
    let failure = Failure::new(judge, case, violation).shrunk(judge);
    writeln!(out, "FAILED\n\n{failure}")?;
    Ok(Ended::Failed)
}
