//! When a connection has lived long enough (floor 0).
//!
//! Long-lived connections pin clients to one server of many; one that retires lets its client find
//! another, and loses nothing: it is told like at a stop, and closes after its last answer.
//!
//! **Invariant:** nothing retires unless a limit is set.

use core::time::Duration;

/// How long a connection may live and how many requests it may carry, while nobody stops the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Retirement {
    /// From accept; `None`, the default, is no limit. Each connection has its own, up to a tenth
    /// shorter or longer, so that those accepted together do not all leave together.
    pub max_age: Option<Duration>,
    /// How many requests it begins; `None`, the default, is no limit. What has come when the peer
    /// hears of it is served as well.
    pub max_requests: Option<u64>,
    /// From either of the two to the cut of what is still in flight; `None`, the default, waits for
    /// work as long as it takes.
    pub grace: Option<Duration>,
}
