//! A gate: holds handlers, hooks and workers at an exact moment of a test.
//!
//! **Invariant:** whoever is dropped while it waits leaves the gate; nothing passes twice on one
//! release.

use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::sync::watch;

use crate::patience::{PATIENCE, bounded, fail};

/// Holds whoever comes by until it is told to let go. A clone is the same gate.
///
/// ```
/// # use lamplighter_harness::Gate;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let gate = Gate::new();
/// let inside = gate.clone();
/// let handler = tokio::spawn(async move { inside.pass().await });
/// gate.reached(1).await; // the handler is exactly there now
/// gate.open();
/// handler.await.unwrap();
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Gate {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: watch::Sender<State>,
    /// For threads, which cannot await the state.
    lock: Mutex<()>,
    bell: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// How many have come by so far.
    arrived: usize,
    /// How many are held.
    waiting: usize,
    /// How many more may pass while it is closed.
    passes: usize,
    open: bool,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                state: watch::Sender::new(State::default()),
                lock: Mutex::default(),
                bell: Condvar::new(),
            }),
        }
    }

    /// Waits here until the gate lets go.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the gate, as a handler does whose connection is cut.
    pub async fn pass(&self) {
        let mut changes = self.inner.state.subscribe();
        let _held = Held::at(self);
        // An error would mean that the gate is gone, and `self` is it.
        drop(
            changes
                .wait_for(|state| state.open || state.passes > 0)
                .await,
        );
        while !self.take() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits here until the gate lets go, and blocks the thread meanwhile.
    ///
    /// # Panics
    ///
    /// After three times [`PATIENCE`](crate::PATIENCE): the test that held it is over by then, and
    /// its runtime waits for this thread.
    #[track_caller]
    pub fn pass_blocking(&self) {
        let here = Location::caller();
        let limit = PATIENCE * 3;
        let _held = Held::at(self);
        let lock = self.inner.lock.lock();
        let lock = lock.unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .inner
            .bell
            .wait_timeout_while(lock, limit, |()| !self.take());
        let timed_out = waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
        if timed_out {
            fail(here, &format!("nobody opened the gate for {limit:?}"));
        }
    }

    /// Lets everybody pass from now on.
    pub fn open(&self) {
        self.change(|state| state.open = true);
    }

    /// Lets one pass: who waits, or the next to come.
    pub fn release(&self) {
        self.change(|state| state.passes += 1);
    }

    /// How many are held right now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inner.state.borrow().waiting
    }

    /// How many have come by so far, held or not.
    #[must_use]
    pub fn arrived(&self) -> usize {
        self.inner.state.borrow().arrived
    }

    /// Resolves once `count` have come by, counted from the first use of the gate.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE), saying how many have.
    #[track_caller]
    pub fn reached(&self, count: usize) -> impl Future<Output = ()> + use<> {
        self.until(format!("{count} to reach the gate"), move |state| {
            state.arrived >= count
        })
    }

    /// Resolves once nobody is held: all have passed, or were dropped.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`](crate::PATIENCE), saying how many are.
    #[track_caller]
    pub fn empty(&self) -> impl Future<Output = ()> + use<> {
        self.until(String::from("the gate to be empty"), |state| {
            state.waiting == 0
        })
    }

    #[track_caller]
    fn until<F>(&self, what: String, holds: F) -> impl Future<Output = ()> + use<F>
    where
        F: Fn(&State) -> bool,
    {
        let here = Location::caller();
        let gate = self.clone();
        async move {
            let mut changes = gate.inner.state.subscribe();
            let wait = async { drop(changes.wait_for(|state| holds(state)).await) };
            if bounded(PATIENCE, wait).await.is_none() {
                let State {
                    arrived, waiting, ..
                } = *gate.inner.state.borrow();
                let seen = format!("{arrived} came by, {waiting} are held");
                fail(here, &format!("waited {PATIENCE:?} for {what}; {seen}"));
            }
        }
    }

    /// Takes leave to pass, if there is any.
    fn take(&self) -> bool {
        let mut may = false;
        self.inner.state.send_if_modified(|state| {
            may = state.open || state.passes > 0;
            if !state.open {
                state.passes = state.passes.saturating_sub(1);
            }
            false
        });
        may
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let lock = self
            .inner
            .lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.inner.state.send_modify(change);
        drop(lock);
        self.inner.bell.notify_all();
    }
}

/// Somebody who is at the gate.
struct Held<'a>(&'a Gate);

impl<'a> Held<'a> {
    fn at(gate: &'a Gate) -> Self {
        gate.inner.state.send_modify(|state| {
            state.arrived += 1;
            state.waiting += 1;
        });
        Self(gate)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.inner.state.send_modify(|state| state.waiting -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_release_lets_exactly_one_pass() {
        let gate = Gate::new();
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let gate = gate.clone();
                tokio::spawn(async move { gate.pass().await })
            })
            .collect();
        gate.reached(3).await;
        gate.release();
        let (first, _, rest) = futures_util::future::select_all(tasks).await;
        first.unwrap();
        assert_eq!((gate.waiting(), rest.len()), (2, 2));
        gate.open();
        for task in rest {
            task.await.unwrap();
        }
        assert_eq!((gate.arrived(), gate.waiting()), (3, 0));
    }

    #[tokio::test]
    async fn whoever_is_dropped_leaves_the_gate() {
        let gate = Gate::new();
        let inside = gate.clone();
        let task = tokio::spawn(async move { inside.pass().await });
        gate.reached(1).await;
        task.abort();
        gate.empty().await;
        assert_eq!(gate.arrived(), 1);
    }

    #[tokio::test]
    async fn a_thread_is_held_and_let_go() {
        let gate = Gate::new();
        let inside = gate.clone();
        let thread = std::thread::spawn(move || inside.pass_blocking());
        gate.reached(1).await;
        assert!(!thread.is_finished());
        gate.release();
        gate.empty().await;
        thread.join().unwrap();
    }
}
