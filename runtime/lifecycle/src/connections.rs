//! What is said of a connection: its number, what it speaks, how it ended, its counts (floor 0).
//!
//! **Invariant:** plain data; nothing here decides anything.

use alloc::sync::Arc;
use core::fmt;

use crate::Instant;

/// A connection of one server, numbered in order of accept from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// The connection with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conn#{}", self.0)
    }
}

/// A listener of one server, numbered in the order in which they were configured from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(u32);

impl ListenerId {
    /// The listener with this number.
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

/// What a connection turned out to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// Not enough bytes were seen to tell.
    #[default]
    Unknown,
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// Bytes after a `101 Switching Protocols` or a successful CONNECT.
    Upgraded,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "unknown",
            Self::Http1 => "http/1",
            Self::Http2 => "http/2",
            Self::Upgraded => "upgraded",
        })
    }
}

/// How a connection ended. Exactly one applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConnectionEnd {
    /// The peer ended it while nothing was in flight.
    PeerClosed,
    /// We ended it while it was between requests.
    Idle,
    /// We ended it before it had said a word.
    Silent,
    /// We ended it at a limit of its own: a head, preface or handshake that took too long.
    TimedOut,
    /// We ended it after its last answer, as announced by `Connection: close` or GOAWAY.
    Graceful,
    /// We ended it after its last answer because it had reached its limit of age or of requests.
    Retired,
    /// Its IO or its protocol failed, or the peer left in the middle of a request.
    Failed,
    /// It was force-closed with work in flight.
    Cut,
    /// It was force-closed and did not end; a handler blocks its thread, or outlived its task.
    Stuck,
}

impl ConnectionEnd {
    /// Every way to end.
    pub const ALL: [Self; 9] = [
        Self::PeerClosed,
        Self::Idle,
        Self::Silent,
        Self::TimedOut,
        Self::Graceful,
        Self::Retired,
        Self::Failed,
        Self::Cut,
        Self::Stuck,
    ];

    /// Where this one stands in [`ConnectionEnd::ALL`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::PeerClosed => 0,
            Self::Idle => 1,
            Self::Silent => 2,
            Self::TimedOut => 3,
            Self::Graceful => 4,
            Self::Retired => 5,
            Self::Failed => 6,
            Self::Cut => 7,
            Self::Stuck => 8,
        }
    }
}

impl fmt::Display for ConnectionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::PeerClosed => "peer-closed",
            Self::Idle => "idle",
            Self::Silent => "silent",
            Self::TimedOut => "timed-out",
            Self::Graceful => "graceful",
            Self::Retired => "retired",
            Self::Failed => "failed",
            Self::Cut => "cut",
            Self::Stuck => "stuck",
        })
    }
}

/// What became of the requests of one connection, or of many added up.
///
/// At rest `begun = answered + cut + aborted`; what is missing is in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Tally {
    /// The head was complete and handed to the application.
    pub begun: u64,
    /// The last byte of the response was handed to the kernel; in a drain the kernel has sent it, where it
    /// can tell (Linux), or the drain's time was over.
    pub answered: u64,
    /// Ended by force.
    pub cut: u64,
    /// The peer left, or its protocol failed, before the answer was complete.
    pub aborted: u64,
    /// The application panicked over it, or gave an error in place of an answer or of its rest: its client
    /// has 500, INTERNAL, or an answer that breaks off. Each is one of the above as well. An error of a
    /// connection that broke is not among them: it may be the client's own, where it is sent back what it
    /// no longer sends.
    pub failed: u64,
    /// Reached us after the connection had been closed to new work, or behind answers of HTTP/2 that its peer
    /// did not take, and was never begun.
    pub late_unprocessed: u64,
    /// HTTP/2 streams beyond the last one that GOAWAY named: never begun, safe to retry.
    pub refused_retryable: u64,
}

impl Tally {
    /// Adds `other` to this one; saturates.
    pub fn add(&mut self, other: &Self) {
        self.begun = self.begun.saturating_add(other.begun);
        self.answered = self.answered.saturating_add(other.answered);
        self.cut = self.cut.saturating_add(other.cut);
        self.aborted = self.aborted.saturating_add(other.aborted);
        self.failed = self.failed.saturating_add(other.failed);
        self.late_unprocessed = self.late_unprocessed.saturating_add(other.late_unprocessed);
        self.refused_retryable = self
            .refused_retryable
            .saturating_add(other.refused_retryable);
    }

    /// Makes the sum hold at a connection's end: what is still in flight was cut, if it ended
    /// `by_force`, or else aborted by the peer. More ends than begins count as begun.
    pub(crate) fn settle(&mut self, by_force: bool) {
        let ended = self
            .answered
            .saturating_add(self.cut)
            .saturating_add(self.aborted);
        let left = self.begun.saturating_sub(ended);
        if by_force {
            self.cut = self.cut.saturating_add(left);
        } else {
            self.aborted = self.aborted.saturating_add(left);
        }
        self.begun = self.begun.max(ended);
    }

    /// Requests begun and not ended.
    #[must_use]
    pub const fn in_flight(&self) -> u64 {
        self.begun
            .saturating_sub(self.answered)
            .saturating_sub(self.cut)
            .saturating_sub(self.aborted)
    }
}

/// One piece of work in flight, as a report names it: never a raw path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Work {
    /// What the connection speaks.
    pub protocol: Protocol,
    /// The request's method.
    pub method: Arc<str>,
    /// The route that matched, such as `/users/{id}`; `None` if no route is known.
    pub template: Option<Arc<str>>,
    /// When the request began.
    pub begun_at: Instant,
}

impl Work {
    /// Work that began at `begun_at`.
    pub fn new(
        protocol: Protocol,
        method: impl Into<Arc<str>>,
        template: Option<Arc<str>>,
        begun_at: Instant,
    ) -> Self {
        Self {
            protocol,
            method: method.into(),
            template,
            begun_at,
        }
    }
}
