//! The instants at which something is due (floor 0).
//!
//! **Invariant:** at most one instant per timer; due timers come out in the order of their
//! instants, and at one instant in the order of a stop's steps.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::Instant;
use crate::hooks::HookId;

/// What an instant is for. The order is that of a stop's steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Timer {
    /// Readiness has to be proven.
    Ready,
    /// The start as a whole has to be over.
    Start,
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

/// Every timer that is armed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Timers {
    due: BTreeSet<(Instant, Timer)>,
    at: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// Arms `timer` for `at`, wherever it stood before.
    pub(crate) fn arm(&mut self, timer: Timer, at: Instant) {
        self.disarm(timer);
        self.due.insert((at, timer));
        self.at.insert(timer, at);
    }

    pub(crate) fn disarm(&mut self, timer: Timer) {
        if let Some(at) = self.at.remove(&timer) {
            self.due.remove(&(at, timer));
        }
    }

    pub(crate) fn clear(&mut self) {
        self.due.clear();
        self.at.clear();
    }

    /// When `timer` is due; `None` if it is not armed.
    pub(crate) fn at(&self, timer: Timer) -> Option<Instant> {
        self.at.get(&timer).copied()
    }

    /// The earliest instant at which something is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Every timer whose instant `is_due`, in order.
    pub(crate) fn due(&self, is_due: impl Fn(Instant) -> bool) -> Vec<(Instant, Timer)> {
        let due = self.due.iter().take_while(|(at, _)| is_due(*at));
        due.copied().collect()
    }

    /// Takes out a timer that was due; `None` if it has been moved or disarmed since.
    pub(crate) fn take(&mut self, due: (Instant, Timer)) -> Option<Timer> {
        if !self.due.contains(&due) {
            return None;
        }
        self.disarm(due.1);
        Some(due.1)
    }
}
