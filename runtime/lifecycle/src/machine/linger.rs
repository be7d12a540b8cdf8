//! Connections that have ended their side and wait until their peers have what was sent (floor 0).
//!
//! The last bytes of an answer may wait in the kernel when nothing is in flight any more, and where
//! the process is the last of its container they die with it. So a stop gives them a little time:
//! beside the hooks, or, where there are none, out of the margin.
//!
//! **Invariant:** lingering is no work: it holds nothing but the end of `RunningHooks`.
//! **Invariant:** nothing lingers longer than a second, beyond the window of the hooks, or into
//! Disposing.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};

use super::{Machine, Timer};
use crate::connection::Linger;
use crate::connections::ConnectionId;
use crate::effect::Effect;
use crate::{Instant, Phase};

/// Every connection that lingers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Lingering {
    /// When each of them is over at the latest.
    ends: BTreeMap<ConnectionId, Instant>,
    /// The same, the last one last.
    order: BTreeSet<(Instant, ConnectionId)>,
    /// When all of it is over at the latest; known once the hooks run.
    latest: Option<Instant>,
    /// No time is left for it.
    over: bool,
}

impl Lingering {
    fn add(&mut self, connection: ConnectionId, ends: Instant) {
        if let Entry::Vacant(vacant) = self.ends.entry(connection) {
            vacant.insert(ends);
            self.order.insert((ends, connection));
        }
    }

    fn remove(&mut self, connection: ConnectionId) {
        if let Some(ends) = self.ends.remove(&connection) {
            self.order.remove(&(ends, connection));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

impl Machine {
    pub(super) fn on_linger_began(&mut self, connection: ConnectionId) {
        if self.phase == Phase::Stopped {
            return;
        }
        if self.lingering.over {
            self.effects.push_back(Effect::EndLinger);
            return;
        }
        self.lingering.add(connection, self.now + Linger::LONGEST);
        self.arm_linger();
        // One that came late may have been overdue.
        self.check_hooks();
    }

    pub(super) fn on_linger_ended(&mut self, connection: ConnectionId) {
        self.lingering.remove(connection);
        self.arm_linger();
        self.check_hooks();
    }

    /// The hooks begin, and with them the time that what lingers has left.
    pub(super) fn bound_linger(&mut self) {
        let time = if self.graph.is_empty() {
            self.budget.linger_without_hooks()
        } else {
            self.budget.hooks_timeout()
        };
        self.lingering.latest = Some(self.now + time);
        self.arm_linger();
    }

    /// Waits for the last one, as far as its time goes.
    fn arm_linger(&mut self) {
        let Some(latest) = self.lingering.latest else {
            return;
        };
        match self.lingering.order.last() {
            None => self.timers.disarm(Timer::Linger),
            Some((ends, _)) if latest.min(*ends) <= self.now => self.end_linger(),
            Some((ends, _)) => self.timers.arm(Timer::Linger, latest.min(*ends)),
        }
    }

    pub(super) fn linger_timed_out(&mut self) {
        self.end_linger();
        self.check_hooks();
    }

    /// Ends whatever lingers, now.
    pub(super) fn end_linger(&mut self) {
        self.timers.disarm(Timer::Linger);
        if !self.lingering.is_empty() {
            self.effects.push_back(Effect::EndLinger);
        }
        self.lingering = Lingering::default();
        self.lingering.over = true;
    }
}
