//! What the core asks of its driver (floor 0).
//!
//! **Invariant:** an effect is an order, never a question; the answer comes back as an input.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::connections::ConnectionId;
use crate::failure::Failure;
use crate::hooks::HookId;
use crate::input::WorkerId;
use crate::{Cause, Instant};

/// Something for the driver to do, in the order in which it is handed out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// Run the callbacks of this announcement, in order of registration, before anything else;
    /// then feed `Input::Announced`.
    Announce(Announcement),
    /// Begin the start: bind every listener, accept, prove readiness. Answered by `Bound`,
    /// `Ready` or `StartFailed`, and by `StartEnded` once its task is gone.
    BeginStart,
    /// Ask the start to end by itself.
    CancelStart,
    /// Drop the start now. Answered by `StartEnded`.
    DropStart,
    /// Answer health questions so from now on.
    SetReadiness(Readiness),
    /// Start this worker. Answered by `WorkerEnded` in its time.
    StartWorker(WorkerId),
    /// Tell handlers, streams, workers and connections how far the stop has come.
    Direct(Directive),
    /// Accept until the queue is dry, then close every listener. Answered by `ListenersClosed`.
    CloseListeners,
    /// Close every listener now, whatever is queued. Answered by `ListenersClosed`.
    DropListeners,
    /// Abort every worker. Each is answered by `WorkerEnded`.
    AbortWorkers,
    /// Abort the tasks of the connections that did not end when they were told to.
    AbortConnections,
    /// Run this hook. Answered by `HookEnded`.
    RunHook {
        /// Which one.
        hook: HookId,
        /// The latest instant at which it is settled, whatever it does.
        deadline: Instant,
    },
    /// Abort this hook's task, if it is one that can be aborted. Answered by `HookEnded`.
    AbortHook(HookId),
    /// Close every connection that lingers, and let none linger from here on. Each is answered by
    /// `LingerEnded`.
    EndLinger,
    /// Drop what never ran, join own tasks, close own sockets. Answered by `Disposed`.
    Dispose {
        /// What is not waited for: it did not end when it was told to, and is named for it.
        leave: Vec<Stuck>,
    },
    /// The time to dispose is over: say what is left. Answered by `Undisposed`, or by `Disposed`.
    NameUndisposed,
    /// The report is complete from here on: log it.
    Seal,
    /// The last effect: wake everybody who waits for the end.
    Finish,
}

/// Something that was told to end, and did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stuck {
    /// A connection.
    Connection(ConnectionId),
    /// A worker.
    Worker(WorkerId),
    /// A hook that was settled by force.
    Hook(HookId),
}

/// An occurrence that callbacks are told of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Announcement {
    /// The start sequence begins.
    Start,
    /// Bound, accepting and ready.
    Ready,
    /// A stop has begun.
    Stopping,
    /// This failed. After Stopping it comes at most once, with all the failures of the stop.
    Error(Arc<[Failure]>),
    /// The server is stopped, the report complete.
    Stop,
}

/// What health questions are answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Readiness {
    /// Should get traffic.
    Ready,
    /// Should not.
    NotReady,
}

/// How far a stop has come, for whoever does work. Only ever rises.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Directive {
    /// Ready: application requests are served from here on.
    Serve,
    /// Announce the close on every answer; go on accepting and serving.
    LameDuck {
        /// Why.
        cause: Cause,
        /// When the lame duck ends at the latest.
        until: Instant,
    },
    /// No new connections; finish what is in flight, then close.
    Drain {
        /// Why.
        cause: Cause,
        /// When what is left will be cut; `None` while there is no deadline.
        deadline: Option<Instant>,
    },
    /// The deadline of a drain under way became known, or moved closer.
    Tighten {
        /// When what is left will be cut.
        deadline: Instant,
    },
    /// Time is up: whoever listens may still say so to its peer.
    Cancel,
    /// End every connection and every worker now.
    Force,
}
