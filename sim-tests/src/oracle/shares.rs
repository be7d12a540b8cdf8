//! Law 7, phase by phase: no phase of a stop lasts longer than its part of the plan, so that none
//! lives on what another has left.
//!
//! The parts, by the plan: the lame duck its time; the drain its own, from where the lame duck ends at
//! the latest; a force close a quarter of the margin; hooks their window and a tenth of the margin to
//! be joined, or, where there are none, a second and half of the margin at most to linger; Dispose half
//! of the margin. A second signal leaves the drain the lead of its cancel, and a third leaves nothing.
//!
//! **Invariant:** every bound is worked out here, from the scenario. **Invariant:** time in which
//! nobody could run is given on top, and no other.

use std::time::Duration;

use lamplighter::{Cause, OnDeadline, Phase, ServerEventKind, SignalTaken};

use super::{Invariant, plan, rings};
use crate::scenario::{Budget, Scenario, millis};
use crate::trace::{Entry, WhatHappened, WorldDid};

/// Until when the phase may last.
#[derive(Debug)]
pub(super) struct Shares {
    plan: Budget,
    hooks: usize,
    ready: bool,
    phase: Phase,
    /// When the phase has to be over; `None` while it may last.
    by: Option<Duration>,
    /// When the lame duck ends at the latest, once there is a stop.
    lame_duck_by: Duration,
    /// When the drain ends at the latest, unless it waits without end.
    drain_by: Option<Duration>,
    waits: Waits,
    frozen: Duration,
}

/// What gives a stop without an end its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    No,
    /// A signal, `force()`, or `stop()`.
    ForStop,
    /// A signal, or `force()`.
    ForWork,
}

impl Shares {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let plan = plan(scenario);
        Self {
            plan,
            hooks: scenario.hooks.len(),
            ready: false,
            phase: Phase::Created,
            by: None,
            lame_duck_by: Duration::ZERO,
            drain_by: None,
            waits: Waits::No,
            frozen: Duration::ZERO,
        }
    }

    fn begins(&mut self, at: Duration, cause: &Cause) {
        let keeps = self.plan.on_deadline == OnDeadline::KeepWaiting;
        let lame_duck = if self.ready {
            self.plan.lame_duck_ms
        } else {
            0
        };
        self.lame_duck_by = at + millis(lame_duck);
        self.waits = match cause {
            Cause::Drain => Waits::ForStop,
            _ if keeps => Waits::ForWork,
            _ => Waits::No,
        };
        let by = self.lame_duck_by + millis(self.plan.drain_ms);
        self.drain_by = (self.waits == Waits::No).then_some(by);
    }

    /// Something gives the wait its end.
    fn bounds(&mut self, at: Duration) {
        if self.waits != Waits::No {
            self.waits = Waits::No;
            self.drain_by = Some(at.max(self.lame_duck_by) + millis(self.plan.drain_ms));
        }
    }

    fn hurries(&mut self, at: Duration, rest: Duration) {
        self.bounds(at);
        self.lame_duck_by = self.lame_duck_by.min(at);
        self.drain_by = self.drain_by.map(|by| by.min(at + rest));
    }

    fn lead(&self) -> Duration {
        millis(self.plan.cancel_lead_ms).min(millis(self.plan.drain_ms) / 10)
    }

    fn server(&mut self, at: Duration, event: &ServerEventKind) {
        match event {
            ServerEventKind::Ready => self.ready = true,
            ServerEventKind::Stopping(cause) => self.begins(at, cause),
            ServerEventKind::Force => self.hurries(at, self.lead()),
            ServerEventKind::StopAgain(_) if self.waits == Waits::ForStop => {
                if self.plan.on_deadline == OnDeadline::KeepWaiting {
                    self.waits = Waits::ForWork;
                } else {
                    self.bounds(at);
                }
            }
            ServerEventKind::Signal { taken, .. } => match taken {
                SignalTaken::First => self.bounds(at),
                SignalTaken::Second => self.hurries(at, self.lead()),
                SignalTaken::Third => {
                    self.hurries(at, Duration::ZERO);
                    // Whatever the phase is: this is its end.
                    self.by = Some(at);
                    self.plan.margin_ms = 0;
                    self.plan.hooks_ms = 0;
                }
                SignalTaken::Repeated | SignalTaken::Ignored => {}
            },
            ServerEventKind::Phase(phase) => self.enters(at, *phase),
            // Whatever comes now is the callbacks' own time.
            ServerEventKind::Stop => self.phase = Phase::Stopped,
            _ => {}
        }
        match self.phase {
            Phase::LameDuck => self.by = Some(self.lame_duck_by),
            Phase::Draining => self.by = self.drain_by,
            _ => {}
        }
    }

    fn enters(&mut self, at: Duration, phase: Phase) {
        let margin = millis(self.plan.margin_ms);
        self.phase = phase;
        self.by = match phase {
            Phase::LameDuck => {
                if self.drain_by.is_none() && self.waits == Waits::No {
                    // A failed start: those who came have had no answer but "not ready".
                    self.lame_duck_by = at;
                    self.drain_by = Some(at);
                }
                None
            }
            Phase::Draining => {
                let latest = at + millis(self.plan.drain_ms);
                self.drain_by = self.drain_by.map(|by| by.min(latest));
                None
            }
            Phase::ForceClosing => Some(at + margin / 4),
            Phase::RunningHooks if self.hooks == 0 => {
                Some(at + Duration::from_secs(1).min(margin / 2))
            }
            Phase::RunningHooks => Some(at + millis(self.plan.hooks_ms) + margin / 10),
            Phase::Disposing => Some(at + margin / 2),
            _ => None,
        };
    }
}

impl Invariant for Shares {
    fn name(&self) -> &'static str {
        "each phase within its share"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        if let Some(by) = self.by
            && entry.at > rings(by + self.frozen)
        {
            return Err(format!(
                "{} goes on at {:?}, its share was over at {by:?}, and {:?} were frozen",
                self.phase, entry.at, self.frozen
            ));
        }
        self.frozen += entry.freezes();
        match &entry.what {
            WhatHappened::World(WorldDid::Registered(true)) => self.hooks += 1,
            // The life is over, in whatever way.
            WhatHappened::World(WorldDid::Returned) => self.by = None,
            WhatHappened::Server(event) => self.server(entry.at, &event.kind),
            _ => {}
        }
        if self.phase == Phase::Stopped {
            self.by = None;
        }
        Ok(())
    }
}
