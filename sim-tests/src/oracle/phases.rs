//! Law 1: the phase of a life only moves forward, and each phase of its stop stands in the report
//! once, as long as it lasted.
//!
//! **Invariant:** the times of the report are held against those of the trace, not against its own sums.

use std::time::Duration;

use lamplighter::{Phase, ServerEventKind};

use super::{End, Invariant};
use crate::trace::{Entry, WhatHappened, WorldDid};

/// Every phase that came, in order.
#[derive(Debug, Default)]
pub(super) struct Phases {
    came: Vec<(Phase, Duration)>,
    /// When the last line of the server came.
    ends: Duration,
    /// Entries may be late: what happens while nobody runs is seen afterwards.
    frozen: bool,
}

impl Invariant for Phases {
    fn name(&self) -> &'static str {
        "phases move forward"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        self.frozen |= entry.freezes() > Duration::ZERO;
        if entry.what == WhatHappened::World(WorldDid::Returned) {
            self.ends = entry.at;
        }
        let Some(ServerEventKind::Phase(phase)) = entry.server() else {
            return Ok(());
        };
        if let Some((last, _)) = self.came.last().filter(|(last, _)| last >= phase) {
            return Err(format!("{phase} after {last}"));
        }
        self.came.push((*phase, entry.at));
        Ok(())
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), String> {
        let Some(report) = &end.run.report else {
            return Ok(());
        };
        let stop: Vec<_> = self
            .came
            .iter()
            .filter(|(phase, _)| *phase >= Phase::LameDuck)
            .collect();
        let came: Vec<Phase> = stop.iter().map(|(phase, _)| *phase).collect();
        let reported: Vec<Phase> = report.phases().iter().map(|phase| phase.phase).collect();
        if reported != came {
            return Err(format!("phases {came:?} and in the report {reported:?}"));
        }
        let ends = stop.iter().skip(1).map(|(_, at)| *at).chain([self.ends]);
        for ((reported, (phase, began)), ends) in report.phases().iter().zip(&stop).zip(ends) {
            let took = ends.saturating_sub(*began);
            if reported.took != took && !self.frozen {
                return Err(format!(
                    "{phase} took {took:?}, and in the report {:?}",
                    reported.took
                ));
            }
        }
        Ok(())
    }
}
