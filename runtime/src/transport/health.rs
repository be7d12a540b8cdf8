//! The health of one server: its lifecycle's gate, its components, and its checks (floor 2).
//!
//! **Invariant:** nothing global: two servers of one process know nothing of each other.
//! **Invariant:** readiness is set by the lifecycle alone; nothing that a user sets can turn on what
//! the lifecycle has turned off.

mod check;
#[cfg(feature = "grpc")]
pub(super) mod grpc;
pub(super) mod http;
#[cfg(feature = "grpc")]
mod messages;
mod round;
#[cfg(feature = "grpc")]
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use lamplighter_lifecycle::{Instant, Readiness};

pub use check::Check;
#[cfg(feature = "grpc")]
pub(super) use messages::descriptor_set;
pub(crate) use round::Answers;

use crate::os::clock::Clock;
use crate::os::log;
use crate::os::tasks::let_go;
use crate::os::watch as changes;

/// Whether something should get traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServingStatus {
    /// It should.
    Serving,
    /// It should not.
    NotServing,
}

impl ServingStatus {
    /// The name that gRPC's health protocol gives it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "SERVING",
            Self::NotServing => "NOT_SERVING",
        }
    }

    const fn of(serving: bool) -> Self {
        if serving {
            Self::Serving
        } else {
            Self::NotServing
        }
    }
}

impl fmt::Display for ServingStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The health of one server: what its health endpoints answer with. A clone is the same health.
///
/// The server as a whole is serving while its lifecycle says that it is ready, no component is set to
/// [`NotServing`](ServingStatus::NotServing), and every [`Check`] said yes when it was last asked.
/// The lifecycle's part needs no help: readiness goes on at Ready and off at the cause of a stop.
#[derive(Clone)]
pub struct Health {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Clock,
    ready: AtomicBool,
    components: Mutex<BTreeMap<Arc<str>, ServingStatus>>,
    checks: Mutex<Vec<Arc<Check>>>,
    /// Counts everything that may change an answer, for those who wait for it.
    changes: changes::Sender<u64>,
}

