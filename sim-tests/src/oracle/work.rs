//! Law 11: no hook of a life runs while its work lives, except work that is named as stuck.
//!
//! **Invariant:** work is what handlers and workers themselves say of their beginning and their end.

use std::collections::BTreeMap;

use lamplighter::{ConnectionEnd, ServerEventKind, WorkerOutcome};

use super::Invariant;
use crate::scenario::{ClientDoes, RequestId, Scenario};
use crate::trace::{Entry, HandlerSaw, WhatHappened, Who, WorkerSaw};

/// All the work that lives.
#[derive(Debug)]
pub(super) struct Work {
    handlers: BTreeMap<RequestId, u32>,
    workers: u32,
    /// Something did not end and was named so.
    stuck: bool,
    /// Tasks of the application that hold an upgraded connection: the server ends the connection, and
    /// knows nothing of them.
    tasks: Vec<bool>,
    /// Hooks have begun.
    hooks: bool,
}

impl Work {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let upgrades = |client: &crate::Client| matches!(client.does, ClientDoes::Websocket { .. });
        Self {
            handlers: BTreeMap::new(),
            workers: 0,
            stuck: false,
            tasks: scenario.clients.iter().map(upgrades).collect(),
            hooks: false,
        }
    }

    fn handler(&mut self, id: RequestId, saw: HandlerSaw) -> Result<(), String> {
        if self.tasks.get(usize::from(id.client)) == Some(&true) {
            return Ok(());
        }
        match saw {
            HandlerSaw::Begun if self.hooks && !self.stuck => {
                return Err(format!("handler {id} is called, and hooks have run"));
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

    fn hook(&mut self, name: &str) -> Result<(), String> {
        self.hooks = true;
        if !self.stuck && (self.workers > 0 || !self.handlers.is_empty()) {
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
            Some(ServerEventKind::HookStarted(name)) => return self.hook(name.as_str()),
            Some(
                ServerEventKind::WorkerEnded {
                    how: WorkerOutcome::Stuck,
                    ..
                }
                | ServerEventKind::ConnectionClosed {
                    end: ConnectionEnd::Stuck,
                    ..
                },
            ) => self.stuck = true,
            _ => {}
        }
        Ok(())
    }
}
