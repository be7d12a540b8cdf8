//! How long one connection may take for what only delays others (floor 0).
//!
//! **Invariant:** none of these ends work that has begun but the grace of a retirement, where one is
//! set; else only force does.

use core::time::Duration;

use super::Retirement;

/// How long a connection may take for what only delays others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Times {
    /// From accept to the end of the first request's head, and from the first byte of every further head
    /// to its last; `None` waits for ever. While draining it counts where it is shorter than the graces
    /// below.
    pub head_timeout: Option<Duration>,
    /// While draining: from accept to the first byte. 100 ms: a peer that connected to send
    /// something has sent it by then; older ones close at once.
    pub silent_grace: Duration,
    /// While draining: from the first byte of a preface or head to its last. 1 s: some round trips
    /// of a bad line.
    pub head_grace: Duration,
    /// While draining: from GOAWAY, or from the end of the last stream if that is later, to the
    /// peer's consent. 1 s, for the same reason.
    pub goaway_grace: Duration,
    /// At force: what resets of HTTP/2 streams may take to reach the kernel. 50 ms.
    pub flush_grace: Duration,
    /// While draining: over how much of it handlers and HTTP/2 peers are told, each connection at a
    /// place of its own. Zero, the default: all at once.
    pub drain_spread: Duration,
    /// While nobody stops the server: when it has lived long enough. Off by default.
    pub retirement: Retirement,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            head_timeout: Some(Duration::from_secs(10)),
            silent_grace: Duration::from_millis(100),
            head_grace: Duration::from_secs(1),
            goaway_grace: Duration::from_secs(1),
            flush_grace: Duration::from_millis(50),
            drain_spread: Duration::ZERO,
            retirement: Retirement::default(),
        }
    }
}
