//! Where each task of a runtime was spawned, for builds with `--cfg tokio_unstable`.
//!
//! **Invariant:** a task is known from before its first poll until after its last one.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Builder;

/// The tasks that live. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Spawned {
    alive: Arc<Mutex<BTreeMap<String, &'static Location<'static>>>>,
}

impl Spawned {
    pub(super) fn observe(&self, builder: &mut Builder) {
        let (come, go) = (self.clone(), self.clone());
        builder.on_task_spawn(move |task| {
            let mut alive = come.alive.lock().unwrap_or_else(PoisonError::into_inner);
            alive.insert(task.id().to_string(), task.spawned_at());
        });
        builder.on_task_terminate(move |task| {
            let mut alive = go.alive.lock().unwrap_or_else(PoisonError::into_inner);
            alive.remove(&task.id().to_string());
        });
    }

    /// How many were spawned where.
    pub(super) fn origin(&self) -> String {
        let alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for place in alive.values() {
            *places.entry(place.to_string()).or_default() += 1;
        }
        let mut said = String::new();
        for (index, (place, tasks)) in places.iter().enumerate() {
            let before = if index == 0 { ", spawned at " } else { ", " };
            // Writing to a string never fails.
            let _written = write!(said, "{before}{place} ({tasks})");
        }
        said
    }
}
