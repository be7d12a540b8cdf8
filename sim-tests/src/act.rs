//! What happens when: the scenario's clients and acts in the order of their times, and what every
//! world does alike about them.
//!
//! **Invariant:** faults of network and time are handed to the world; nothing here knows of one.

use std::sync::Arc;
use std::time::Duration;

use lamplighter::{Report, Server, ServerHandle, Signal, SignalSender};
use tokio::sync::Notify;

use crate::scenario::{AcceptFault, ActDoes, Call, Scenario, millis};
use crate::service::register_late;
use crate::trace::{Trace, Who, WorldDid};

/// Everything that a scenario does, in order.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The last one first.
    left: Vec<(Duration, Comes)>,
    /// When the last one comes.
    ends: Duration,
}

/// What comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comes {
    /// The client with this number begins.
    Client(u16),
    /// This befalls.
    Act(ActDoes),
}

impl Schedule {
    /// Everything that `scenario` does, at times since its [origin](crate::Origin). In one instant
    /// clients begin before anything befalls.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let mut left = Vec::with_capacity(scenario.clients.len() + scenario.acts.len());
        let mut at = Duration::ZERO;
        for (number, client) in (0..).zip(&scenario.clients) {
            at += millis(client.gap_ms);
            left.push((at, Comes::Client(number)));
        }
        let mut at = Duration::ZERO;
        for act in &scenario.acts {
            at += millis(act.gap_ms);
            left.push((at, Comes::Act(act.does)));
        }
        // Stable, so that what comes at one time keeps its order.
        left.sort_by_key(|(at, _)| *at);
        let ends = left.last().map_or(Duration::ZERO, |(at, _)| *at);
        left.reverse();
        Self { left, ends }
    }

    /// When the next one comes.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        self.left.last().map(|(at, _)| *at)
    }

    /// The next one, if its time has come.
    pub fn take(&mut self, since_origin: Duration) -> Option<Comes> {
        self.left
            .pop_if(|(at, _)| *at <= since_origin)
            .map(|(_, comes)| comes)
    }

    /// When the last one comes.
    #[must_use]
    pub const fn ends(&self) -> Duration {
        self.ends
    }
}

/// What only the world can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// As [`ActDoes::Hold`].
    Hold(u16),
    /// As [`ActDoes::Release`].
    Release(u16),
    /// As [`ActDoes::Partition`].
    Partition(u16),
    /// As [`ActDoes::Crash`].
    Crash(u16),
    /// As [`ActDoes::AcceptErrors`].
    AcceptErrors(u16, AcceptFault),
    /// As [`ActDoes::BreakListener`].
    BreakListener,
    /// As [`ActDoes::Jump`].
    Jump(Duration),
    /// As [`ActDoes::Freeze`].
    Freeze(Duration),
}

/// Does to a server what a scenario says.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The server.
    pub handle: ServerHandle,
    /// Sends into the server's source of signals.
    pub signals: SignalSender,
    /// Tells the owner, [`live`], to drop what it has.
    pub drop_owner: Arc<Notify>,
    /// Where it is written down.
    pub trace: Trace,
}

impl Actor {
    /// Does this, and writes it down; gives back what is the world's to do.
    #[must_use]
    pub fn does(&self, act: ActDoes) -> Option<Fault> {
        self.trace.record(Who::World, WorldDid::Act(act));
        match act {
            ActDoes::Signal(signal) => self.signals.send(signal),
            ActDoes::Stop => drop(self.handle.stop()),
            ActDoes::Force => drop(self.handle.force()),
            ActDoes::Drain => drop(self.handle.drain()),
            ActDoes::DropOwner => self.drop_owner.notify_one(),
            ActDoes::RegisterHook => register_late(&self.handle, &self.trace),
            ActDoes::Hold { client } => return Some(Fault::Hold(client)),
            ActDoes::Release { client } => return Some(Fault::Release(client)),
            ActDoes::Partition { client } => return Some(Fault::Partition(client)),
            ActDoes::Crash { client } => return Some(Fault::Crash(client)),
            ActDoes::AcceptErrors { times, error } => {
                return Some(Fault::AcceptErrors(times, error));
            }
            ActDoes::BreakListener => return Some(Fault::BreakListener),
            ActDoes::Jump { ms } => return Some(Fault::Jump(millis(ms))),
            ActDoes::Freeze { ms } => return Some(Fault::Freeze(millis(ms))),
        }
        None
    }

    /// Sends a signal that the scenario does not have.
    pub fn ends(&self, signal: Signal) {
        self.trace.record(Who::World, WorldDid::Ends(signal));
        self.signals.send(signal);
    }
}

/// Calls the server as the scenario says, owns what that gives, and returns at the end of the life.
pub async fn live(server: Server, call: Call, dropped: Arc<Notify>) -> Report {
    let handle = server.handle();
    match call {
        Call::Run => {
            tokio::select! {
                biased;
                () = dropped.notified() => {}
                report = server.run() => return report,
            }
        }
        Call::Stop => return server.stop().await,
        Call::Start | Call::StopThenStart => {
            if call == Call::StopThenStart {
                drop(handle.stop());
            }
            let started = tokio::select! {
                biased;
                () = dropped.notified() => None,
                started = server.start() => Some(started),
            };
            match started {
                None => {}
                Some(Err(error)) => return error.into_report(),
                Some(Ok(running)) => tokio::select! {
                    biased;
                    () = dropped.notified() => {}
                    report = running.wait() => return report,
                },
            }
        }
    }
    handle.wait().await
}
