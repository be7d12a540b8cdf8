//! Callbacks: told of the five occurrences, in order of registration (floor 3).
//!
//! **Invariant:** a callback runs without any lock of the server held, so that it may use every
//! method of its handle. **Invariant:** a callback that panics changes nothing but the report.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use lamplighter_lifecycle::{Announcement, Cause};

use super::error::ServerError;
use super::report::Report;
use super::running::Ready;
use crate::os::tasks::{let_go, panic_message};

type OnStart = Box<dyn FnMut() + Send>;
type OnReady = Box<dyn FnMut(&Ready) + Send>;
type OnStopping = Box<dyn FnMut(&Cause) + Send>;
type OnStop = Box<dyn FnMut(&Report) + Send>;
type OnError = Box<dyn FnMut(&ServerError) + Send>;

/// The callbacks of one server.
#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) start: Listed<OnStart>,
    pub(crate) ready: Listed<OnReady>,
    pub(crate) stopping: Listed<OnStopping>,
    pub(crate) stop: Listed<OnStop>,
    pub(crate) error: Listed<OnError>,
}

impl Callbacks {
    /// Whether this is to be told to anybody.
    pub(crate) fn listen(&self, announcement: &Announcement) -> bool {
        let nobody = match announcement {
            Announcement::Start => self.start.is_empty(),
            Announcement::Ready => self.ready.is_empty(),
            Announcement::Stopping => self.stopping.is_empty(),
            Announcement::Error(_) => self.error.is_empty(),
            Announcement::Stop => self.stop.is_empty(),
        };
        !nobody
    }

    /// Drops every callback; what they captured may keep a server's own handle alive.
    pub(crate) fn clear(&self) {
        self.start.clear();
        self.ready.clear();
        self.stopping.clear();
        self.stop.clear();
        self.error.clear();
    }
}

impl std::fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callbacks").finish_non_exhaustive()
    }
}

/// The callbacks of one occurrence.
pub(crate) struct Listed<F> {
    callbacks: Mutex<Vec<F>>,
}

impl<F> Default for Listed<F> {
    fn default() -> Self {
        Self {
            callbacks: Mutex::default(),
        }
    }
}

impl<F> Listed<F> {
    pub(crate) fn push(&self, callback: F) {
        self.lock().push(callback);
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn clear(&self) {
        // Dropped without the lock: what a callback captured may have a say in its own drop.
        let callbacks = std::mem::take(&mut *self.lock());
        callbacks.into_iter().for_each(let_go);
    }

    /// Runs every callback that is registered by now; gives back the messages of those that
    /// panicked. One that registers another does so for the next occurrence.
    pub(crate) fn run(&self, mut call: impl FnMut(&mut F)) -> Vec<Arc<str>> {
        let mut callbacks = std::mem::take(&mut *self.lock());
        let mut panics = Vec::new();
        for callback in &mut callbacks {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| call(callback))) {
                panics.push(panic_message(payload.as_ref()).into());
            }
        }
        let mut known = self.lock();
        callbacks.append(&mut known);
        *known = callbacks;
        panics
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<F>> {
        self.callbacks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of the callback that an announcement goes to.
pub(crate) const fn callback_name(announcement: &Announcement) -> &'static str {
    match announcement {
        Announcement::Start => "on_start",
        Announcement::Ready => "on_ready",
        Announcement::Stopping => "on_stopping",
        Announcement::Error(_) => "on_error",
        Announcement::Stop => "on_stop",
    }
}
