//! One readiness check: a named question that a component answers in time, or is down (floor 2).
//!
//! **Invariant:** an error, a panic and silence are all one thing: down.
//! **Invariant:** whoever is asked is asked by one at a time, and the others share the answer, even one
//! that is not kept: however many ask, nobody waits for more than two.
//! **Invariant:** however often its answer changes, and whoever asks, it is told of once a second at most.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use lamplighter_lifecycle::Instant;

use super::lock;
use crate::os::clock::Clock;
use crate::os::log;
use crate::os::tasks::panic_message;
use crate::transport::BoxError;

/// The default of a kubelet's probe: an answer that comes later than that is not waited for there
/// either.
const TIMEOUT: Duration = Duration::from_secs(1);

/// As often as a kubelet can ask. However many ask, what is behind the check is asked once a second.
const CACHE: Duration = Duration::from_secs(1);

/// So long the log says nothing more of a check that changes its mind.
const BETWEEN_LINES: Duration = Duration::from_secs(1);

/// Whoever watches is told of a check that is never kept for longer as often as this.
#[cfg(feature = "grpc")]
const LEAST_RENEWAL: Duration = Duration::from_secs(1);

type Question =
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>> + Send + Sync;

/// A named question that a component of the server answers: ready, or not.
pub struct Check {
    name: Arc<str>,
    question: Box<Question>,
    timeout: Duration,
    cache: Duration,
    latest: Mutex<Option<Latest>>,
    told: Mutex<Told>,
    turn: tokio::sync::Mutex<()>,
    /// How often it was asked.
    asked: AtomicU64,
}

/// What a check has said last.
#[derive(Clone)]
pub(super) struct Latest {
    /// Which question that answered, of all that were asked.
    number: u64,
    pub(super) at: Instant,
    pub(super) took: Duration,
    pub(super) answer: Result<(), Arc<str>>,
}

/// What the log has said of a check last.
#[derive(Default)]
struct Told {
    red: bool,
    at: Option<Instant>,
}

impl Check {
    /// A check that is green when `question` returns `Ok`.
    ///
    /// An error, a panic and a timeout count as red. The closure is called once per round of a
    /// start, and later when somebody wants to know whether the server is ready and the last answer
    /// is too old; its future is dropped where nobody waits for the answer any more.
    pub fn new<F, Fut, E>(name: impl Into<String>, question: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let name: String = name.into();
        Self {
            name: name.into(),
            question: Box::new(move || {
                let answer = question();
                Box::pin(async move { answer.await.map_err(Into::into) })
            }),
            timeout: TIMEOUT,
            cache: CACHE,
            latest: Mutex::default(),
            told: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            asked: AtomicU64::default(),
        }
    }

    /// How long it may take: 1 s unless told, as a kubelet's probe.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// For how long an answer is good enough for those who ask next: 1 s unless told, so that what
    /// is behind the check is not asked by every probe. Zero asks every time; those who ask while it is
    /// being asked then wait for one answer to a question that was put after theirs. A start always
    /// asks.
    #[must_use]
    pub const fn cache_for(mut self, cache: Duration) -> Self {
        self.cache = cache;
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What it has said last; `None` if it was never asked.
    pub(super) fn latest(&self) -> Option<Latest> {
        lock(&self.latest).clone()
    }

    /// Whether its last answer was not yes.
    pub(super) fn is_down(&self) -> bool {
        let latest = lock(&self.latest);
        latest.as_ref().is_some_and(|latest| latest.answer.is_err())
    }

    /// Asks, unless the last answer is fresh enough; whether it says something else than before.
    pub(super) async fn ask(&self, clock: &Clock) -> bool {
        let before_mine = self.asked.load(Ordering::Acquire);
        let _turn = self.turn.lock().await;
        let fresh = |latest: &Latest| {
            // Put by another one while this one waited for its turn.
            latest.number > before_mine || clock.now() < latest.at + self.cache
        };
        if lock(&self.latest).as_ref().is_some_and(fresh) {
            return false;
        }
        let before = self.is_down();
        self.run(clock).await.is_err() != before
    }

    /// Logs that it has turned red while the server was ready, and why, or green again.
    pub(super) fn tell(&self, now: Instant) {
        let answer = {
            let mut told = lock(&self.told);
            // In here: what is told is what was the latest, in that order.
            let Some(Latest { answer, .. }) = self.latest() else {
                return;
            };
            let early = told.at.is_some_and(|at| now < at + BETWEEN_LINES);
            if told.red == answer.is_err() || early {
                return;
            }
            told.red = answer.is_err();
            told.at = Some(now);
            answer
        };
        let name = self.name();
        match answer {
            Ok(()) => {
                log::info!(target: "lamplighter::health", "check {name} is green again");
            }
            Err(error) => {
                log::warn!(target: "lamplighter::health", "not ready any more: check {name} is red: {error}");
            }
        }
    }

    /// When its last answer will be too old for those who watch.
    #[cfg(feature = "grpc")]
    pub(super) fn renew_at(&self, now: Instant) -> Instant {
        let interval = self.cache.max(LEAST_RENEWAL);
        let latest = lock(&self.latest);
        latest.as_ref().map_or(now, |latest| latest.at) + interval
    }

    /// Asks once.
    pub(super) async fn run(&self, clock: &Clock) -> Result<(), Arc<str>> {
        let number = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let began = clock.now();
        let deadline = began + self.timeout;
        // The closure itself may panic as well as its future.
        let answer = async { (self.question)().await };
        let answer = AssertUnwindSafe(answer).catch_unwind();
        let answer: Result<(), Arc<str>> = tokio::select! {
            biased;
            answer = answer => match answer {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(error.to_string().into()),
                Err(payload) => {
                    Err(format!("panicked: {}", panic_message(payload.as_ref())).into())
                }
            },
            () = clock.sleep_until(deadline) => {
                Err(format!("no answer within {:?}", self.timeout).into())
            }
        };
        let at = clock.now();
        *lock(&self.latest) = Some(Latest {
            number,
            at,
            took: at.since(began),
            answer: answer.clone(),
        });
        answer
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .field("cache_for", &self.cache)
            .finish_non_exhaustive()
    }
}
