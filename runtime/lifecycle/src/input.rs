//! Everything that can happen to a server (floor 0).
//!
//! **Invariant:** an input is a fact about the world outside; none carries a decision.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::connections::{ConnectionEnd, ConnectionId, Protocol, Tally, Work};
use crate::effect::Announcement;
use crate::hooks::HookId;
use crate::peer::PeerAddr;
use crate::{Cause, Signal};

/// Something that happened.
///
/// Any input may come in any phase, any number of times: what makes no sense any more is ignored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Input {
    /// `start()` was called.
    Start,
    /// The start task did not make it.
    StartFailed(StartFailure),
    /// Every listener is bound and accepting; readiness is being proven.
    Bound,
    /// A round of readiness checks was not all green; these were red.
    ChecksRed(Arc<str>),
    /// One round of readiness checks was all green.
    Ready,
    /// The start task is gone.
    StartEnded,
    /// The server was dropped and will never be started.
    Discard,
    /// Somebody asks for a graceful stop. Before `Start` it is carried out by the `Start` that
    /// follows.
    Stop(Cause),
    /// Somebody asks for a drain without a deadline.
    Drain,
    /// Somebody asks for what a second signal does.
    Force,
    /// The process, or this server alone, got a signal that it stops on.
    Signal(Signal),
    /// The callbacks of an announcement have run; these panicked, with their messages.
    Announced {
        /// Which announcement.
        announcement: Announcement,
        /// The messages of the callbacks that panicked, in order.
        panics: Vec<Arc<str>>,
    },
    /// No listener is open any more.
    ListenersClosed,
    /// A listener broke for good.
    ListenerFailed {
        /// Its address or name.
        listener: Arc<str>,
        /// What the operating system said.
        error: Arc<str>,
        /// How many of the server's listeners are left.
        left: usize,
    },
    /// Connections were taken from a listener's queue and closed at once, unheard, since there was
    /// no descriptor for them.
    ConnectionsTurnedAway(u64),
    /// A connection was accepted.
    ConnectionOpened {
        /// Its number.
        connection: ConnectionId,
        /// Who is at the other end.
        peer: PeerAddr,
    },
    /// What a connection was doing when the force close reached it.
    ConnectionForced {
        /// Its number.
        connection: ConnectionId,
        /// What it speaks.
        protocol: Protocol,
        /// Its counts so far.
        tally: Tally,
        /// What is in flight on it.
        work: Vec<Work>,
    },
    /// A connection is over: its socket is closed, or its own side has ended and it lingers.
    ConnectionClosed {
        /// Its number.
        connection: ConnectionId,
        /// What it spoke.
        protocol: Protocol,
        /// How it ended.
        end: ConnectionEnd,
        /// What became of its requests.
        tally: Tally,
        /// What was in flight and cut.
        cut: Vec<Work>,
    },
    /// A connection has ended its side and is about to be reported closed, and its socket stays
    /// open until the peer has what was sent.
    LingerBegan {
        /// Its number.
        connection: ConnectionId,
    },
    /// A connection that lingered has closed its socket.
    LingerEnded {
        /// Its number.
        connection: ConnectionId,
    },
    /// A worker is gone.
    WorkerEnded {
        /// Its number.
        worker: WorkerId,
        /// How it ended.
        end: WorkerEnd,
    },
    /// A hook is gone: it ended by itself, or its abort is complete.
    HookEnded {
        /// Which hook.
        hook: HookId,
        /// How it ended.
        end: HookEnd,
    },
    /// Nothing of the server is left but its report.
    Disposed,
    /// The names of what is left when the time to dispose is over; empty if nothing is.
    Undisposed(Arc<[Arc<str>]>),
}

/// A worker of one server, numbered in order of registration from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(u32);

impl WorkerId {
    /// The worker with this number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WorkerEnd {
    /// It returned, and had nothing to complain about.
    Ok,
    /// It returned an error.
    Failed(Arc<str>),
    /// It panicked.
    Panicked(Arc<str>),
    /// It was aborted.
    Aborted,
}

/// How a hook ended, as its runner saw it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HookEnd {
    /// It returned, and had nothing to complain about.
    Ok,
    /// It returned an error.
    Failed(Arc<str>),
    /// It panicked.
    Panicked(Arc<str>),
    /// It was aborted.
    Aborted,
}

/// Why a start failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartFailure {
    /// A setting, variable, plan or hook graph was refused.
    Configuration(Arc<str>),
    /// A listener could not be bound.
    Bind(Arc<str>),
    /// Readiness could not be proven in time.
    NotReady(Arc<str>),
    /// The start as a whole took too long.
    TimedOut(Arc<str>),
    /// The operating system refused something else.
    System(Arc<str>),
}

impl StartFailure {
    /// What went wrong, as text.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Configuration(message)
            | Self::Bind(message)
            | Self::NotReady(message)
            | Self::TimedOut(message)
            | Self::System(message) => message,
        }
    }
}
