//! Threads of a server's runtime: its workers, and those that `spawn_blocking` takes.
//!
//! **Invariant:** a thread is counted from before its first work until after its last.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Builder;

/// How many threads of the runtime there are, without the one that drives it from outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Threads {
    alive: Arc<AtomicUsize>,
}

impl Threads {
    pub(super) fn observe(&self, builder: &mut Builder, begins: impl Fn() + Send + Sync + 'static) {
        let (come, go) = (Arc::clone(&self.alive), Arc::clone(&self.alive));
        builder.on_thread_start(move || {
            come.fetch_add(1, Ordering::SeqCst);
            begins();
        });
        builder.on_thread_stop(move || {
            go.fetch_sub(1, Ordering::SeqCst);
        });
    }

    /// How many are left. Once the runtime has been shut down, an idle one is not: those that are left
    /// are at work.
    pub(super) fn left(&self) -> usize {
        self.alive.load(Ordering::SeqCst)
    }
}
