//! Workers: background tasks of the user that count as work in flight (floor 3).
//!
//! **Invariant:** nothing here knows when a worker starts or ends: that is the core's.

use std::future::Future;
use std::pin::Pin;

use lamplighter_lifecycle::{WorkerEnd, WorkerId};

use super::hook::{HookResult, chain};
use crate::transport::{BoxError, ShutdownSignal};

pub(crate) type WorkerFuture = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// The code of a worker, until it is started.
pub(crate) type WorkerRun = Box<dyn FnOnce(ShutdownSignal) -> WorkerFuture + Send>;

pub(crate) fn worker_run<F, Fut, R>(worker: F) -> WorkerRun
where
    F: FnOnce(ShutdownSignal) -> Fut + Send + 'static,
    Fut: Future<Output = R> + Send + 'static,
    R: HookResult,
{
    // Called inside the future, so that a panic of the closure itself is the worker's own.
    Box::new(|signal| Box::pin(async move { worker(signal).await.into_result() }))
}

/// What the core is told of a worker that returned.
pub(crate) fn worker_end(result: Result<(), BoxError>) -> WorkerEnd {
    match result {
        Ok(()) => WorkerEnd::Ok,
        Err(error) => WorkerEnd::Failed(chain(error.as_ref())),
    }
}

/// The code of every worker that has not been started, by its number.
#[derive(Default)]
pub(crate) struct Waiting {
    runs: Vec<Option<WorkerRun>>,
}

impl Waiting {
    pub(crate) fn put(&mut self, worker: WorkerId, run: WorkerRun) {
        let place = worker.number() as usize;
        if self.runs.len() <= place {
            self.runs.resize_with(place + 1, || None);
        }
        if let Some(slot) = self.runs.get_mut(place) {
            *slot = Some(run);
        }
    }

    pub(crate) fn take(&mut self, worker: WorkerId) -> Option<WorkerRun> {
        self.runs.get_mut(worker.number() as usize)?.take()
    }

    pub(crate) fn take_all(&mut self) -> Vec<Option<WorkerRun>> {
        std::mem::take(&mut self.runs)
    }
}
