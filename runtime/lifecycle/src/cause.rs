//! Why a server stops, and the signals that can make it (floor 0).
//!
//! **Invariant:** a signal that cannot be caught has no name here.

use alloc::sync::Arc;
use core::fmt;

/// A process signal that a server can be told to listen to.
///
/// SIGKILL and SIGSTOP are missing on purpose: no process can catch them (`signal(7)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// SIGTERM: what `kill`, Kubernetes, systemd and `docker stop` send.
    Sigterm,
    /// SIGINT: Ctrl-C.
    Sigint,
    /// SIGQUIT: Ctrl-\.
    Sigquit,
    /// SIGHUP: the terminal is gone, or, by habit of operators, "read your configuration again".
    Sighup,
    /// SIGUSR1: free for the application.
    Sigusr1,
    /// SIGUSR2: free for the application.
    Sigusr2,
}

impl Signal {
    /// Every signal that can be listened to.
    pub const ALL: [Self; 6] = [
        Self::Sigterm,
        Self::Sigint,
        Self::Sigquit,
        Self::Sighup,
        Self::Sigusr1,
        Self::Sigusr2,
    ];
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sigterm => "SIGTERM",
            Self::Sigint => "SIGINT",
            Self::Sigquit => "SIGQUIT",
            Self::Sighup => "SIGHUP",
            Self::Sigusr1 => "SIGUSR1",
            Self::Sigusr2 => "SIGUSR2",
        })
    }
}

/// Why a stop began. The first cause counts; later ones are recorded beside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The process, or this server alone, got a signal.
    Signal(Signal),
    /// `stop()` was called, with what the caller said about it.
    Requested(Option<Arc<str>>),
    /// `force()` was called while nothing was stopping yet.
    Forced,
    /// `drain()` was called: no deadline until a signal or a `stop()` ends the wait.
    Drain,
    /// The owner was dropped.
    Dropped,
    /// The start failed; the report's start failure says how.
    StartFailed,
    /// A listener broke for good.
    ListenerFailed(Arc<str>),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(signal) => signal.fmt(f),
            Self::Requested(None) => f.write_str("stop requested"),
            Self::Requested(Some(why)) => write!(f, "stop requested: {why}"),
            Self::Forced => f.write_str("force requested"),
            Self::Drain => f.write_str("drain requested"),
            Self::Dropped => f.write_str("owner dropped"),
            Self::StartFailed => f.write_str("start failed"),
            Self::ListenerFailed(listener) => write!(f, "listener {listener} failed"),
        }
    }
}
