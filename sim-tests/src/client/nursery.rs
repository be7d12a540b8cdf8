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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hyper::rt::Executor;
    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    /// On a clock that stands still: until nobody has anything to do.
    const PATIENCE: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn tasks_go_with_their_nursery_and_none_begins_after_it() {
        let nursery = Nursery::default();
        let spawner = nursery.spawner();
        let task = |held: oneshot::Sender<()>| async move {
            std::future::pending::<()>().await;
            drop(held);
        };
        let (held, mut gone) = oneshot::channel::<()>();
        spawner.execute(task(held));
        tokio::task::yield_now().await;
        assert_eq!(gone.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        drop(nursery);
        assert!(timeout(PATIENCE, gone).await.unwrap().is_err());
        let (held, gone) = oneshot::channel();
        spawner.execute(task(held));
        assert!(timeout(PATIENCE, gone).await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_nursery_has_ended_when_its_tasks_have() {
        let nursery = Nursery::default();
        let (over, waits) = oneshot::channel::<()>();
        nursery.spawner().execute(async move {
            drop(waits.await);
        });
        let mut ended = std::pin::pin!(nursery.ended());
        let early =
            std::future::poll_fn(|cx| std::task::Poll::Ready(ended.as_mut().poll(cx))).await;
        assert!(early.is_pending());
        over.send(()).unwrap();
        timeout(PATIENCE, ended).await.unwrap();
    }
}
