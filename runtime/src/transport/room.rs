//! Room for connections: how many may be open at once, all listeners of a server together (floor 2).
//!
//! **Invariant:** who takes a seat gives it back when its connection is gone, however that went.
//! **Invariant:** without a limit nothing is counted.

use std::sync::Arc;

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The seats of one server.
#[derive(Debug)]
pub(super) struct Room {
    seats: Option<Arc<Semaphore>>,
    left: Notify,
}

/// A connection's place. Dropped, it is another one's.
#[derive(Debug)]
pub(super) struct Seat {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Seat {
    /// One more than there are: at the close of a listener nobody is left standing outside.
    pub(super) const fn extra() -> Self {
        Self { _permit: None }
    }
}

impl Room {
    pub(super) fn new(most: Option<usize>) -> Self {
        let seats = |most: usize| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self {
            seats: most.map(seats),
            left: Notify::new(),
        }
    }

    /// Resolves when a seat is free. It is not kept: listeners that nobody comes to must not hold
    /// the seats of those that are asked for.
    pub(super) async fn is_free(&self) {
        drop(self.take().await);
    }

    /// A seat, if one is free.
    pub(super) fn try_take(&self) -> Option<Seat> {
        let permit = match &self.seats {
            None => None,
            Some(seats) => Some(Arc::clone(seats).try_acquire_owned().ok()?),
        };
        Some(Seat { _permit: permit })
    }

    /// A seat, when one is free; first come, first served.
    pub(super) async fn take(&self) -> Seat {
        let permit = match &self.seats {
            None => None,
            // Never closed, so never refused.
            Some(seats) => Arc::clone(seats).acquire_owned().await.ok(),
        };
        Seat { _permit: permit }
    }

    /// Resolves when a connection has gone, counted from this call on.
    pub(super) fn has_left(&self) -> Notified<'_> {
        self.left.notified()
    }

    /// A connection has gone: its seat is given back, and so is its descriptor.
    pub(super) fn leave(&self) {
        self.left.notify_waiters();
    }
}
