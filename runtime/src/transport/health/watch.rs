//! Health over gRPC as a stream: what is answered now, and from then on every change (floor 2).
//!
//! **Invariant:** whoever reads slowly gets the latest status, not a queue of all there were.
//! **Invariant:** a stream never holds a drain: it says that nothing serves any more, and ends.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::Health;
use super::messages::{HealthCheckResponse, Status};
use crate::os::watch::Receiver;
use crate::transport::shutdown_signal::ShutdownSignal;

type Item = Result<HealthCheckResponse, tonic::Status>;

/// The answers to one `Watch`.
pub(super) struct Answers {
    answers: Pin<Box<dyn Stream<Item = Item> + Send>>,
}

impl Answers {
    pub(super) fn new(health: Health, signal: ShutdownSignal, component: String) -> Self {
        let changes = health.changes();
        let watching = Watching {
            health,
            signal,
            component,
            changes,
            told: None,
        };
        Self {
            answers: Box::pin(futures_util::stream::unfold(watching, Watching::next)),
        }
    }
}

impl Stream for Answers {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        self.answers.as_mut().poll_next(cx)
    }
}

/// What one watcher knows.
struct Watching {
    health: Health,
    signal: ShutdownSignal,
    component: String,
    changes: Receiver<u64>,
    told: Option<Status>,
}

impl Watching {
    /// Waits until there is something new to tell; `None` once the server drains and that was told.
    async fn next(mut self) -> Option<(Item, Self)> {
        loop {
            // Both are read before the status: what comes in between is seen in the next turn.
            drop(self.changes.borrow_and_update());
            let draining = self.signal.is_draining();
            let status = self.health.answer(&self.component).await;
            if self.told != Some(status) {
                self.told = Some(status);
                return Some((Ok(status.into()), self));
            }
            if draining {
                return None;
            }
            let mut renewal = self.health.inner.clock.timer();
            if self.component.is_empty() {
                renewal.set(self.health.renew_at());
            }
            tokio::select! {
                biased;
                // The health is held here, so there is always somebody to tell of a change.
                _ = self.changes.changed() => {}
                () = self.signal.draining() => {}
                () = renewal => {}
            }
        }
    }
}
