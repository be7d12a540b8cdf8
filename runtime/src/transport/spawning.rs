//! What the task is for that hyper spawns next on this thread (floor 2).
//!
//! hyper spawns what it likes, and says nothing about it. But it does so in the very call that hands out
//! a request, or in the very poll that hands over the head of a tunnel: whoever knows what is special
//! about that task leaves word here.
//!
//! **Invariant:** nothing waits here when the call or poll is over that it was left in.

use std::cell::Cell;
use std::sync::Arc;

use super::in_flight::Exchange;
use super::stalled::Stall;

/// What is special about a task.
pub(super) enum Purpose {
    /// It carries the bytes of this tunnel.
    Tunnel(Arc<Exchange>),
    /// Its answer is one of infrastructure, and ends only with the server.
    Endless(Stall),
}

thread_local! {
    static NEXT: Cell<Option<Purpose>> = const { Cell::new(None) };
}

/// The next task is for this, if one is spawned.
pub(super) fn announce(purpose: Purpose) {
    drop(NEXT.replace(Some(purpose)));
}

/// What a task spawned now is for, if anything is special about it.
#[inline]
pub(super) fn take() -> Option<Purpose> {
    NEXT.take()
}
