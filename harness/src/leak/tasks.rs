//! Tasks that are left in the runtime of a server, and where they may have come from.
//!
//! tokio says how many tasks live, and nothing of each, but for builds with `--cfg tokio_unstable`,
//! where it says where each was spawned. Without, whoever was being polled when the number went up is
//! noted: exact in a runtime of one thread, where nobody else can have been at work.
//!
//! **Invariant:** where more than one thread works, nobody is noted, rather than the wrong one.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Builder, Handle, RuntimeFlavor};

use super::Leak;
#[cfg(tokio_unstable)]
use super::spawned::Spawned;

/// How many different origins are kept apart; a test that is after a leak has few.
const ORIGINS: usize = 16;

/// Which tasks of the runtime are the server's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Count {
    /// All of them.
    All,
    /// Nobody can say which.
    Nothing,
}

/// The tasks of one server.
#[derive(Debug)]
pub(super) struct Tasks {
    count: Count,
    notes: Notes,
    #[cfg(tokio_unstable)]
    spawned: Spawned,
}

impl Tasks {
    pub(super) fn new(count: Count) -> Self {
        Self {
            count,
            notes: Notes::default(),
            #[cfg(tokio_unstable)]
            spawned: Spawned::default(),
        }
    }

    /// Whether they live in a runtime that is not the server's own.
    pub(super) const fn share_a_runtime(&self) -> bool {
        matches!(self.count, Count::Nothing)
    }

    pub(super) fn notes(&self) -> Notes {
        self.notes.clone()
    }

    #[cfg(tokio_unstable)]
    pub(super) fn observe(&self, builder: &mut Builder) {
        self.spawned.observe(builder);
    }

    #[cfg(not(tokio_unstable))]
    #[expect(clippy::unused_self, reason = "tokio has nothing to watch tasks with")]
    pub(super) const fn observe(&self, _: &mut Builder) {}

    /// What is left in the current runtime, which drives the caller outside of any task.
    pub(super) fn left(&self) -> Option<Leak> {
        let left = match self.count {
            Count::All => Handle::current().metrics().num_alive_tasks(),
            Count::Nothing => 0,
        };
        (left > 0).then(|| Leak::Tasks {
            left,
            origin: self.origin(),
        })
    }

    #[cfg(tokio_unstable)]
    fn origin(&self) -> String {
        self.spawned.origin() + &self.notes.origin()
    }

    #[cfg(not(tokio_unstable))]
    fn origin(&self) -> String {
        self.notes.origin()
    }
}

/// Who was being polled when tasks came up. Clones are the same notes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    origins: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Notes {
    /// Does `work`, and notes it under this name if tasks came up meanwhile.
    pub(super) fn during<T>(&self, name: impl FnOnce() -> String, work: impl FnOnce() -> T) -> T {
        let Some(handle) = alone() else {
            return work();
        };
        let before = handle.metrics().num_alive_tasks();
        let done = work();
        let more = handle.metrics().num_alive_tasks().saturating_sub(before);
        if more > 0 {
            let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
            let name = name();
            let name = if origins.len() < ORIGINS || origins.contains_key(&name) {
                name
            } else {
                String::from("others")
            };
            *origins.entry(name).or_default() += more;
        }
        done
    }

    fn origin(&self) -> String {
        let origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        let mut said = String::new();
        for (index, (name, tasks)) in origins.iter().enumerate() {
            let before = if index == 0 {
                "; tasks were spawned while: "
            } else {
                ", "
            };
            // Writing to a string never fails.
            let _written = write!(said, "{before}{name} ({tasks})");
        }
        said
    }
}

/// The current runtime, if this thread is all that works in it.
fn alone() -> Option<Handle> {
    let handle = Handle::try_current().ok()?;
    (handle.runtime_flavor() == RuntimeFlavor::CurrentThread).then_some(handle)
}
