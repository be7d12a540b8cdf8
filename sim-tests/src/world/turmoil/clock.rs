//! The time of a simulation in turmoil, which no clock of a host is.
//!
//! turmoil runs every host for one tick after the other, each on a clock of its own that a fault may
//! move. The simulation's own time is how many ticks there have been.
//!
//! **Invariant:** within one tick it stands still, and it never goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a tick takes: 1 ms. With less a host's clock runs ahead of the network's, since tokio's timers
/// count whole milliseconds; with more every message takes longer than its latency.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// How long the simulation has run. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub(super) struct StepClock {
    ticks: Arc<AtomicU64>,
}

impl StepClock {
    /// Time since the simulation began.
    pub(super) fn now(&self) -> Duration {
        Duration::from_millis(self.ticks.load(Ordering::Relaxed))
    }

    /// One more tick is over.
    pub(super) fn tick(&self) {
        self.skip(1);
    }

    /// So many ticks have passed in which nobody ran.
    pub(super) fn skip(&self, ticks: u32) {
        self.ticks.fetch_add(ticks.into(), Ordering::Relaxed);
    }
}
