//! Law 3: readiness goes off in the step of the cause, and accepting goes on for the lame duck.
//!
//! **Invariant:** what a client is told is held against when it asked, not against when it heard.

use std::time::Duration;

use lamplighter::{Cause, LameDuckReadiness, Phase, ServerEventKind, ServingStatus, SignalTaken};

use super::Invariant;
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
    listening: bool,
    /// Of each client: when it asked last, and whether it was told that the server does not serve.
    asked: Vec<Option<Duration>>,
    told_not_serving: Vec<bool>,
    dialled: Vec<Option<Duration>>,
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
            listening: false,
            asked: vec![None; clients],
            told_not_serving: vec![false; clients],
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
                if self.ready && !self.hurried && lasted < self.lame_duck {
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
        let (Some(asked), Some(told), Some(dialled)) = (
            self.asked.get_mut(client),
            self.told_not_serving.get_mut(client),
            self.dialled.get_mut(client),
        ) else {
            return Ok(());
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
                let off = self
                    .off
                    .filter(|off| asked.is_some_and(|asked| asked > *off));
                if let Some(off) = off {
                    return Err(format!(
                        "readiness went off at {off:?}, and client {client}, who asked later, was \
                         told that the server is ready"
                    ));
                }
            }
            ClientSaw::Health(ServingStatus::NotServing) => *told = self.off.is_some(),
            ClientSaw::Health(ServingStatus::Serving) if *told => {
                return Err(format!(
                    "client {client} was told of a stop, and then that the server is ready"
                ));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Invariant for Health {
    fn name(&self) -> &'static str {
        "readiness off, then accepting"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
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
