//! The tasks of a client that a library wants to spawn.
//!
//! **Invariant:** when the nursery is dropped, they are.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::task::JoinSet;

/// Owns the tasks.
#[derive(Debug, Default)]
pub(super) struct Nursery(Arc<Mutex<JoinSet<()>>>);

/// Spawns into a nursery; does nothing once that is dropped. The tasks have clones of it themselves,
/// so it must not keep them.
#[derive(Clone, Debug)]
pub(super) struct Spawner(Weak<Mutex<JoinSet<()>>>);

impl Nursery {
    pub(super) fn spawner(&self) -> Spawner {
        Spawner(Arc::downgrade(&self.0))
    }

    /// Waits until all tasks have ended.
    pub(super) async fn ended(&self) {
        std::future::poll_fn(|cx| {
            let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(_ended) = std::task::ready!(tasks.poll_join_next(cx)) {}
            std::task::Poll::Ready(())
        })
        .await;
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Spawner {
    fn execute(&self, task: F) {
        if let Some(tasks) = self.0.upgrade() {
            let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.spawn(task);
        }
    }
}
