//! Where a server is in its life, and the one table of allowed steps (floor 0).
//!
//! **Invariant:** no step leads backwards; every path through a stop passes every stopping phase.

use core::fmt;

/// Where a server is in its life, as its owner sees it. One-way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ServerState {
    /// Made, not started.
    Created,
    /// Binding listeners and proving readiness.
    Starting,
    /// Ready and serving.
    Running,
    /// A stop has begun.
    Stopping,
    /// Nothing of the server is left.
    Stopped,
}

/// Where a server is in its life, with the parts of a stop told apart. One-way.
///
/// A phase with nothing to do takes no time, and is passed all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Made, not started.
    Created,
    /// Binding listeners and proving readiness.
    Starting,
    /// Ready and serving.
    Running,
    /// Not ready any more, still accepting and serving.
    LameDuck,
    /// No new work; work in flight finishes.
    Draining,
    /// What is left of the work is being cut.
    ForceClosing,
    /// Hooks clean up.
    RunningHooks,
    /// Contexts are destroyed, own tasks joined, sockets closed.
    Disposing,
    /// Nothing of the server is left.
    Stopped,
}

impl Phase {
    /// Every phase, in the order of a life.
    pub const ALL: [Self; 9] = [
        Self::Created,
        Self::Starting,
        Self::Running,
        Self::LameDuck,
        Self::Draining,
        Self::ForceClosing,
        Self::RunningHooks,
        Self::Disposing,
        Self::Stopped,
    ];

    /// The phases that make up a stop, in order.
    pub const STOPPING: [Self; 5] = [
        Self::LameDuck,
        Self::Draining,
        Self::ForceClosing,
        Self::RunningHooks,
        Self::Disposing,
    ];

    /// Where this phase stands in [`Phase::ALL`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Created => 0,
            Self::Starting => 1,
            Self::Running => 2,
            Self::LameDuck => 3,
            Self::Draining => 4,
            Self::ForceClosing => 5,
            Self::RunningHooks => 6,
            Self::Disposing => 7,
            Self::Stopped => 8,
        }
    }

    /// The state that this phase belongs to.
    #[must_use]
    pub const fn state(self) -> ServerState {
        match self {
            Self::Created => ServerState::Created,
            Self::Starting => ServerState::Starting,
            Self::Running => ServerState::Running,
            Self::LameDuck
            | Self::Draining
            | Self::ForceClosing
            | Self::RunningHooks
            | Self::Disposing => ServerState::Stopping,
            Self::Stopped => ServerState::Stopped,
        }
    }

    /// Whether a stop is under way in this phase.
    #[must_use]
    pub const fn is_stopping(self) -> bool {
        matches!(self.state(), ServerState::Stopping)
    }

    /// The phase that `step` leads to from here; `None` where the table has no such step.
    #[must_use]
    pub fn next(self, step: Step) -> Option<Self> {
        TRANSITIONS
            .iter()
            .find(|(from, with, _)| *from == self && *with == step)
            .map(|(_, _, to)| *to)
    }

    /// The whole table of steps as a graph in the dot language, for `dot -Tsvg`.
    #[must_use]
    pub fn graph() -> impl fmt::Display {
        Graph
    }
}

struct Graph;

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "digraph life {{")?;
        for (from, step, to) in TRANSITIONS {
            writeln!(f, "  \"{from}\" -> \"{to}\" [label=\"{step}\"];")?;
        }
        writeln!(f, "}}")
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Created => "created",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::LameDuck => "lame-duck",
            Self::Draining => "draining",
            Self::ForceClosing => "force-closing",
            Self::RunningHooks => "running-hooks",
            Self::Disposing => "disposing",
            Self::Stopped => "stopped",
        })
    }
}

/// What moves a server from one phase to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Step {
    /// `start()` was called.
    Start,
    /// Bound, accepting, and every readiness check green.
    Ready,
    /// A cause to stop, a failed start among them.
    Stop,
    /// The lame duck's time is up.
    LameDuckOver,
    /// No work is left, or the drain deadline has passed.
    DrainOver,
    /// Everything that was cut is gone, or given up as stuck.
    ForceOver,
    /// Every hook is settled, and the aborted ones are joined or given up.
    HooksOver,
    /// Everything is disposed of, or given up.
    DisposeOver,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 8] = [
        Self::Start,
        Self::Ready,
        Self::Stop,
        Self::LameDuckOver,
        Self::DrainOver,
        Self::ForceOver,
        Self::HooksOver,
        Self::DisposeOver,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Start => "start",
            Self::Ready => "ready",
            Self::Stop => "stop",
            Self::LameDuckOver => "lame duck over",
            Self::DrainOver => "drain over",
            Self::ForceOver => "force over",
            Self::HooksOver => "hooks over",
            Self::DisposeOver => "dispose over",
        })
    }
}

/// The whole table of allowed steps: from, with, to.
pub const TRANSITIONS: [(Phase, Step, Phase); 10] = [
    (Phase::Created, Step::Start, Phase::Starting),
    (Phase::Created, Step::Stop, Phase::LameDuck),
    (Phase::Starting, Step::Ready, Phase::Running),
    (Phase::Starting, Step::Stop, Phase::LameDuck),
    (Phase::Running, Step::Stop, Phase::LameDuck),
    (Phase::LameDuck, Step::LameDuckOver, Phase::Draining),
    (Phase::Draining, Step::DrainOver, Phase::ForceClosing),
    (Phase::ForceClosing, Step::ForceOver, Phase::RunningHooks),
    (Phase::RunningHooks, Step::HooksOver, Phase::Disposing),
    (Phase::Disposing, Step::DisposeOver, Phase::Stopped),
];