impl Health {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            inner: Arc::new(Inner {
                clock,
                ready: AtomicBool::new(false),
                components: Mutex::default(),
                checks: Mutex::default(),
                changes: changes::Sender::new(0),
            }),
        }
    }

    /// Adds a readiness check. The server becomes ready only after one round in which every check
    /// was green; one that is added after that has no part in it, but in every answer from then on.
    pub fn check(&self, check: Check) {
        lock(&self.inner.checks).push(Arc::new(check));
        self.changed();
    }

    /// Sets the status of a component, and makes it known if it was not: a gRPC service by its full
    /// name, such as `"orders.v1.Orders"`, or anything else that can be down.
    ///
    /// One that is not serving makes the server as a whole not serving; whoever watches is told at
    /// once. The empty name stands for the server itself, and can only add to what the lifecycle
    /// says: it cannot make a server ready that is not.
    pub fn set(&self, component: impl Into<String>, status: ServingStatus) {
        let component: Arc<str> = component.into().into();
        let before = lock(&self.inner.components).insert(Arc::clone(&component), status);
        if before == Some(status) {
            return;
        }
        self.changed();
        if self.is_ready() {
            tell(&component, status);
        }
    }

    /// Forgets a component: it has no part in the answers any more, and questions for it are
    /// questions for something unknown. Without effect if it is not known.
    pub fn remove(&self, component: &str) {
        if lock(&self.inner.components).remove(component).is_some() {
            self.changed();
        }
    }

    /// Makes a component known as serving, unless something was said about it already.
    #[cfg(feature = "grpc")]
    pub(super) fn introduce(&self, component: String) {
        let mut components = lock(&self.inner.components);
        let component = component.into();
        components
            .entry(component)
            .or_insert(ServingStatus::Serving);
    }

    /// Whether the server as a whole is serving, as far as is known: checks are not asked by this,
    /// they count as what they said last.
    #[must_use]
    pub fn status(&self) -> ServingStatus {
        let components = lock(&self.inner.components);
        let serving = self.is_ready()
            && components
                .values()
                .all(|status| *status == ServingStatus::Serving)
            && self.checks().iter().all(|check| !check.is_down());
        ServingStatus::of(serving)
    }

    /// Whether a component is serving; `None` if it is not known. While the server is not ready, none
    /// of its components is serving.
    #[must_use]
    pub fn status_of(&self, component: &str) -> Option<ServingStatus> {
        if component.is_empty() {
            return Some(self.status());
        }
        let status = lock(&self.inner.components).get(component).copied()?;
        let serving = self.is_ready() && status == ServingStatus::Serving;
        Some(ServingStatus::of(serving))
    }

    /// Whether the lifecycle lets the server get traffic: it became ready, and no stop has begun, or
    /// one whose plan holds readiness is in its lame duck. Components and checks have no part in it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.inner.ready.load(Ordering::Acquire)
    }

    pub(crate) fn set_readiness(&self, readiness: Readiness) {
        let ready = readiness == Readiness::Ready;
        if self.inner.ready.swap(ready, Ordering::AcqRel) == ready {
            return;
        }
        self.changed();
        if ready {
            let components = lock(&self.inner.components).clone();
            let down = components
                .iter()
                .filter(|(_, status)| **status == ServingStatus::NotServing);
            down.for_each(|(component, status)| tell(component, *status));
        }
    }

    /// Asks every check whose last answer is too old, side by side, and gives the status of the
    /// server as a whole. A server that is not ready asks nobody, and one that ceases to be ready
    /// waits for nobody.
    pub(super) async fn assess(&self) -> ServingStatus {
        let checks = self.checks();
        if self.is_ready() && !checks.is_empty() {
            let asked = join_all(checks.iter().map(async |check| {
                if check.ask(&self.inner.clock).await {
                    self.changed();
                }
                if self.is_ready() {
                    check.tell(self.inner.clock.now());
                }
            }));
            tokio::select! {
                biased;
                () = self.not_ready() => {}
                _ = asked => {}
            }
        }
        self.status()
    }

    /// Resolves when the server is not ready.
    async fn not_ready(&self) {
        let mut changes = self.changes();
        // An error would mean that this health is gone.
        while self.is_ready() && changes.changed().await.is_ok() {}
    }

    /// When the answers of the checks are to be renewed for those who watch; `None` while nobody is
    /// asked anyway.
    #[cfg(feature = "grpc")]
    fn renew_at(&self) -> Option<Instant> {
        if !self.is_ready() {
            return None;
        }
        let now = self.inner.clock.now();
        let checks = self.checks();
        checks.iter().map(|check| check.renew_at(now)).min()
    }

    /// Is told of everything that may change an answer.
    fn changes(&self) -> changes::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    fn changed(&self) {
        self.inner.changes.send_modify(|count| *count += 1);
    }

    /// Every component that is known, with what is answered for it.
    fn components(&self) -> Vec<(Arc<str>, ServingStatus)> {
        let ready = self.is_ready();
        let components = lock(&self.inner.components);
        let named = components.iter().filter(|(name, _)| !name.is_empty());
        let status = |status| ServingStatus::of(ready && status == ServingStatus::Serving);
        named
            .map(|(name, own)| (Arc::clone(name), status(*own)))
            .collect()
    }

    /// For how long the server has been there, from its start on.
    fn uptime(&self) -> Duration {
        self.inner.clock.now().since(Instant::ZERO)
    }

    /// Lets go of the checks, and of what they captured.
    pub(crate) fn clear(&self) {
        let checks = std::mem::take(&mut *lock(&self.inner.checks));
        checks.into_iter().for_each(let_go);
    }

    fn checks(&self) -> Vec<Arc<Check>> {
        lock(&self.inner.checks).clone()
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("ready", &self.is_ready())
            .field("components", &*lock(&self.inner.components))
            .field("checks", &self.checks())
            .finish_non_exhaustive()
    }
}

/// Logs what a component is set to while the lifecycle has no part in the answers.
fn tell(component: &str, status: ServingStatus) {
    let component = if component.is_empty() {
        "the server"
    } else {
        component
    };
    log::info!(target: "lamplighter::health", "{component} is set to {status}");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
