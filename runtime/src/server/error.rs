//! What a start can fail with, and what error callbacks are given (floor 3).
//!
//! **Invariant:** every failure of a start carries the report of the stop that followed it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lamplighter_lifecycle::{CheckError, Failure, HookError, PlanError};

use super::report::Report;
use crate::os::listener::BindError;
use crate::transport::{LimitsError, ProtocolError};

/// Why a server did not become ready, with the report of the stop that followed.
///
/// When it is returned, nothing of the server is left: its listeners are closed, its hooks settled.
#[derive(Debug)]
pub struct StartError {
    reason: StartReason,
    /// Which variables of the environment had a part in it.
    note: Option<Arc<str>>,
    after: Duration,
    report: Report,
}

impl StartError {
    pub(crate) const fn new(
        reason: StartReason,
        note: Option<Arc<str>>,
        after: Duration,
        report: Report,
    ) -> Self {
        Self {
            reason,
            note,
            after,
            report,
        }
    }

    /// What stood in the way.
    #[must_use]
    pub const fn reason(&self) -> &StartReason {
        &self.reason
    }

    /// Time from the start to the failure.
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after
    }

    /// What happened, hooks included.
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// What happened, hooks included.
    pub fn into_report(self) -> Report {
        self.report
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        if let Some(note) = &self.note {
            write!(f, "; {note}")?;
        }
        write!(f, " (after {:.3?})", self.after)
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

/// What stands in the way of a start.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartReason {
    /// A variable of the environment was refused.
    #[cfg(feature = "config")]
    #[error(transparent)]
    Config(#[from] Arc<super::config::ConfigError>),
    /// The plan does not hold.
    #[error("the plan does not hold: {0}")]
    Plan(#[from] PlanError),
    /// The hooks do not fit each other, or the plan.
    #[error("the hooks do not fit: {0}")]
    Hook(#[from] HookError),
    /// An address was refused, by us or by the operating system.
    #[error(transparent)]
    Bind(#[from] Arc<BindError>),
    /// A limit does not hold.
    #[error("the limits do not hold: {0}")]
    Limits(#[from] LimitsError),
    /// Health or reflection was set up in a way that does not hold.
    #[error(transparent)]
    Protocol(#[from] Arc<ProtocolError>),
    /// Signals could not be listened to.
    #[error("cannot listen to signals: {0}")]
    Signals(Arc<std::io::Error>),
    /// Readiness could not be proven in time.
    #[error("{0}")]
    NotReady(Arc<str>),
    /// The start as a whole took too long, or its task was lost.
    #[error("{0}")]
    TimedOut(Arc<str>),
    /// A listener broke before the server was ready.
    #[error("{0}")]
    ListenerFailed(Failure),
    /// A stop was asked for before the server was ready. Not a failure: the exit code is that of a
    /// clean stop.
    #[error("stopped before it was ready")]
    Stopped,
}

impl From<CheckError> for StartReason {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Plan(error) => Self::Plan(error),
            CheckError::Hook(error) => Self::Hook(error),
            other => Self::NotReady(other.to_string().into()),
        }
    }
}

/// What went wrong, as error callbacks are given it: all failures of a stop at once, one at a time
/// before that.
#[derive(Clone, Debug)]
pub struct ServerError {
    failures: Arc<[Failure]>,
}

impl ServerError {
    pub(crate) const fn new(failures: Arc<[Failure]>) -> Self {
        Self { failures }
    }

    /// The failures, in the order in which they happened; at least one.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, failure) in self.failures.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{failure}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ServerError {}
