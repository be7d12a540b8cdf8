//! What went wrong during a life: data for the report and the error event (floor 0).
//!
//! **Invariant:** a cut is a fact, not a failure, and has no place here.

use alloc::sync::Arc;
use core::fmt;

use crate::event::WorkerOutcome;
use crate::hooks::HookName;
use crate::input::StartFailure;
use crate::report::HookOutcome;

/// One thing that went wrong. The server's life went on regardless.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// The start failed.
    Start(StartFailure),
    /// A callback panicked.
    Callback {
        /// The announcement that it was told of: `on_ready`, say.
        callback: &'static str,
        /// The panic's message.
        message: Arc<str>,
    },
    /// A listener broke for good.
    Listener {
        /// Its address or name.
        listener: Arc<str>,
        /// What the operating system said.
        error: Arc<str>,
    },
    /// A worker returned an error or panicked.
    Worker {
        /// Its name.
        worker: Arc<str>,
        /// How it ended.
        outcome: WorkerOutcome,
    },
    /// A hook was not settled as ok.
    Hook {
        /// Its name.
        hook: HookName,
        /// How it was settled.
        outcome: HookOutcome,
    },
    /// Own tasks or sockets were not gone within their share of the margin, and are not named as
    /// stuck anywhere else.
    NotDisposed {
        /// The names of the tasks that were left.
        left: Arc<[Arc<str>]>,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(failure) => write!(f, "start failed: {}", failure.message()),
            Self::Callback { callback, message } => {
                write!(f, "callback {callback} panicked: {message}")
            }
            Self::Listener { listener, error } => write!(f, "listener {listener} failed: {error}"),
            Self::Worker { worker, outcome } => write!(f, "worker {worker} {outcome}"),
            Self::Hook { hook, outcome } => write!(f, "hook {hook} {outcome}"),
            Self::NotDisposed { left } => {
                f.write_str("own tasks were not gone in time")?;
                for (index, name) in left.iter().enumerate() {
                    write!(f, "{} {name}", if index == 0 { ':' } else { ',' })?;
                }
                Ok(())
            }
        }
    }
}
