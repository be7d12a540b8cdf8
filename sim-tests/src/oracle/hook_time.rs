//! Law 15, hook by hook: no hook is given up before its time. Fewer than three signals skip none; one
//! that ran out of time had its own timeout, or its fair part of what was left; one that never started
//! found the window over.
//!
//! **Invariant:** the fair part is worked out here: what is left of the window, divided by the length of
//! the longest chain of the scenario's hooks that begins with it.

use std::collections::BTreeMap;
use std::time::Duration;

use lamplighter::{HookOutcome, Phase, ServerEventKind, SignalTaken};

use super::clock::Jumps;
use super::{Invariant, plan};
use crate::scenario::{Hook, Scenario, millis};
use crate::trace::{Entry, WhatHappened, WorldDid};

/// What each hook has coming.
#[derive(Debug)]
pub(super) struct HookTime {
    window: Duration,
    hooks: BTreeMap<String, Own>,
    /// When the window ends, once it is open.
    closes: Option<Duration>,
    started: BTreeMap<String, Duration>,
    third: bool,
    lives: bool,
    late: u32,
    /// It is the server's clock that a hook's time passes by.
    jumps: Jumps,
}

#[derive(Debug)]
struct Own {
    timeout: Option<Duration>,
    /// How many hooks the longest chain has that begins with it.
    chain: u32,
}

impl HookTime {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let hooks = &scenario.hooks;
        let mut chains = vec![1_u32; hooks.len()];
        // A hook comes after earlier ones only, so the last one's chain is known first.
        for (place, hook) in hooks.iter().enumerate().rev() {
            let with = chains.get(place).copied().unwrap_or(1) + 1;
            for earlier in hook.comes_after(place) {
                if let Some(chain) = chains.get_mut(earlier) {
                    *chain = with.max(*chain);
                }
            }
        }
        let own = hooks.iter().zip(chains).map(|(hook, chain)| Own {
            timeout: hook.timeout_ms.map(millis),
            chain,
        });
        Self {
            window: millis(plan(scenario).hooks_ms),
            hooks: own
                .enumerate()
                .map(|(place, own)| (Hook::name(place), own))
                .collect(),
            closes: None,
            started: BTreeMap::new(),
            third: false,
            lives: false,
            late: 0,
            jumps: Jumps::default(),
        }
    }

    fn settled(&self, at: Duration, name: &str, outcome: &HookOutcome) -> Result<(), String> {
        match outcome {
            HookOutcome::Abandoned if !self.third => {
                Err(format!("hook {name} was abandoned without a third signal"))
            }
            HookOutcome::NotStarted
                if self.lives && self.closes.is_none_or(|ends| at + self.jumped(ends) < ends) =>
            {
                Err(format!(
                    "hook {name} was skipped, and the window is open until {:?}",
                    self.closes
                ))
            }
            HookOutcome::TimedOut => self.timed_out(at, name),
            _ => Ok(()),
        }
    }

    /// How far the server's clock has jumped since the window was opened that closes then.
    fn jumped(&self, closes: Duration) -> Duration {
        self.jumps.since(closes.saturating_sub(self.window))
    }

    fn timed_out(&self, at: Duration, name: &str) -> Result<(), String> {
        let (Some(started), Some(own), Some(closes)) =
            (self.started.get(name), self.hooks.get(name), self.closes)
        else {
            return Ok(());
        };
        let fair = closes.saturating_sub(*started) / (own.chain + self.late);
        let by = (*started + own.timeout.unwrap_or(fair)).min(closes);
        if at + self.jumped(closes) < by {
            return Err(format!(
                "hook {name} ran out of time at {at:?}, and had until {by:?}"
            ));
        }
        Ok(())
    }
}

impl Invariant for HookTime {
    fn name(&self) -> &'static str {
        "no hook given up before its time"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        self.jumps.sees(entry);
        if let WhatHappened::World(WorldDid::Registered(true)) = entry.what {
            self.late += 1;
        }
        match entry.server() {
            // One that was never started settles them unstarted.
            Some(ServerEventKind::Start) => self.lives = true,
            Some(ServerEventKind::Phase(Phase::RunningHooks)) => {
                self.closes = Some(entry.at + self.window);
            }
            Some(ServerEventKind::Signal {
                taken: SignalTaken::Third,
                ..
            }) => self.third = true,
            Some(ServerEventKind::HookStarted(name)) => {
                self.started.insert(name.as_str().to_owned(), entry.at);
            }
            Some(ServerEventKind::HookSettled { hook, outcome }) => {
                return self.settled(entry.at, hook.as_str(), outcome);
            }
            _ => {}
        }
        Ok(())
    }
}
