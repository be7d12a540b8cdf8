//! What a campaign came to: for people, and as JSON for machines.
//!
//! **Invariant:** the numbers of shards add up to those of the whole: nothing in here is an average.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::failure::Failure;
use super::{Ended, rate::per_second};
use crate::coverage::{Coverage, Hits};

/// How many failures are told in full; the folder has the rest.
const TOLD: usize = 3;

/// How many of the cells that were hit least often are told.
const LOWEST: usize = 12;

/// What a campaign came to.
#[derive(Clone, Debug)]
pub struct Summary {
    /// How many cases were run.
    pub cases: u64,
    /// How long that took, in real time.
    pub took: Duration,
    /// Those that failed, in the order of their seeds.
    pub failures: Vec<Failure>,
    /// What all of them have been through.
    pub coverage: Coverage,
}

impl Summary {
    /// How it ended, where each cell that can be hit has to be `least` times.
    #[must_use]
    pub fn ended(&self, least: u64) -> Ended {
        let rare = self.coverage.rare(least).next().is_some();
        if self.failures.is_empty() && self.coverage.impossible().is_empty() && !rare {
            Ended::Passed
        } else {
            Ended::Failed
        }
    }

    pub(super) fn folder<'a>(&self, arguments: &'a Arguments) -> Option<&'a Path> {
        (self.cases > 0).then_some(arguments.out.as_path())
    }

    /// All of it as JSON, but for the texts of the failures.
    #[must_use]
    pub fn to_json(&self, arguments: &Arguments) -> Value {
        let failures = self.failures.iter().map(|failure| {
            json!({
                "seed": failure.case.seed,
                "law": failure.violation.law,
                "what": failure.violation.what,
                "replay": failure.replay(),
                "shrunk": failure.smallest.is_some(),
            })
        });
        let cells = crate::coverage::cells().filter_map(|cell| {
            let hits = self.coverage.hits(cell);
            let told = json!({ "times": hits.times, "seed": hits.seed });
            hits.seed.map(|_| (cell.to_string(), told))
        });
        let names = |cells: Vec<crate::coverage::Cell>| -> Vec<String> {
            cells.iter().map(ToString::to_string).collect()
        };
        let impossible = self.coverage.impossible().into_iter();
        json!({
            "world": arguments.world.name(),
            "seeds": arguments.seeds,
            "from": arguments.from,
            "shard": { "index": arguments.shard.index, "of": arguments.shard.of },
            "cases": self.cases,
            "seconds": self.took.as_secs_f64(),
            "failures": failures.collect::<Vec<_>>(),
            "coverage": {
                "hits": cells.collect::<serde_json::Map<_, _>>(),
                "missed": names(self.coverage.missed()),
                "impossible": names(impossible.map(|(cell, _)| cell).collect()),
            },
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.coverage.table())?;
        writeln!(f, "hit least often, of what can be:")?;
        for (cell, hits) in self.coverage.lowest().take(LOWEST) {
            writeln!(f, "  {:>6} {cell}", hits.times)?;
        }
        for (cell, why) in self.coverage.impossible() {
            let Hits { times, seed } = self.coverage.hits(cell);
            let seed = seed.unwrap_or_default();
            writeln!(
                f,
                "IMPOSSIBLE, and hit {times} times, first by seed {seed}: {cell} ({why})"
            )?;
        }
        for failure in self
            .failures
            .iter()
            .filter(|it| it.smallest.is_some())
            .take(TOLD)
        {
            writeln!(f, "\n{failure}")?;
        }
        writeln!(
            f,
            "{} cases in {:.1} s, {} a second; {} failed",
            self.cases,
            self.took.as_secs_f64(),
            per_second(self.cases, self.took),
            self.failures.len()
        )
    }
}
