//! What handlers, streams, hooks and workers see of a stop: please finish, then time is up
//! (floor 2).
//!
//! **Invariant:** whoever holds a [`ShutdownSignal`] can observe a stop and cannot cause one.
//! **Invariant:** it never falls back: draining stays draining, cancelled stays cancelled, and
//! cancelled implies draining.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lamplighter_lifecycle::{Cause, Directive, Instant};
use tokio::sync::Notify;

use super::scope::{self, ServerKey, ServerScope, current_signal};
use super::turn::Turn;
use crate::os::clock::Clock;

/// Observes how far a stop has come.
///
/// Two words: *draining* means "please finish", *cancelled* means "time is up". Handlers get it as
/// an axum extractor (feature `axum`) or from [`ShutdownSignal::current`], which also works in tonic
/// services, bare tower services, response bodies, hooks and workers. Purposefully without a method
/// that stops anything. Clones observe the same server.
///
/// Where a plan spreads its drain, the signal of a request says *draining* when the turn of its
/// connection has come; those of workers, hooks and handles say so at once. *Cancelled* is never
/// spread.
#[derive(Clone)]
pub struct ShutdownSignal {
    state: Arc<State>,
    turn: Option<Turn>,
}

struct State {
    level: AtomicU8,
    changed: Notify,
    facts: Mutex<Facts>,
    clock: Option<Clock>,
}

#[derive(Default)]
struct Facts {
    cause: Option<Cause>,
    deadline: Option<Instant>,
}

const DRAINING: u8 = 1;
const CANCELLED: u8 = 2;

impl ShutdownSignal {
    /// A signal that moves as its controller is directed, with times read from `clock`.
    pub(crate) fn new(clock: Clock) -> (ShutdownController, Self) {
        Self::with(Some(clock))
    }

    /// A signal moved by hand, for unit tests of handlers.
    ///
    /// It knows no deadline and no cause: [`remaining`](Self::remaining) and
    /// [`cause`](Self::cause) stay `None`.
    #[must_use]
    pub fn manual() -> (ShutdownController, Self) {
        Self::with(None)
    }

    fn with(clock: Option<Clock>) -> (ShutdownController, Self) {
        let signal = Self {
            state: Arc::new(State {
                level: AtomicU8::new(0),
                changed: Notify::new(),
                facts: Mutex::default(),
                clock,
            }),
            turn: None,
        };
        (ShutdownController(signal.clone()), signal)
    }

    /// The same signal, which does not say draining before `turn` has come.
    pub(super) fn in_turn(&self, turn: Turn) -> Self {
        Self {
            state: Arc::clone(&self.state),
            turn: Some(turn),
        }
    }

    /// The signal of the server that polls the caller: inside a request, a response body, a hook, a
    /// worker or a callback. `None` elsewhere, tasks spawned by them included.
    #[must_use]
    pub fn current() -> Option<Self> {
        current_signal()
    }

    /// Resolves once the server asks its work to finish; at once if it has done so already.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub async fn draining(&self) {
        self.state.reached(DRAINING).await;
        let Some(turn) = &self.turn else { return };
        loop {
            // Both listen from here on, as in `reached`.
            let (turned, changed) = (turn.changed(), self.state.changed.notified());
            if self.is_draining() {
                return;
            }
            tokio::select! {
                biased;
                () = turned => {}
                () = changed => {}
            }
        }
    }

    /// Whether the server asks its work to finish.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        match &self.turn {
            Some(turn) if !turn.has_come() => self.state.level() >= CANCELLED,
            Some(_) | None => self.state.level() >= DRAINING,
        }
    }

    /// Resolves once time is up: what still runs is about to be cut.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub async fn cancelled(&self) {
        self.state.reached(CANCELLED).await;
    }

    /// Whether time is up.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state.level() >= CANCELLED
    }

    /// [`draining`](Self::draining) as a future that borrows nothing, as streams want it
    /// (`take_until`).
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub async fn draining_owned(self) {
        self.draining().await;
    }

    /// Runs `future` until the server drains; `None` if that came first.
    ///
    /// A future that is ready when draining begins wins.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops `future`.
    pub async fn until_draining<F: Future>(&self, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.draining() => None,
        }
    }

    /// Time until what is left will be cut; zero if it is over.
    ///
    /// `None` while nobody stops the server, and while a stop has no deadline. Read it again: it
    /// can shrink faster than time passes.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let deadline = self.state.facts().deadline?;
        let now = self.state.clock.as_ref()?.now();
        Some(deadline.since(now))
    }

    /// Why the server stops; `None` before it asks its work to finish.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        let cause = self.state.facts().cause.clone();
        cause.filter(|_| self.is_draining())
    }
}

