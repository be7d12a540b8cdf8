//! What observers are told, in the order in which it happened (floor 0).
//!
//! **Invariant:** after the last event of a life, `Stop` or the `Error` of a failed start, nothing
//! follows.

use alloc::sync::Arc;
use core::fmt;

use crate::connections::{ConnectionEnd, ConnectionId, Protocol, Tally};
use crate::failure::Failure;
use crate::hooks::HookName;
use crate::peer::PeerAddr;
use crate::report::HookOutcome;
use crate::{Cause, Phase, Signal};

/// Something that happened to a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// The start sequence begins.
    Start,
    /// Bound, accepting and ready.
    Ready,
    /// A stop has begun.
    Stopping(Cause),
    /// Something failed.
    Error(Arc<[Failure]>),
    /// The server is stopped. The last event.
    Stop,
    /// A phase began. Stopped is told by the last event instead.
    Phase(Phase),
    /// A stop signal came in.
    Signal {
        /// Which one.
        signal: Signal,
        /// What it was taken for.
        taken: SignalTaken,
    },
    /// Somebody else asked for the stop that is already under way.
    StopAgain(Cause),
    /// Somebody asked to force the stop.
    Force,
    /// No listener is open any more.
    ListenersClosed,
    /// No work is left while a drain without a deadline waits.
    Drained,
    /// Handlers, streams and workers were told that time is up.
    Cancelled,
    /// A connection was accepted. Told only while connections are observed.
    ConnectionOpened {
        /// Its number.
        connection: ConnectionId,
        /// Who is at the other end.
        peer: PeerAddr,
    },
    /// A connection is gone. Told only while connections are observed, but for those with work cut.
    ConnectionClosed {
        /// Its number.
        connection: ConnectionId,
        /// What it spoke.
        protocol: Protocol,
        /// How it ended.
        end: ConnectionEnd,
        /// What became of its requests.
        tally: Tally,
    },
    /// A worker ended.
    WorkerEnded {
        /// Its name.
        worker: Arc<str>,
        /// How.
        how: WorkerOutcome,
    },
    /// A hook began.
    HookStarted(HookName),
    /// A hook was settled.
    HookSettled {
        /// Its name.
        hook: HookName,
        /// How.
        outcome: HookOutcome,
    },
    /// A hook that had been settled by force has run to its end after all.
    HookEnded(HookName),
    /// A hook that had been settled by force is gone: aborted before its end.
    HookGone(HookName),
}

/// What a stop signal was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignalTaken {
    /// The first: it began the stop, or tightened one that had another cause.
    First,
    /// The second: it forces, where something is left to force.
    Second,
    /// The third: it abandons what is left.
    Third,
    /// The same signal as the last one, sent twice by a wrapper.
    Repeated,
    /// One more after the third.
    Ignored,
}

impl fmt::Display for SignalTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::First => "first",
            Self::Second => "second",
            Self::Third => "third",
            Self::Repeated => "repeated",
            Self::Ignored => "ignored",
        })
    }
}

/// How a worker ended, as a report names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WorkerOutcome {
    /// It returned, and had nothing to complain about.
    Ok,
    /// It returned an error, with this message.
    Failed(Arc<str>),
    /// It panicked, with this message.
    Panicked(Arc<str>),
    /// It was aborted by the force close.
    Cut,
    /// It was aborted and did not end.
    Stuck,
}

impl fmt::Display for WorkerOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Failed(message) => write!(f, "failed: {message}"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::Cut => f.write_str("cut"),
            Self::Stuck => f.write_str("stuck"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Ready => f.write_str("ready"),
            Self::Stopping(cause) => write!(f, "stopping      {cause}"),
            Self::Error(failures) => {
                f.write_str("error         ")?;
                for (index, failure) in failures.iter().enumerate() {
                    if index > 0 {
                        f.write_str("; ")?;
                    }
                    write!(f, "{failure}")?;
                }
                Ok(())
            }
            Self::Stop => f.write_str("stop"),
            Self::Phase(phase) => write!(f, "phase         {phase}"),
            Self::Signal { signal, taken } => write!(f, "signal        {signal} ({taken})"),
            Self::StopAgain(cause) => write!(f, "stop again    {cause}"),
            Self::Force => f.write_str("force"),
            Self::ListenersClosed => f.write_str("listeners     closed"),
            Self::Drained => f.write_str("drained"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::ConnectionOpened { connection, .. } => write!(f, "open          {connection}"),
            Self::ConnectionClosed {
                connection,
                protocol,
                end,
                tally,
            } => {
                write!(f, "close         {connection} {protocol} {end}")?;
                if tally.cut > 0 {
                    write!(f, ", {} cut", tally.cut)?;
                }
                Ok(())
            }
            Self::WorkerEnded { worker, how } => write!(f, "worker        {worker} {how}"),
            Self::HookStarted(hook) => write!(f, "hook          {hook} started"),
            Self::HookSettled { hook, outcome } => write!(f, "hook          {hook} {outcome}"),
            Self::HookEnded(hook) => write!(f, "hook          {hook} ended after all"),
            Self::HookGone(hook) => write!(f, "hook          {hook} gone"),
        }
    }
}
