//! The time budget of a start and of a stop, as its author writes it down (floor 0).
//!
//! **Invariant:** a setter never fails, never rounds and never changes another setting.
//! **Invariant:** a number that is not set is told apart from one that is set to its default.

mod amount;
mod budget;
mod error;
mod explain;

use core::time::Duration;

pub use budget::Budget;
pub(crate) use budget::FREEZE;
pub use error::PlanError;
pub use explain::{Explanation, Probes};

/// What happens to work that is still in flight at the drain deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OnDeadline {
    /// It is cut, named in the report, and the stop goes on. The default: a stop has an end.
    #[default]
    ForceClose,
    /// The stop waits for it, as long as it takes; hooks run after that.
    ///
    /// Such a stop has no end of its own. A second signal forces it; the first signal during a stop
    /// with another cause gives it the deadline that [`ForceClose`](Self::ForceClose) has from the
    /// start.
    KeepWaiting,
}

/// What happens to a request that arrives on a living connection while the server drains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WhileDraining {
    /// It is answered like any other. The default: its sender could not have known.
    #[default]
    Serve,
    /// It gets 503 or UNAVAILABLE, with the advice to come back elsewhere.
    ///
    /// Health and reflection go on answering.
    Reject,
}

/// What happens when a listener breaks for good while another one lives.
///
/// When the last one breaks, the server stops either way: nobody can reach it any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OnListenerError {
    /// The server stops, gracefully, with the listener as the cause and exit code 69. The default:
    /// a server that has lost one of its doors is replaced by one that has them all.
    #[default]
    Stop,
    /// The server stays ready and goes on with the listeners that are left. The failure is told to
    /// the error callbacks at once and stands in the report; the exit code does not show it.
    Continue,
}

/// What health questions are answered with during a lame duck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LameDuckReadiness {
    /// Not ready, from the cause on. The default: a balancer that asks sends its requests elsewhere.
    #[default]
    Off,
    /// Ready until the lame duck is over.
    ///
    /// Right behind `externalTrafficPolicy: Local` (KEP-1669): there a node's last pod goes on
    /// getting traffic while it terminates, but only if it is ready.
    Held,
}

/// How much time a server may take to start, and how much each part of its stop may take.
///
/// A plain value: nothing is checked before [`check`](Self::check), which `start()` calls too. Two
/// plans are equal if the same settings were made, so a default that was written out differs from
/// one that was left alone.
///
/// A stop takes at most `lame_duck` + `drain_timeout` + `hooks_timeout` + `margin`, counted from its
/// cause: 35 s unless something is set. Each setting takes at most 30 days.
///
/// ```
/// use core::time::Duration;
/// use lamplighter_lifecycle::Plan;
///
/// let plan = Plan::within(Duration::from_secs(30)).lame_duck(Duration::from_secs(5));
/// let budget = plan.budget()?;
/// assert_eq!(budget.drain_timeout(), Duration::from_secs(20));
/// assert_eq!(budget.total(), Duration::from_secs(30));
/// println!("{}", plan.explain());
/// # Ok::<(), lamplighter_lifecycle::PlanError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[must_use = "a plan does nothing until a server is given it"]
pub struct Plan {
    grace_period: Option<Duration>,
    lame_duck: Option<Duration>,
    drain_timeout: Option<Duration>,
    cancel_lead: Option<Duration>,
    hooks_timeout: Option<Duration>,
    margin: Option<Duration>,
    drain_spread: Option<Duration>,
    pre_stop: Option<Duration>,
    start_timeout: Option<Duration>,
    ready_timeout: Option<Duration>,
    on_deadline: OnDeadline,
    while_draining: WhileDraining,
    on_listener_error: OnListenerError,
    lame_duck_readiness: LameDuckReadiness,
}

impl Plan {
    /// The longest that any setting may be: 30 days.
    ///
    /// Longer ones are nearly always a unit taken for another. Four of them still fit easily into
    /// the 64 bits of nanoseconds that the lifecycle counts in.
    pub const MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// The plan in which nothing is set: every setting has its default, the sum is the budget.
    pub fn new() -> Self {
        Self::default()
    }

    /// A plan that ends within `grace_period` of the cause, the time after which SIGKILL comes.
    ///
    /// The drain gets what lame duck, hooks and margin leave: within 30 s that is 25 s. These three
    /// keep their defaults however short the grace period is, since a hook that never had time to
    /// run would be a loss nobody asked for; where they leave nothing, [`check`](Self::check) says
    /// so with the sum. With [`drain_timeout`](Self::drain_timeout) set as well, nothing is fitted:
    /// the sum must be at most the grace period.
    pub fn within(grace_period: Duration) -> Self {
        Self {
            grace_period: Some(grace_period),
            ..Self::default()
        }
    }

    /// Sets for how long the server goes on accepting after readiness went off.
    ///
    /// Default 0, meaning none: on a developer's machine nobody has to notice. Behind a balancer it
    /// is the time that the balancer needs, usually about 5 s. It does not end early.
    pub fn lame_duck(mut self, lame_duck: Duration) -> Self {
        self.lame_duck = Some(lame_duck);
        self
    }

