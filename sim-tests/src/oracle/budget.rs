//! Laws 7 and 13: a stop is over within its budget, and waits for nothing that nobody owes it.
//!
//! **Invariant:** time that nobody could run is given on top, and no other.

use std::time::Duration;

use lamplighter::{Cause, OnDeadline, Phase, ServerEventKind, SignalTaken};

use super::{End, Invariant};
use crate::scenario::{ActDoes, Scenario, millis};
use crate::trace::{Entry, WhatHappened, WorldDid};
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
        Self {
            total: scenario.plan.total(),
            waits: scenario.plan.on_deadline == OnDeadline::KeepWaiting,
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
        if let WhatHappened::World(WorldDid::Act(ActDoes::Freeze { ms } | ActDoes::Jump { ms })) =
            entry.what
        {
            self.frozen += millis(ms);
        }
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

/// A drain ends in the instant in which its last obligation is met or its deadline comes; a stop with
/// nothing to do takes no time at all.
#[derive(Debug)]
pub(super) struct NoIdling {
    /// Nothing in the scenario can hold a stop.
    empty: bool,
    deadlines: Vec<Duration>,
    cancel_lead: Duration,
    drain: Duration,
    draining: Option<Duration>,
    stopping: Option<Duration>,
    /// When something was last met that a drain waits for.
    met: Option<Duration>,
    /// Timers come late.
    frozen: bool,
}

impl NoIdling {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            empty: scenario.plan.lame_duck_ms == 0
                && scenario.clients.is_empty()
                && scenario.hooks.is_empty()
                && scenario.workers.is_empty(),
            deadlines: Vec::new(),
            cancel_lead: millis(
                scenario
                    .plan
                    .cancel_lead_ms
                    .min(scenario.plan.drain_ms / 10),
            ),
            drain: millis(scenario.plan.drain_ms),
            draining: None,
            stopping: None,
            met: None,
            frozen: false,
        }
    }

    fn drained(&self, at: Duration, draining: Duration) -> Result<(), String> {
        let due = self.met == Some(at)
            || at == draining
            || at == draining + self.drain
            || self.deadlines.contains(&at);
        if due || self.frozen {
            return Ok(());
        }
        Err(format!(
            "the drain ended at {at:?}, its last obligation was met at {:?}, its deadlines are {:?}",
            self.met, self.deadlines
        ))
    }
}

impl Invariant for NoIdling {
    fn name(&self) -> &'static str {
        "no idle waiting"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        if let WhatHappened::World(WorldDid::Act(ActDoes::Freeze { .. } | ActDoes::Jump { .. })) =
            entry.what
        {
            self.frozen = true;
        }
        match entry.server() {
            Some(ServerEventKind::Stopping(_)) => self.stopping = Some(entry.at),
            Some(ServerEventKind::Phase(Phase::Draining)) => self.draining = Some(entry.at),
            Some(ServerEventKind::Phase(Phase::ForceClosing)) => {
                if let Some(draining) = self.draining.take() {
                    return self.drained(entry.at, draining);
                }
            }
            Some(
                ServerEventKind::ConnectionClosed { .. }
                | ServerEventKind::WorkerEnded { .. }
                | ServerEventKind::ListenersClosed,
            ) => self.met = Some(entry.at),
            Some(ServerEventKind::Signal { .. } | ServerEventKind::Force) => {
                // It may force; and one that ends an unbounded wait has a drain's time from there.
                let from = entry.at;
                let more = [from, from + self.cancel_lead, from + self.drain];
                self.deadlines.extend(more);
            }
            Some(ServerEventKind::StopAgain(_)) => {
                self.deadlines.extend([entry.at, entry.at + self.drain]);
            }
            Some(ServerEventKind::Stop) => {
                let took = self
                    .stopping
                    .map(|stopping| entry.at.saturating_sub(stopping));
                if self.empty && !self.frozen && took.is_some_and(|took| !took.is_zero()) {
                    return Err(format!("a stop with nothing to do took {took:?}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
