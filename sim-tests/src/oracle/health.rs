//! Law 3: readiness goes off in the step of the cause, and accepting goes on for the lame duck.
//!
//! **Invariant:** what a client is told is held against when it asked, not against when it heard.

use std::time::Duration;

use lamplighter::{Cause, LameDuckReadiness, Phase, ServerEventKind, ServingStatus, SignalTaken};

use super::Invariant;
use super::clock::Jumps;
use crate::scenario::{ActDoes, ClientDoes, ProbeOf, Scenario, millis};
use crate::trace::{ClientSaw, Entry, WhatHappened, Who, WorldDid};

/// Readiness and accepting, as clients see them.
#[derive(Debug)]
pub(super) struct Health {
    readiness_probes: Vec<bool>,
    readiness: LameDuckReadiness,
    lame_duck: Duration,
    ready: bool,
    /// Since when nobody may be told any more that the server is ready.
    off: Option<Duration>,
    stopping: Option<Duration>,
    /// A lame duck may end early.
    hurried: bool,
    /// A lame duck lasts its time by the server's clock.
    jumps: Jumps,
    listening: bool,
    /// How long a question travels at the least.
    latency: Duration,
    /// Of each client: when it asked last, and what a watch of it has been told so far.
    asked: Vec<Option<Duration>>,
    watched: Vec<Watched>,
    dialled: Vec<Option<Duration>>,
}

/// What a watch has been told. One that began before the server was ready is told twice that it does
/// not serve, and the first time may come when the stop has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Watched {
    Nothing,
    Serving,
    Stopping,
}

impl Health {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let readiness_probes = scenario.clients.iter().map(|client| {
            matches!(
                client.does,
                ClientDoes::Probe {
                    of: ProbeOf::Readiness,
                    ..
                }
            )
        });
        let clients = scenario.clients.len();
        Self {
            readiness_probes: readiness_probes.collect(),
            readiness: scenario.plan.lame_duck_readiness,
            lame_duck: millis(scenario.plan.lame_duck_ms),
            ready: false,
            off: None,
            stopping: None,
            hurried: false,
            jumps: Jumps::default(),
            listening: false,
            latency: millis(scenario.link.latency_ms),
            asked: vec![None; clients],
            watched: vec![Watched::Nothing; clients],
            dialled: vec![None; clients],
        }
    }

    fn server(&mut self, entry: &Entry, event: &ServerEventKind) -> Result<(), String> {
        match event {
            ServerEventKind::Ready => {
                self.ready = true;
                self.listening = true;
            }
            ServerEventKind::Stopping(cause) => {
                self.stopping = Some(entry.at);
                self.hurried |= matches!(cause, Cause::Forced | Cause::ListenerFailed(_));
                if self.readiness == LameDuckReadiness::Off {
                    self.off = Some(entry.at);
                }
            }
            ServerEventKind::Phase(Phase::Draining) => {
                self.off.get_or_insert(entry.at);
            }
            ServerEventKind::Force => self.hurried = true,
            ServerEventKind::Signal { taken, .. } => {
                self.hurried |= matches!(taken, SignalTaken::Second | SignalTaken::Third);
            }
            ServerEventKind::ListenersClosed => {
                self.listening = false;
                let Some(stopping) = self.stopping else {
                    return Ok(());
                };
                let lasted = entry.at.saturating_sub(stopping);
                let least = self.lame_duck.saturating_sub(self.jumps.since(stopping));
                if self.ready && !self.hurried && lasted < least {
                    return Err(format!(
                        "listeners closed {lasted:?} after the cause, the lame duck is {:?}",
                        self.lame_duck
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn client(&mut self, entry: &Entry, client: usize, saw: &ClientSaw) -> Result<(), String> {
        let (Some(asked), Some(watched), Some(dialled)) = (
            self.asked.get_mut(client),
            self.watched.get_mut(client),
            self.dialled.get_mut(client),
        ) else {
            return Ok(());
        };
        // Its question came when readiness was off already.
        let came_late = |asked: Option<Duration>| {
            let off = self.off?;
            asked
                .is_some_and(|asked| asked + self.latency > off)
                .then_some(off)
        };
        match saw {
            ClientSaw::Dialled => *dialled = self.listening.then_some(entry.at),
            ClientSaw::Refused(kind) => {
                if let Some(dialled) = dialled
                    && self.listening
                    && !self.hurried
                {
                    return Err(format!(
                        "client {client} dialled at {dialled:?} and was refused ({kind:?}) by a \
                         server that accepts"
                    ));
                }
            }
            ClientSaw::Asked(_) => *asked = Some(entry.at),
            ClientSaw::Answered { status: 200, .. }
                if self.readiness_probes.get(client) == Some(&true) =>
            {
                if let Some(off) = came_late(*asked) {
                    return Err(told_ready(client, off));
                }
            }
            ClientSaw::Health(ServingStatus::NotServing)
                if self.off.is_some() && *watched >= Watched::Serving =>
            {
                *watched = Watched::Stopping;
            }
            ClientSaw::Health(ServingStatus::Serving) => {
                if let Some(off) = came_late(*asked) {
                    return Err(told_ready(client, off));
                }
                if *watched == Watched::Stopping {
                    return Err(format!(
                        "client {client} was told of a stop, and then that the server is ready"
                    ));
                }
                *watched = Watched::Serving;
            }
            _ => {}
        }
        Ok(())
    }
}

fn told_ready(client: usize, off: Duration) -> String {
    format!(
        "readiness went off at {off:?}, and client {client}, whose question came later, was told that \
         the server is ready"
    )
}

impl Invariant for Health {
    fn name(&self) -> &'static str {
        "readiness off, then accepting"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        self.jumps.sees(entry);
        match (&entry.what, entry.who) {
            (WhatHappened::Server(event), _) => self.server(entry, &event.kind),
            (WhatHappened::Client(saw), Who::Client(client)) => {
                self.client(entry, usize::from(client), saw)
            }
            (WhatHappened::World(WorldDid::Act(ActDoes::BreakListener)), _) => {
                self.hurried = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
