//! One connection's turn in a drain that is spread (floor 2).
//!
//! **Invariant:** a turn that has come stays come.
//! **Invariant:** a connection that is gone holds nobody back: whatever of it lives on, such as a task
//! that a handler left behind, hears of a drain when the server says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// What holds back the word that the server drains, for whoever works for one connection.
#[derive(Clone)]
pub(super) struct Turn(Arc<Inner>);

struct Inner {
    come: AtomicBool,
    changed: Notify,
}

impl Turn {
    /// A turn that has not come, and whoever lets it come.
    pub(super) fn new() -> (TurnHolder, Self) {
        let turn = Self(Arc::new(Inner {
            come: AtomicBool::new(false),
            changed: Notify::new(),
        }));
        (TurnHolder(turn.clone()), turn)
    }

    pub(super) fn has_come(&self) -> bool {
        self.0.come.load(Ordering::Acquire)
    }

    /// Resolves when it next comes; listens from the call on.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.0.changed.notified()
    }
}

/// Lets a turn come: when asked to, and at the latest when it is dropped.
pub(super) struct TurnHolder(Turn);

impl TurnHolder {
    pub(super) fn come(&self) {
        if !self.0.0.come.swap(true, Ordering::AcqRel) {
            self.0.0.changed.notify_waiters();
        }
    }
}

impl Drop for TurnHolder {
    fn drop(&mut self) {
        self.come();
    }
}
