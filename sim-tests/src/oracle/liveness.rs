//! Liveness: a start comes to an end within its timeout, and every life does, once it is told to.
//!
//! The bound of a stop is the budget's, in `budget.rs` and, phase by phase, in `shares.rs`; the world
//! ends what nobody in the scenario ends, so there is a stop in every run.
//!
//! **Invariant:** time in which nobody could run is given on top, and no other.

use std::time::Duration;

use lamplighter::{Phase, ServerEventKind};

use super::{End, Invariant, rings};
use crate::scenario::{Scenario, millis};
use crate::trace::Entry;
use crate::world::RunEnd;

/// A start under way.
#[derive(Debug)]
pub(super) struct Liveness {
    start: Duration,
    /// When the start has to be over, while it is under way.
    by: Option<Duration>,
    frozen: Duration,
}

impl Liveness {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            start: millis(scenario.plan.start_ms),
            by: None,
            frozen: Duration::ZERO,
        }
    }
}

impl Invariant for Liveness {
    fn name(&self) -> &'static str {
        "every life ends"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        if let Some(by) = self.by
            && entry.at > rings(by + self.frozen)
        {
            return Err(format!(
                "the start goes on at {:?}, its time was over at {by:?}, and {:?} were frozen",
                entry.at, self.frozen
            ));
        }
        self.frozen += entry.freezes();
        match entry.server() {
            Some(ServerEventKind::Start) => self.by = Some(entry.at + self.start),
            Some(ServerEventKind::Ready | ServerEventKind::Phase(Phase::LameDuck)) => {
                self.by = None;
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), String> {
        if end.run.end == RunEnd::Stuck {
            return Err("the server does not end, whatever it is told".to_owned());
        }
        Ok(())
    }
}
