//! A case that failed: what of, how to see it again, and the smallest one that fails alike.
//!
//! **Invariant:** the text of a failure is enough to work on it: nothing else of the campaign is needed.

use std::fmt;

use super::judge::Judge;
use crate::oracle::Violation;
use crate::scenario::Scenario;
use crate::shrink::{Shrunk, shrink};
use crate::strategy::Case;
use crate::trace::{Entry, Text};

/// How many runs a shrinking may take: some seconds of a release build.
const RUNS: u32 = 20_000;

/// A case that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The case.
    pub case: Case,
    /// What it broke.
    pub violation: Violation,
    /// The smallest case that breaks the same law, if it was looked for.
    pub smallest: Option<Smallest>,
    /// In which world.
    pub world: &'static str,
}

/// The smallest case that fails alike.
#[derive(Clone, Debug)]
pub struct Smallest {
    /// The case.
    pub scenario: Scenario,
    /// What it broke, in its own numbers.
    pub violation: Violation,
    /// What happened in it.
    pub trace: Vec<Entry>,
    /// How many cases were run to find it.
    pub runs: u32,
    /// Whether no single step leads to a smaller one.
    pub minimal: bool,
}

impl Failure {
    /// This case, not shrunk.
    #[must_use]
    pub fn new(judge: &Judge, case: Case, violation: Violation) -> Self {
        Self {
            case,
            violation,
            smallest: None,
            world: judge.world().name(),
        }
    }

    /// Looks for the smallest case that fails alike.
    #[must_use]
    pub fn shrunk(mut self, judge: &Judge) -> Self {
        let law = &self.violation.law;
        let fails = |scenario: &Scenario| {
            let violation = judge.judge_by(law, scenario).violation;
            violation.is_some_and(|violation| violation.law == *law)
        };
        let Shrunk {
            smallest,
            runs,
            minimal,
        } = shrink(&self.case.scenario, RUNS, fails);
        let verdict = judge.judge_by(law, &smallest);
        self.smallest = verdict.violation.map(|violation| Smallest {
            scenario: smallest,
            violation,
            trace: verdict.trace,
            runs,
            minimal,
        });
        self
    }

    /// The one command that shows it again.
    #[must_use]
    pub fn replay(&self) -> String {
        let seed = self.case.seed;
        let world = match self.world {
            "memory" => String::new(),
            other => format!(" --world {other}"),
        };
        format!("cargo run --release -p lamplighter-sim --bin campaign -- --seed {seed}{world}")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.case.seed, self.violation)?;
        writeln!(f, "replay: {}", self.replay())?;
        writeln!(f, "features: {}", self.case.swarm)?;
        let Some(smallest) = &self.smallest else {
            return writeln!(
                f,
                "not shrunk; the whole case:\n\n{:#?}",
                self.case.scenario
            );
        };
        let minimal = if smallest.minimal {
            "no step leads to a smaller one"
        } else {
            "it ran out of runs before it was the smallest"
        };
        writeln!(
            f,
            "smallest case, after {} runs ({minimal}):\n",
            smallest.runs
        )?;
        writeln!(f, "{:#?}\n", smallest.scenario)?;
        writeln!(f, "{}\n", smallest.violation)?;
        write!(f, "{}", Text::new(&smallest.trace))
    }
}
