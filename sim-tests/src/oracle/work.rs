//! Law 11: no hook of a life runs while its work lives. Nothing here blocks its thread, so whatever is
//! cut ends when it is told to, and nothing may be named as stuck.
//!
//! **Invariant:** work is what handlers and workers themselves say of their beginning and their end.

use std::collections::BTreeMap;

use lamplighter::{ConnectionEnd, Phase, ServerEventKind, WorkerOutcome};

use super::Invariant;
use crate::scenario::{ClientDoes, RequestId, Scenario};
use crate::trace::{Entry, HandlerSaw, WhatHappened, Who, WorkerSaw};

/// All the work that lives.
#[derive(Debug)]
pub(super) struct Work {
    handlers: BTreeMap<RequestId, u32>,
    workers: u32,
    /// Tasks of the application that hold an upgraded connection: the server ends the connection, and
    /// knows nothing of them.
    tasks: Vec<bool>,
    /// The time for hooks has come.
    hooks: bool,
}

impl Work {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let upgrades = |client: &crate::Client| matches!(client.does, ClientDoes::Websocket { .. });
        Self {
            handlers: BTreeMap::new(),
            workers: 0,
            tasks: scenario.clients.iter().map(upgrades).collect(),
            hooks: false,
        }
    }

    fn handler(&mut self, id: RequestId, saw: HandlerSaw) -> Result<(), String> {
        if self.tasks.get(usize::from(id.client)) == Some(&true) {
            return Ok(());
        }
        match saw {
            HandlerSaw::Begun if self.hooks => {
                return Err(format!("handler {id} is called when its time is over"));
            }
            HandlerSaw::Begun => *self.handlers.entry(id).or_default() += 1,
            HandlerSaw::Finished | HandlerSaw::Panics | HandlerSaw::Dropped => {
                if let Some(live) = self.handlers.get_mut(&id) {
                    *live -= 1;
                    if *live == 0 {
                        self.handlers.remove(&id);
                    }
                }
            }
            HandlerSaw::HeardDraining | HandlerSaw::HeardCancelled | HandlerSaw::Answered => {}
        }
        Ok(())
    }

    fn hook(&self, name: &str) -> Result<(), String> {
        if self.workers > 0 || !self.handlers.is_empty() {
            return Err(format!(
                "hook {name} started while {} workers and the handlers {:?} live",
                self.workers,
                self.handlers.keys()
            ));
        }
        Ok(())
    }
}

impl Invariant for Work {
    fn name(&self) -> &'static str {
        "no hook while work lives"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        match (&entry.what, entry.who) {
            (WhatHappened::Worker(WorkerSaw::Begun), _) => self.workers += 1,
            (WhatHappened::Worker(WorkerSaw::Ended | WorkerSaw::Dropped), _) => self.workers -= 1,
            (WhatHappened::Handler(saw), Who::Handler(id)) => return self.handler(id, *saw),
            _ => {}
        }
        match entry.server() {
            Some(ServerEventKind::Phase(Phase::RunningHooks)) => self.hooks = true,
            Some(ServerEventKind::HookStarted(name)) => return self.hook(name.as_str()),
            Some(ServerEventKind::WorkerEnded {
                worker,
                how: WorkerOutcome::Stuck,
            }) => return Err(format!("worker {worker} is named as stuck")),
            Some(ServerEventKind::ConnectionClosed {
                connection,
                end: ConnectionEnd::Stuck,
                ..
            }) => return Err(format!("{connection} is named as stuck")),
            _ => {}
        }
        Ok(())
    }
}
