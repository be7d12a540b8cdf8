//! One value that many wait for, and who is woken first (floor 1).
//!
//! As tokio's `watch`, which wakes its waiters in an order drawn by lot: there, two tasks that wait for
//! the same thing go on in one order in one run and in the other in the next, and no simulation of
//! them can be repeated.
//!
//! **Invariant:** whoever waits is woken in the order in which the waits began.

use std::future::pending;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A value that nobody has seen yet, and the first to watch it.
pub(crate) fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}

/// Changes the value. Dropped, it wakes everybody who waits.
#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// Sees the value, and waits for it.
#[derive(Debug)]
pub(crate) struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The last change that it has seen.
    seen: u64,
}

/// The sender is gone, and nothing will change any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// The value as it is now, which nobody else can see or change while this is held.
#[derive(Debug)]
pub(crate) struct Seen<'a, T>(MutexGuard<'a, Value<T>>);

/// What both of them share; by itself it is for those who hold it together anyway.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    value: Mutex<Value<T>>,
    changed: Notify,
}

#[derive(Debug)]
struct Value<T> {
    now: T,
    changes: u64,
    gone: bool,
}

impl<T> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        let value = Value {
            now: value,
            changes: 0,
            gone: false,
        };
        Self {
            value: Mutex::new(value),
            changed: Notify::new(),
        }
    }

    /// Changes the value.
    pub(crate) fn send_modify(&self, change: impl FnOnce(&mut T)) {
        self.send_if_modified(|now| {
            change(now);
            true
        });
    }

    /// Resolves with the value once it is so, at once if it is.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn wait_for(&self, mut is_so: impl FnMut(&T) -> bool) -> Seen<'_, T> {
        let Ok(seen) = self.until(|value| is_so(&value.now)).await else {
            // Gone is a sender, and who waits here has none.
            return pending().await;
        };
        seen
    }

    fn send_if_modified(&self, change: impl FnOnce(&mut T) -> bool) -> bool {
        let mut value = self.lock();
        if !change(&mut value.now) {
            return false;
        }
        value.changes += 1;
        drop(value);
        self.changed.notify_waiters();
        true
    }

    async fn until(&self, mut is_so: impl FnMut(&Value<T>) -> bool) -> Result<Seen<'_, T>, Gone> {
        loop {
            // It listens from here on, before it looks: what changes in between ends the wait.
            let changed = self.changed.notified();
            {
                let value = self.lock();
                if is_so(&value) {
                    return Ok(Seen(value));
                }
                if value.gone {
                    return Err(Gone);
                }
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Value<T>> {
        // What runs under it looks at the value or replaces it, so a poisoned one is whole.
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Sender<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(Shared::new(value)))
    }

    /// Watches from now on: what was sent before is seen already.
    pub(crate) fn subscribe(&self) -> Receiver<T> {
        Receiver {
            seen: self.0.lock().changes,
            shared: Arc::clone(&self.0),
        }
    }

    /// The value as it is now.
    pub(crate) fn borrow(&self) -> Seen<'_, T> {
        Seen(self.0.lock())
    }

    /// Replaces the value, and gives back what it was.
    pub(crate) fn send_replace(&self, value: T) -> T {
        let mut value = value;
        self.send_modify(|now| std::mem::swap(now, &mut value));
        value
    }

    /// Changes the value.
    pub(crate) fn send_modify(&self, change: impl FnOnce(&mut T)) {
        self.0.send_modify(change);
    }

    /// Changes the value, if `change` says that it has.
    pub(crate) fn send_if_modified(&self, change: impl FnOnce(&mut T) -> bool) -> bool {
        self.0.send_if_modified(change)
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.lock().gone = true;
        self.0.changed.notify_waiters();
    }
}

impl<T> Receiver<T> {
    /// The value as it is now.
    pub(crate) fn borrow(&self) -> Seen<'_, T> {
        Seen(self.shared.lock())
    }

    /// The value as it is now; seen from here on.
    #[cfg(feature = "grpc")]
    pub(crate) fn borrow_and_update(&mut self) -> Seen<'_, T> {
        let value = self.shared.lock();
        self.seen = value.changes;
        Seen(value)
    }

    /// Resolves with the value once it is so, at once if it is; fails if it will never be.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn wait_for(
        &mut self,
        mut is_so: impl FnMut(&T) -> bool,
    ) -> Result<Seen<'_, T>, Gone> {
        self.until(|value, _| is_so(&value.now)).await
    }

    /// Resolves once there is a change that this one has not seen; fails if there will be none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn changed(&mut self) -> Result<(), Gone> {
        self.until(|value, seen| value.changes != seen).await?;
        Ok(())
    }

    async fn until(
        &mut self,
        mut is_so: impl FnMut(&Value<T>, u64) -> bool,
    ) -> Result<Seen<'_, T>, Gone> {
        let Self { shared, seen } = self;
        let until = shared.until(|value| {
            let so = is_so(value, *seen);
            *seen = value.changes;
            so
        });
        until.await
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            seen: self.seen,
        }
    }
}

impl<T> Deref for Seen<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.now
    }
}

#[cfg(test)]
mod tests;
