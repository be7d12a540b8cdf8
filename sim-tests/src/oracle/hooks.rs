//! Law 6: a hook starts at most once, after what it comes after, and is settled exactly once.
//!
//! **Invariant:** the order that is demanded is the scenario's, not what the server took for it.

use std::collections::BTreeMap;

use lamplighter::{ServerEventKind, SignalTaken};

use super::{End, Invariant};
use crate::scenario::{Hook, Scenario};
use crate::trace::{Entry, HookSaw, WhatHappened, Who, WorldDid};

/// Hooks by their names.
#[derive(Debug)]
pub(super) struct Hooks {
    hooks: BTreeMap<String, State>,
    /// A third signal gives up on everything.
    abandoned: bool,
}

#[derive(Debug, Default)]
struct State {
    after: Vec<String>,
    registered: u32,
    started: u32,
    settled: u32,
    begun: u32,
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
            abandoned: false,
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
        Ok(())
    }

    /// The code of a hook has its first turn.
    fn begun(&mut self, name: &str) -> Result<(), String> {
        let Some(state) = self.hooks.get_mut(name) else {
            return Ok(());
        };
        state.begun += 1;
        if state.begun > state.started || (state.registered == 1 && state.settled > 0) {
            return Err(format!("hook {name} begins, and is settled already"));
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
}

impl Invariant for Hooks {
    fn name(&self) -> &'static str {
        "hooks in order"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        if let WhatHappened::World(WorldDid::Registered(true)) = entry.what
            && let Some(late) = self.hooks.get_mut(LATE)
        {
            late.registered += 1;
        }
        if let (WhatHappened::Hook(HookSaw::Begun), Who::Hook(hook)) = (&entry.what, entry.who) {
            return self.begun(&Hook::name(usize::from(hook)));
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
