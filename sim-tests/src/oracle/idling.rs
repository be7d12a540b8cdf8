//! Law 13: a stop waits for nothing that nobody owes it.
//!
//! **Invariant:** what a stop may wait for is counted here, and not taken from the server.

use std::collections::BTreeSet;
use std::time::Duration;

use lamplighter::{Cause, Phase, ServerEventKind, SignalTaken};

use super::{Invariant, rings};
use crate::scenario::{Scenario, millis};
use crate::trace::{ClientSaw, Entry, WhatHappened, Who, WorldDid};

/// A phase ends in the instant in which its last obligation is met, or its deadline comes.
///
/// Not looked at: lame duck, which lasts its time. Of a start that was told to end a trace says nothing:
/// it has its second. Last bytes are waited for beside the hooks as long as somebody may read them.
#[derive(Debug)]
pub(super) struct NoIdling {
    workers: usize,
    latency: Duration,
    /// Nobody can tell when the last word of a client arrives.
    disturbed: bool,
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
    /// Clients that were connected and are not gone.
    readers: BTreeSet<Who>,
    /// Until when a start may go on that was told to end.
    start_ends: Duration,
    /// When the last word of the last of these clients arrives.
    last_word: Duration,
}

/// How long a start that is told to end may go on.
const START_ENDS: Duration = Duration::from_secs(1);

impl NoIdling {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            workers: scenario.workers.len(),
            latency: millis(scenario.link.latency_ms),
            disturbed: scenario.disturbs(),
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

    fn server(&mut self, at: Duration, event: &ServerEventKind) {
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
                owed.start_ends = Duration::ZERO;
                self.waits = false;
            }
            ServerEventKind::Signal { taken, .. } => {
                if matches!(taken, SignalTaken::Second | SignalTaken::Third) {
                    owed.starting = false;
                    owed.start_ends = Duration::ZERO;
                }
                self.waits &= matches!(taken, SignalTaken::Repeated | SignalTaken::Ignored);
            }
            ServerEventKind::StopAgain(_) => self.waits = false,
            ServerEventKind::ListenersClosed => owed.listening = false,
            ServerEventKind::ConnectionOpened { .. } => owed.connections += 1,
            ServerEventKind::ConnectionClosed { .. } => less(&mut owed.connections),
            ServerEventKind::WorkerEnded { .. } => less(&mut owed.workers),
            ServerEventKind::HookSettled { .. } => less(&mut owed.hooks),
            ServerEventKind::Phase(phase) => {
                if *phase == Phase::Draining && owed.starting {
                    owed.starting = false;
                    owed.start_ends = at + START_ENDS;
                }
                self.phase = *phase;
            }
            ServerEventKind::Stop => self.phase = Phase::Stopped,
            _ => {}
        }
    }

    fn client(&mut self, at: Duration, who: Who, saw: &ClientSaw) {
        match saw {
            ClientSaw::Connected => drop(self.owed.readers.insert(who)),
            ClientSaw::Done if !self.disturbed && self.owed.readers.remove(&who) => {
                self.owed.last_word = at + self.latency;
            }
            _ => {}
        }
    }

    fn is_idle(&self) -> bool {
        let owed = &self.owed;
        match self.phase {
            Phase::Draining => {
                !self.waits
                    && !owed.starting
                    && !owed.listening
                    && owed.workers == 0
                    && owed.connections == 0
            }
            Phase::RunningHooks => owed.hooks == 0 && owed.readers.is_empty(),
            _ => false,
        }
    }
}

/// One that ends and was not there is another law's.
const fn less(number: &mut usize) {
    *number = number.saturating_sub(1);
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
        self.frozen |= entry.freezes() > Duration::ZERO;
        match &entry.what {
            WhatHappened::World(WorldDid::Registered(true)) => self.owed.hooks += 1,
            WhatHappened::Server(event) => self.server(entry.at, &event.kind),
            WhatHappened::Client(saw) => self.client(entry.at, entry.who, saw),
            _ => {}
        }
        self.idle = if self.is_idle() {
            let owed = rings(self.owed.start_ends).max(self.owed.last_word);
            Some(self.idle.unwrap_or(entry.at).max(owed))
        } else {
            None
        };
        Ok(())
    }
}
