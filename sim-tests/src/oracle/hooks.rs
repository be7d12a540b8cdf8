//! Laws 6 and 11: a hook starts at most once, after what it comes after, with no work left, and is
//! settled once.
//!
//! **Invariant:** the order that is demanded is the scenario's, not what the server took for it.

use std::collections::BTreeMap;

use lamplighter::{ConnectionEnd, ServerEventKind, SignalTaken, WorkerOutcome};

use super::{End, Invariant};
use crate::scenario::{ClientDoes, Hook, RequestId, Scenario};
use crate::trace::{Entry, HandlerSaw, WhatHappened, Who, WorkerSaw, WorldDid};

/// Hooks by their names.
#[derive(Debug)]
pub(super) struct Hooks {
    hooks: BTreeMap<String, State>,
    /// Hooks that were registered in the middle of the life, all of one name.
    late: u32,
    handlers: BTreeMap<RequestId, u32>,
    workers: u32,
    /// A third signal gives up on everything.
    abandoned: bool,
    /// Something did not end and was named so.
    stuck: bool,
    /// Tasks of the application that hold an upgraded connection: the server ends the connection, and
    /// knows nothing of them.
    tasks: Vec<bool>,
}

#[derive(Debug, Default)]
struct State {
    after: Vec<String>,
    registered: u32,
    started: u32,
    settled: u32,
}

/// The name of those that are registered in the middle of a life.
const LATE: &str = "late";

impl Hooks {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let hooks = scenario.hooks.iter().enumerate().map(|(place, hook)| {
            let state = State {
                after: hook.comes_after(place).map(Hook::name).collect(),
                registered: 1,
                ..State::default()
            };
            (Hook::name(place), state)
        });
        let mut hooks: BTreeMap<String, State> = hooks.collect();
        hooks.insert(LATE.to_owned(), State::default());
        Self {
            hooks,
            late: 0,
            handlers: BTreeMap::new(),
            workers: 0,
            abandoned: false,
            stuck: false,
            tasks: scenario
                .clients
                .iter()
                .map(|client| matches!(client.does, ClientDoes::Websocket { .. }))
                .collect(),
        }
    }

    fn started(&mut self, name: &str) -> Result<(), String> {
        let Some(state) = self.hooks.get_mut(name) else {
            return Err(format!("hook {name} is none of the scenario's"));
        };
        state.started += 1;
        if state.started > state.registered {
            return Err(format!("hook {name} started {} times", state.started));
        }
        let early = state.after.clone().into_iter().find(|earlier| {
            let earlier = self.hooks.get(earlier);
            earlier.is_none_or(|earlier| earlier.settled == 0)
        });
        if let Some(earlier) = early {
            return Err(format!("hook {name} started before {earlier} was settled"));
        }
        if self.abandoned {
            return Err(format!("hook {name} started after all was given up"));
        }
        if !self.stuck && (self.workers > 0 || !self.handlers.is_empty()) {
            return Err(format!(
                "hook {name} started while {} workers and the handlers {:?} live",
                self.workers,
                self.handlers.keys()
            ));
        }
        Ok(())
    }

    fn settled(&mut self, name: &str) -> Result<(), String> {
        let Some(state) = self.hooks.get_mut(name) else {
            return Err(format!("hook {name} is none of the scenario's"));
        };
        state.settled += 1;
        if state.settled > state.registered {
            return Err(format!("hook {name} settled {} times", state.settled));
        }
        Ok(())
    }

    fn handler(&mut self, id: RequestId, saw: HandlerSaw) {
        if self.tasks.get(usize::from(id.client)) == Some(&true) {
            return;
        }
        match saw {
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
    }
}

impl Invariant for Hooks {
    fn name(&self) -> &'static str {
        "hooks in order, after all work"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        match (&entry.what, entry.who) {
            (WhatHappened::World(WorldDid::Registered(true)), _) => {
                self.late += 1;
                if let Some(late) = self.hooks.get_mut(LATE) {
                    late.registered += 1;
                }
            }
            (WhatHappened::Worker(saw), _) => match saw {
                WorkerSaw::Begun => self.workers += 1,
                WorkerSaw::Ended | WorkerSaw::Dropped => self.workers -= 1,
                WorkerSaw::HeardDraining | WorkerSaw::HeardCancelled => {}
            },
            (WhatHappened::Handler(saw), Who::Handler(id)) => self.handler(id, *saw),
            _ => {}
        }
        match entry.server() {
            Some(ServerEventKind::HookStarted(name)) => self.started(name.as_str()),
            Some(ServerEventKind::HookSettled { hook, .. }) => self.settled(hook.as_str()),
            Some(ServerEventKind::Signal {
                taken: SignalTaken::Third,
                ..
            }) => {
                self.abandoned = true;
                Ok(())
            }
            Some(
                ServerEventKind::WorkerEnded {
                    how: WorkerOutcome::Stuck,
                    ..
                }
                | ServerEventKind::ConnectionClosed {
                    end: ConnectionEnd::Stuck,
                    ..
                },
            ) => {
                self.stuck = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self, _: &End<'_>) -> Result<(), String> {
        let unsettled = self
            .hooks
            .iter()
            .find(|(_, state)| state.settled != state.registered);
        match unsettled {
            None => Ok(()),
            Some((name, state)) => Err(format!(
                "hook {name}: {} registered, {} settled",
                state.registered, state.settled
            )),
        }
    }
}