    /// Sets how long work in flight may take to finish.
    ///
    /// Default 30 s, or what the others leave of a grace period. Zero means one graceful pass: every
    /// connection is told and polled once, then what is left is cut.
    pub fn drain_timeout(mut self, drain_timeout: Duration) -> Self {
        self.drain_timeout = Some(drain_timeout);
        self
    }

    /// Sets how long before the drain deadline `cancelled()` resolves.
    ///
    /// Default 100 ms: enough to write trailers or a close frame. It lies inside the drain and is
    /// limited to a tenth of it, without an error, so that a short drain stays mostly a drain.
    /// Zero means none: work hears that it is cancelled in the step in which it is cut.
    pub fn cancel_lead(mut self, cancel_lead: Duration) -> Self {
        self.cancel_lead = Some(cancel_lead);
        self
    }

    /// Sets how long all hooks together may take, counted from when the first may run.
    ///
    /// Default 4 s: with the margin it leaves 25 s of the usual 30 s to the drain. Zero is an error
    /// once a hook is registered.
    pub fn hooks_timeout(mut self, hooks_timeout: Duration) -> Self {
        self.hooks_timeout = Some(hooks_timeout);
        self
    }

    /// Sets the time for what has no phase of its own to wait in.
    ///
    /// Default 1 s. A quarter of it pays at most for the force close, a half for disposing, a tenth
    /// for joining aborted hooks. Zero means that none of these is waited for.
    pub fn margin(mut self, margin: Duration) -> Self {
        self.margin = Some(margin);
        self
    }

    /// Sets over how much of the drain streams, upgrades and h2 connections are told of it.
    ///
    /// Default 0: all at once. A server with many long streams takes more, so that their clients do
    /// not all reconnect to its siblings in one instant. At most half of the drain.
    pub fn drain_spread(mut self, drain_spread: Duration) -> Self {
        self.drain_spread = Some(drain_spread);
        self
    }

    /// Sets what passes between the platform's decision to stop and the signal.
    ///
    /// Default 0. It is counted, never executed: a pod's grace period begins before its preStop
    /// hook, so [`explain`](Self::explain) adds it to what it asks of the pod. It is no part of the
    /// budget, which begins at the cause.
    pub fn pre_stop(mut self, pre_stop: Duration) -> Self {
        self.pre_stop = Some(pre_stop);
        self
    }

    /// Sets the bound of a whole start, but for the hooks of a failed one.
    ///
    /// Default 30 s. Zero is an error.
    pub fn start_timeout(mut self, start_timeout: Duration) -> Self {
        self.start_timeout = Some(start_timeout);
        self
    }

    /// Sets how long the readiness checks may take to be all green in one round.
    ///
    /// Default 3 s, or the start's bound if that is shorter. It counts inside `start_timeout`, so a
    /// longer one is an error, and so is zero. A freeze of the process (a paused container, a suspended
    /// machine) counts in neither of the two while the checks are asked: it is noticed by timers that come
    /// 100 ms late or later, sixteen of them in this time, and given back but for its part of one.
    pub fn ready_timeout(mut self, ready_timeout: Duration) -> Self {
        self.ready_timeout = Some(ready_timeout);
        self
    }

    /// Sets what happens at the drain deadline. Default [`OnDeadline::ForceClose`].
    pub fn on_deadline(mut self, on_deadline: OnDeadline) -> Self {
        self.on_deadline = on_deadline;
        self
    }

    /// Sets what a late request on a living connection gets. Default [`WhileDraining::Serve`].
    pub fn while_draining(mut self, while_draining: WhileDraining) -> Self {
        self.while_draining = while_draining;
        self
    }

    /// Sets what happens when one of several listeners breaks. Default [`OnListenerError::Stop`].
    pub fn on_listener_error(mut self, on_listener_error: OnListenerError) -> Self {
        self.on_listener_error = on_listener_error;
        self
    }

    /// Sets what health questions are answered with during a lame duck. Default
    /// [`LameDuckReadiness::Off`]; without effect where there is no lame duck.
    pub fn lame_duck_readiness(mut self, lame_duck_readiness: LameDuckReadiness) -> Self {
        self.lame_duck_readiness = lame_duck_readiness;
        self
    }

    /// Checks every rule that needs nothing but the plan.
    ///
    /// Does not know of hooks; whether these have time is for [`HookGraph::check`](crate::HookGraph::check) to say.
    ///
    /// # Errors
    ///
    /// The first rule that is broken, with its numbers.
    pub fn check(&self) -> Result<(), PlanError> {
        self.budget().map(|_| ())
    }

    /// Resolves the plan into the numbers that a stop works with.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check).
    pub fn budget(&self) -> Result<Budget, PlanError> {
        Budget::resolve(self)
    }

    /// The plan's timeline, and what to put around the process so that it can be kept.
    ///
    /// Text for a person: when each phase begins at the latest, a pod spec with its grace period
    /// and probes, what to tell Docker and systemd, and what is worth knowing about this plan. For
    /// a plan that does not hold, the error of [`check`](Self::check).
    ///
    /// A plan knows no ports: [`Explanation`] can be told them.
    pub const fn explain(&self) -> Explanation<'_> {
        Explanation::of(self)
    }
}
