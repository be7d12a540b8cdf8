//! Law 13: a stop waits for nothing that nobody owes it.
//!
//! **Invariant:** what a stop may wait for is counted here, and not taken from the server.

use std::time::Duration;

use lamplighter::{Cause, Phase, ServerEventKind, SignalTaken};

use super::Invariant;
use crate::scenario::{ActDoes, Scenario};
use crate::trace::{Entry, WhatHappened, WorldDid};

/// A phase ends in the instant in which its last obligation is met, or its deadline comes.
///
/// Not looked at: lame duck, which lasts its time; a start that was told to end, of which a trace says
/// nothing; last bytes that are waited for beside the hooks.
#[derive(Debug)]
pub(super) struct NoIdling {
    workers: usize,
    /// What a drain has to wait for.
    owed: Owed,
    phase: Phase,
    /// Somebody has to end the drain.
    waits: bool,
    /// Since when nothing is owed.
    idle: Option<Duration>,
    /// Timers come late.
    frozen: bool,
}

#[derive(Debug, Default)]
struct Owed {
    starting: bool,
    listening: bool,
    workers: usize,
    connections: usize,
    /// Hooks that are not settled yet.
    hooks: usize,
    /// Connections that may linger.
    lingers: bool,
}

impl NoIdling {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            workers: scenario.workers.len(),
            owed: Owed {
                hooks: scenario.hooks.len(),
                ..Owed::default()
            },
            phase: Phase::Created,
            waits: false,
            idle: None,
            frozen: false,
        }
    }

    fn server(&mut self, event: &ServerEventKind) {
        let owed = &mut self.owed;
        match event {
            ServerEventKind::Start => owed.starting = true,
            ServerEventKind::Ready => {
                owed.starting = false;
                owed.listening = true;
                owed.workers = self.workers;
            }
            ServerEventKind::Stopping(cause) => {
                self.waits = *cause == Cause::Drain;
                // Dropped at once.
                owed.starting &= *cause != Cause::Forced;
            }
            ServerEventKind::Force => {
                owed.starting = false;
                self.waits = false;
            }
            ServerEventKind::Signal { taken, .. } => {
                owed.starting &= !matches!(taken, SignalTaken::Second | SignalTaken::Third);
                self.waits &= matches!(taken, SignalTaken::Repeated | SignalTaken::Ignored);
            }
            ServerEventKind::StopAgain(_) => self.waits = false,
            ServerEventKind::ListenersClosed => owed.listening = false,
            ServerEventKind::ConnectionOpened { .. } => {
                owed.connections += 1;
                owed.lingers = true;
            }
            ServerEventKind::ConnectionClosed { .. } => owed.connections -= 1,
            ServerEventKind::WorkerEnded { .. } => owed.workers -= 1,
            ServerEventKind::HookSettled { .. } => owed.hooks -= 1,
            ServerEventKind::Phase(phase) => self.phase = *phase,
            ServerEventKind::Stop => self.phase = Phase::Stopped,
            _ => {}
        }
    }

    const fn is_idle(&self) -> bool {
        let owed = &self.owed;
        match self.phase {
            Phase::Draining => {
                !self.waits
                    && !owed.starting
                    && !owed.listening
                    && owed.workers == 0
                    && owed.connections == 0
            }
            Phase::RunningHooks => owed.hooks == 0 && !owed.lingers,
            _ => false,
        }
    }
}

impl Invariant for NoIdling {
    fn name(&self) -> &'static str {
        "no idle waiting"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        if let Some(idle) = self.idle
            && entry.at > idle
            && !self.frozen
        {
            return Err(format!(
                "nothing is owed since {idle:?}, and {} goes on",
                self.phase
            ));
        }
        match &entry.what {
            WhatHappened::World(WorldDid::Act(ActDoes::Freeze { .. } | ActDoes::Jump { .. })) => {
                self.frozen = true;
            }
            WhatHappened::World(WorldDid::Registered(true)) => self.owed.hooks += 1,
            WhatHappened::Server(event) => self.server(&event.kind),
            _ => {}
        }
        self.idle = if self.is_idle() {
            Some(self.idle.unwrap_or(entry.at))
        } else {
            None
        };
        Ok(())
    }
}
