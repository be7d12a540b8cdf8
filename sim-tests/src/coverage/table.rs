//! The table as text.
//!
//! **Invariant:** every row and every phase is in it, in their order.

use std::fmt;

use lamplighter::Phase;

use super::{Cell, Coverage, Row, beyond::beyond};

/// A coverage that prints as a table: a row per thing, a column per phase. `-` is out of reach, `0` was
/// never hit, and a count with a `!` should not be there.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    pub(super) coverage: &'a Coverage,
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = format!("{} runs", self.coverage.runs);
        write!(f, "{runs:<32}")?;
        for phase in Phase::ALL {
            write!(f, " {:>8}", column(phase))?;
        }
        writeln!(f)?;
        for row in Row::ALL {
            let name = format!("{:<8}{}", row.subject(), row.name());
            write!(f, "{name:<32}")?;
            for phase in Phase::ALL {
                let cell = Cell { row: *row, phase };
                let hits = self.coverage.hits(cell).times;
                let text = match (hits, beyond(cell)) {
                    (0, Some(_)) => "-".to_owned(),
                    (_, Some(_)) => format!("{}!", short(hits)),
                    (_, None) => short(hits),
                };
                write!(f, " {text:>8}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The name of a phase that fits over a column.
const fn column(phase: Phase) -> &'static str {
    match phase {
        Phase::Created => "created",
        Phase::Starting => "starting",
        Phase::Running => "running",
        Phase::LameDuck => "lameduck",
        Phase::Draining => "draining",
        Phase::ForceClosing => "forcing",
        Phase::RunningHooks => "hooks",
        Phase::Disposing => "dispose",
        Phase::Stopped => "stopped",
        _ => "?",
    }
}

/// A count in at most five characters.
fn short(hits: u64) -> String {
    match hits {
        0..10_000 => hits.to_string(),
        10_000..10_000_000 => format!("{}k", hits / 1_000),
        _ => format!("{}M", hits / 1_000_000),
    }
}