impl fmt::Debug for ShutdownSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownSignal")
            .field("draining", &self.is_draining())
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl State {
    fn level(&self) -> u8 {
        self.level.load(Ordering::Acquire)
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rise(&self, level: u8) {
        if self.level.fetch_max(level, Ordering::AcqRel) < level {
            self.changed.notify_waiters();
        }
    }

    async fn reached(&self, level: u8) {
        loop {
            // Listens from here on, so that a change between the check and the wait is heard.
            let changed = self.changed.notified();
            if self.level() >= level {
                return;
            }
            changed.await;
        }
    }
}

/// Moves the [`ShutdownSignal`]s made together with it.
///
/// From [`ShutdownSignal::manual`], for unit tests of handlers. Dropping it moves nothing.
#[derive(Clone, Debug)]
pub struct ShutdownController(ShutdownSignal);

impl ShutdownController {
    /// Says "please finish". Saying it again changes nothing.
    pub fn drain(&self) {
        self.0.state.rise(DRAINING);
    }

    /// Says "time is up", and with it "please finish".
    pub fn cancel(&self) {
        self.0.state.rise(CANCELLED);
    }

    /// Polls `future` as a server polls a request: [`ShutdownSignal::current`] is the signal of
    /// this controller.
    #[must_use = "futures do nothing unless polled"]
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> {
        let scope = ServerScope::new(ServerKey::new(), self.0.clone());
        scope::scope(scope, future)
    }

    /// The signal that this one moves.
    pub(crate) fn signal(&self) -> &ShutdownSignal {
        &self.0
    }

    /// Moves as the core directs; what says nothing to work changes nothing.
    pub(crate) fn direct(&self, directive: &Directive) {
        let state = &self.0.state;
        match directive {
            Directive::Drain { cause, deadline } => {
                {
                    let mut facts = state.facts();
                    facts.cause.get_or_insert_with(|| cause.clone());
                    facts.tighten(*deadline);
                }
                state.rise(DRAINING);
            }
            Directive::Tighten { deadline } => state.facts().tighten(Some(*deadline)),
            Directive::Cancel | Directive::Force => state.rise(CANCELLED),
            Directive::Serve | Directive::LameDuck { .. } | _ => {}
        }
    }
}

impl Facts {
    fn tighten(&mut self, deadline: Option<Instant>) {
        self.deadline = match (self.deadline, deadline) {
            (Some(old), Some(new)) => Some(old.min(new)),
            (old, new) => old.or(new),
        };
    }
}

#[cfg(feature = "axum")]
mod extract {
    use super::ShutdownSignal;
    use crate::transport::outside::OutsideServer;
    use axum::extract::{FromRequestParts, OptionalFromRequestParts};
    use http::request::Parts;
    use std::convert::Infallible;

    impl<S: Send + Sync> FromRequestParts<S> for ShutdownSignal {
        type Rejection = OutsideServer;

        async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, OutsideServer> {
            Self::current().ok_or(OutsideServer)
        }
    }

    impl<S: Send + Sync> OptionalFromRequestParts<S> for ShutdownSignal {
        type Rejection = Infallible;

        async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
            Ok(Self::current())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_test::{assert_pending, assert_ready, task::spawn};

    #[test]
    fn draining_comes_before_cancelled_and_both_stay() {
        let (controller, signal) = ShutdownSignal::manual();
        let mut draining = spawn(signal.draining());
        let mut cancelled = spawn(signal.cancelled());
        assert_pending!(draining.poll());
        assert_pending!(cancelled.poll());
        controller.drain();
        assert!(draining.is_woken());
        assert_ready!(draining.poll());
        assert_pending!(cancelled.poll());
        assert!(signal.is_draining() && !signal.is_cancelled());
        controller.cancel();
        assert_ready!(cancelled.poll());
        controller.drain();
        assert!(signal.is_draining() && signal.is_cancelled());
        assert_ready!(spawn(signal.clone().draining_owned()).poll());
    }

    #[test]
    fn cancelling_drains_too() {
        let (controller, signal) = ShutdownSignal::manual();
        controller.cancel();
        assert!(signal.is_draining());
        assert_ready!(spawn(signal.draining()).poll());
    }

    #[test]
    fn a_ready_future_wins_over_draining() {
        let (controller, signal) = ShutdownSignal::manual();
        controller.drain();
        assert_eq!(
            assert_ready!(spawn(signal.until_draining(async { 7 })).poll()),
            Some(7)
        );
        let never = std::future::pending::<()>();
        assert_eq!(
            assert_ready!(spawn(signal.until_draining(never)).poll()),
            None
        );
    }

    #[test]
    fn the_current_signal_is_known_only_inside() {
        let (controller, signal) = ShutdownSignal::manual();
        assert!(ShutdownSignal::current().is_none());
        controller.drain();
        let inside = controller.scope(async { ShutdownSignal::current().unwrap().is_draining() });
        assert!(assert_ready!(spawn(inside).poll()));
        assert!(ShutdownSignal::current().is_none());
        assert_eq!(signal.remaining(), None);
        assert_eq!(signal.cause(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn remaining_follows_the_clock_and_a_deadline_only_moves_closer() {
        let clock = Clock::new();
        clock.begin(&tokio::runtime::Handle::current());
        let (controller, signal) = ShutdownSignal::new(clock);
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        controller.direct(&Directive::LameDuck {
            cause: Cause::Drain,
            until: at(1),
        });
        assert!(!signal.is_draining());
        assert_eq!(signal.remaining(), None);
        controller.direct(&Directive::Drain {
            cause: Cause::Drain,
            deadline: None,
        });
        assert!(signal.is_draining());
        assert_eq!(signal.cause(), Some(Cause::Drain));
        assert_eq!(signal.remaining(), None);
        controller.direct(&Directive::Tighten { deadline: at(10) });
        controller.direct(&Directive::Tighten { deadline: at(20) });
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(signal.remaining(), Some(Duration::from_secs(6)));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(signal.remaining(), Some(Duration::ZERO));
        assert!(!signal.is_cancelled());
        controller.direct(&Directive::Cancel);
        assert!(signal.is_cancelled());
    }
}
