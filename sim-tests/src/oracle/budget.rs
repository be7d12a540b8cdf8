//! Law 7: a stop is over within its budget.
//!
//! **Invariant:** time that nobody could run is given on top, and no other.

use std::time::Duration;

use lamplighter::{Cause, OnDeadline, ServerEventKind, SignalTaken};

use super::{End, Invariant, plan};
use crate::scenario::Scenario;
use crate::trace::Entry;
use crate::world::RunEnd;

/// From the cause to the end, no more than the budget; exactly, in virtual time.
#[derive(Debug)]
pub(super) struct Budget {
    total: Duration,
    waits: bool,
    /// What the budget is counted from, once it is known.
    from: Option<Duration>,
    /// A stop without an end so far: what gives it one counts.
    unbounded: Option<Unbounded>,
    frozen: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unbounded {
    /// A signal or `stop()` ends the wait.
    Drain,
    /// A signal or `force()` does.
    KeepWaiting,
}

impl Budget {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let plan = plan(scenario);
        Self {
            total: plan.total(),
            waits: plan.on_deadline == OnDeadline::KeepWaiting,
            from: None,
            unbounded: None,
            frozen: Duration::ZERO,
        }
    }

    fn bounds(&mut self, entry: &Entry, event: &ServerEventKind) {
        match event {
            ServerEventKind::Stopping(Cause::Drain) => self.unbounded = Some(Unbounded::Drain),
            ServerEventKind::Stopping(_) if self.waits => {
                self.unbounded = Some(Unbounded::KeepWaiting);
            }
            ServerEventKind::Stopping(_) => self.from = Some(entry.at),
            ServerEventKind::Signal { taken, .. }
                if !matches!(taken, SignalTaken::Repeated | SignalTaken::Ignored) =>
            {
                self.bounded(entry);
            }
            ServerEventKind::Force => self.bounded(entry),
            ServerEventKind::StopAgain(_) if self.unbounded == Some(Unbounded::Drain) => {
                if self.waits {
                    self.unbounded = Some(Unbounded::KeepWaiting);
                } else {
                    self.bounded(entry);
                }
            }
            _ => {}
        }
    }

    fn bounded(&mut self, entry: &Entry) {
        if self.unbounded.take().is_some() {
            self.from = Some(entry.at);
        }
    }
}

impl Invariant for Budget {
    fn name(&self) -> &'static str {
        "within the budget"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        self.frozen += entry.freezes();
        let Some(event) = entry.server() else {
            return Ok(());
        };
        self.bounds(entry, event);
        let Some(from) = self.from else {
            return Ok(());
        };
        let took = entry.at.saturating_sub(from);
        if took > self.total + self.frozen {
            return Err(format!(
                "{event} {took:?} after the cause, the budget is {:?}, and {:?} were frozen",
                self.total, self.frozen
            ));
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
