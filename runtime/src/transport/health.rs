//! The health of one server: its lifecycle's gate, and the checks of its components (floor 2).
//!
//! **Invariant:** nothing global: two servers of one process know nothing of each other.
//! **Invariant:** readiness is set by the lifecycle alone.

mod check;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use lamplighter_lifecycle::Readiness;

pub use check::Check;

use crate::os::clock::Clock;

/// The health of one server. A clone is the same health.
#[derive(Clone, Debug, Default)]
pub struct Health {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ready: AtomicBool,
    checks: Mutex<Vec<Arc<Check>>>,
}

impl Health {
    /// Adds a readiness check. The server becomes ready only after one round in which every check
    /// was green; one that is added after that has no part in it.
    pub fn check(&self, check: Check) {
        self.lock().push(Arc::new(check));
    }

    /// Whether the server should get traffic: it became ready, and no stop has begun.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.inner.ready.load(Ordering::Acquire)
    }

    pub(crate) fn set(&self, readiness: Readiness) {
        let ready = readiness == Readiness::Ready;
        self.inner.ready.store(ready, Ordering::Release);
    }

    /// Runs every check once, side by side; gives back what is red and why.
    pub(crate) async fn round(&self, clock: &Clock) -> Result<(), Arc<str>> {
        let checks = self.lock().clone();
        let results = join_all(checks.iter().map(|check| check.run(clock))).await;
        let red: Vec<String> = checks
            .iter()
            .zip(results)
            .filter_map(|(check, result)| {
                let error = result.err()?;
                Some(format!("check {} is red: {error}", check.name()))
            })
            .collect();
        if red.is_empty() {
            Ok(())
        } else {
            Err(red.join("; ").into())
        }
    }

    /// Lets go of the checks, and of what they captured.
    pub(crate) fn clear(&self) {
        let checks = std::mem::take(&mut *self.lock());
        drop(checks);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Check>>> {
        let checks = self.inner.checks.lock();
        checks.unwrap_or_else(PoisonError::into_inner)
    }
}
