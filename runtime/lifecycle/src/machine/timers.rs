//! The instants at which something is due (floor 0).
//!
//! **Invariant:** at most one instant per timer; due timers come out in the order of their
//! instants, and at one instant in the order of a stop's steps.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::Instant;
use crate::hooks::HookId;

/// What an instant is for. The order is that of a stop's steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Timer {
    /// Readiness has to be proven.
    Ready,
    /// The start as a whole has to be over.
    Start,
    /// Whether the process runs is looked at, while readiness is being proven.
    Pulse,
    /// The lame duck ends.
    LameDuck,
    /// A cancelled start is dropped.
    StartGrace,
    /// Time is up for whoever listens to `cancelled()`.
    Cancel,
    /// The drain is over; what is left is cut.
    Drain,
    /// What was cut and is not gone is stuck.
    Force,
    /// A hook's own deadline.
    Hook(HookId),
    /// The window of all hooks ends.
    Hooks,
    /// An aborted hook that is not gone is left alone.
    Join(HookId),
    /// What lingers is closed.
    Linger,
    /// What is not disposed of is left alone.
    Dispose,
}

impl Timer {
    /// Whether there is one for each hook.
    const fn is_of_hook(self) -> bool {
        matches!(self, Self::Hook(_) | Self::Join(_))
    }
}

/// Every timer that is armed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Timers {
    /// Those of the life's own steps, in order: so few that they are looked through.
    steps: Vec<(Instant, Timer)>,
    /// Those of hooks, in order: there may be any number.
    hooks: BTreeSet<(Instant, Timer)>,
    /// When each of these is due.
    hooks_at: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// Arms `timer` for `at`, wherever it stood before.
    pub(crate) fn arm(&mut self, timer: Timer, at: Instant) {
        self.disarm(timer);
        if timer.is_of_hook() {
            self.hooks.insert((at, timer));
            self.hooks_at.insert(timer, at);
        } else {
            let place = self.steps.partition_point(|armed| *armed < (at, timer));
            self.steps.insert(place, (at, timer));
        }
    }

    /// Moves `timer` by so much; nothing if it is not armed.
    pub(crate) fn put_off(&mut self, timer: Timer, by: Duration) {
        if let Some(at) = self.at(timer) {
            self.arm(timer, at + by);
        }
    }

    pub(crate) fn disarm(&mut self, timer: Timer) {
        if !timer.is_of_hook() {
            self.steps.retain(|(_, armed)| *armed != timer);
        } else if let Some(at) = self.hooks_at.remove(&timer) {
            self.hooks.remove(&(at, timer));
        }
    }

    pub(crate) fn clear(&mut self) {
        self.steps.clear();
        self.hooks.clear();
        self.hooks_at.clear();
    }

    /// When `timer` is due; `None` if it is not armed.
    pub(crate) fn at(&self, timer: Timer) -> Option<Instant> {
        if timer.is_of_hook() {
            return self.hooks_at.get(&timer).copied();
        }
        let mut steps = self.steps.iter();
        let armed = steps.find(|(_, armed)| *armed == timer);
        armed.map(|(at, _)| *at)
    }

    /// The earliest instant at which something is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        let first = [self.steps.first(), self.hooks.first()];
        first.into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// Every timer whose instant `is_due`, in order.
    pub(crate) fn due(&self, is_due: impl Fn(Instant) -> bool) -> Vec<(Instant, Timer)> {
        // Nothing is, in nearly every call.
        if !self.next().is_some_and(&is_due) {
            return Vec::new();
        }
        let is_due = |armed: &&(Instant, Timer)| is_due(armed.0);
        let steps = self.steps.iter().take_while(is_due);
        let hooks = self.hooks.iter().take_while(is_due);
        let mut due: Vec<_> = steps.chain(hooks).copied().collect();
        due.sort_unstable();
        due
    }

    /// Takes out a timer that was due; `None` if it has been moved or disarmed since.
    pub(crate) fn take(&mut self, (at, timer): (Instant, Timer)) -> Option<Timer> {
        if self.at(timer) != Some(at) {
            return None;
        }
        self.disarm(timer);
        Some(timer)
    }
}
