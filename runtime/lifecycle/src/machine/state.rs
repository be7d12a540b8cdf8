//! What the machine keeps of each thing that it leads through a life (floor 0).
//!
//! **Invariant:** plain data: every decision about it is taken in the rooms beside this one.

use alloc::sync::Arc;

use crate::effect::Readiness;
use crate::event::WorkerOutcome;
use crate::report::HookOutcome;
use crate::{Cause, Instant};

/// How far the start has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Start {
    /// Whether the start task is alive.
    pub(super) live: bool,
    /// The checks that were red in the last round.
    pub(super) red: Option<Arc<str>>,
}

/// Whether listeners are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Listeners {
    None,
    Open,
    Closing,
    Closed,
}

/// A worker from its registration to its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Worker {
    pub(super) name: Arc<str>,
    pub(super) state: WorkerState,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum WorkerState {
    Waiting,
    Running,
    Ended(WorkerOutcome),
}

/// What is known of a hook beside its place in the graph.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct HookRecord {
    pub(super) started: Option<Instant>,
    pub(super) settled: Option<(Instant, HookOutcome)>,
    pub(super) still_running: bool,
}

/// A stop that has begun.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stop {
    pub(super) cause: Cause,
    pub(super) at: Instant,
    pub(super) manner: Manner,
    /// The callbacks have not all been told of it yet.
    pub(super) announcing: bool,
    /// When the drain is over at the latest; `None` if nobody has ended a wait without end.
    pub(super) drain_by: Option<Instant>,
    /// When the stop is over at the latest; `None` while it waits without end.
    pub(super) ends_by: Option<Instant>,
    pub(super) wait: Wait,
    pub(super) cancelled: bool,
    pub(super) abandoned: bool,
    /// What health questions are answered with until the lame duck is over.
    pub(super) readiness: Readiness,
}

/// Whether a stop stays in Draining when no work is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Wait {
    /// It goes on to the hooks.
    ForWork,
    /// It was begun by `drain()`: the hooks wait for a stop or a signal.
    ForStop {
        /// No work is left, and that was told.
        drained: bool,
    },
}

/// From where a stop began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Manner {
    /// The server was running.
    Running,
    /// The start was under way.
    DuringStart,
    /// The start failed.
    FailedStart,
    /// The server had not been started.
    Unstarted,
}

impl Manner {
    /// Whether there was a start that went well so far.
    pub(super) const fn is_started(self) -> bool {
        matches!(self, Self::Running | Self::DuringStart)
    }
}

/// The stop signals seen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Signals {
    pub(super) counted: u8,
    pub(super) last: Option<Instant>,
}

/// What is done about what keeps a phase longer than it may last, before it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Resort {
    /// Nothing so far.
    None,
    /// The connections that were cut and did not end are aborted.
    Aborts,
    /// The driver is asked what keeps Disposing.
    Asks,
}
