//! The numbers that a stop works with, resolved from a plan that holds (floor 0).
//!
//! **Invariant:** a budget cannot be made from a plan that breaks a rule.
//! **Invariant:** whatever is waited for in a stop is paid by exactly one part of the sum, so that
//! the parts at their longest end exactly at the total.

mod rules;

use core::time::Duration;

use super::{LameDuckReadiness, OnDeadline, OnListenerError, Plan, PlanError, WhileDraining};
use crate::connection::Linger;

const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
const CANCEL_LEAD: Duration = Duration::from_millis(100);
const HOOKS_TIMEOUT: Duration = Duration::from_secs(4);
const MARGIN: Duration = Duration::from_secs(1);
const START_TIMEOUT: Duration = Duration::from_secs(30);
const READY_TIMEOUT: Duration = Duration::from_secs(3);

/// A timer that comes this late was kept by a process that did not run: a busy machine, and clocks that
/// tick in milliseconds, make it late by less.
pub(crate) const FREEZE: Duration = Duration::from_millis(100);

/// How long each part of a start and of a stop may take.
///
/// Made by [`Plan::budget`]. The longest stop, each part at its limit, is
/// `lame_duck + drain_timeout + force_share + hooks_timeout + join_share + dispose_share +
/// seal_share`, which is [`total`](Self::total) to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    grace_period: Option<Duration>,
    lame_duck: Duration,
    drain_timeout: Duration,
    cancel_lead: Duration,
    hooks_timeout: Duration,
    margin: Duration,
    drain_spread: Duration,
    pre_stop: Duration,
    start_timeout: Duration,
    ready_timeout: Duration,
    on_deadline: OnDeadline,
    while_draining: WhileDraining,
    on_listener_error: OnListenerError,
    lame_duck_readiness: LameDuckReadiness,
}

impl Budget {
    /// Checks `plan` against every rule and fills in what it leaves open.
    pub(super) fn resolve(plan: &Plan) -> Result<Self, PlanError> {
        rules::refuse_too_long(plan)?;
        rules::refuse_zero(plan)?;
        rules::refuse_endless(plan)?;

        let lame_duck = plan.lame_duck.unwrap_or(Duration::ZERO);
        let hooks_timeout = plan.hooks_timeout.unwrap_or(HOOKS_TIMEOUT);
        let margin = plan.margin.unwrap_or(MARGIN);
        let drain_timeout = rules::drain(plan, lame_duck, hooks_timeout, margin)?;
        let start_timeout = plan.start_timeout.unwrap_or(START_TIMEOUT);

        Ok(Self {
            grace_period: plan.grace_period,
            lame_duck,
            drain_timeout,
            cancel_lead: plan
                .cancel_lead
                .unwrap_or(CANCEL_LEAD)
                .min(drain_timeout / 10),
            hooks_timeout,
            margin,
            drain_spread: rules::spread(plan, drain_timeout)?,
            pre_stop: plan.pre_stop.unwrap_or(Duration::ZERO),
            start_timeout,
            ready_timeout: rules::ready(plan, start_timeout)?,
            on_deadline: plan.on_deadline,
            while_draining: plan.while_draining,
            on_listener_error: plan.on_listener_error,
            lame_duck_readiness: plan.lame_duck_readiness,
        })
    }

    /// The time from cause to end that the plan was made for, if it names one.
    #[must_use]
    pub const fn grace_period(&self) -> Option<Duration> {
        self.grace_period
    }

    /// The longest time from the cause to the end: lame duck, drain, hooks and margin.
    ///
    /// At most the grace period, if there is one. Under [`OnDeadline::KeepWaiting`] it counts from
    /// the signal that ends the wait, if one does.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.lame_duck + self.drain_timeout + self.hooks_timeout + self.margin
    }

    /// How long the server goes on accepting after readiness went off.
    #[must_use]
    pub const fn lame_duck(&self) -> Duration {
        self.lame_duck
    }

    /// How long work in flight may take to finish.
    #[must_use]
    pub const fn drain_timeout(&self) -> Duration {
        self.drain_timeout
    }

    /// How long before the force close `cancelled()` resolves: at most a tenth of the drain.
    #[must_use]
    pub const fn cancel_lead(&self) -> Duration {
        self.cancel_lead
    }

    /// Over how much of the drain streams, upgrades and h2 connections are told of it.
    #[must_use]
    pub const fn drain_spread(&self) -> Duration {
        self.drain_spread
    }

    /// How long all hooks together may take.
    #[must_use]
    pub const fn hooks_timeout(&self) -> Duration {
        self.hooks_timeout
    }

    /// The time that the four shares below are taken from.
    #[must_use]
    pub const fn margin(&self) -> Duration {
        self.margin
    }

    /// How long what was cut is waited for: a quarter of the margin.
    #[must_use]
    pub fn force_share(&self) -> Duration {
        self.margin / 4
    }

    /// How long disposing may take: half of the margin.
    #[must_use]
    pub fn dispose_share(&self) -> Duration {
        self.margin / 2
    }

    /// How long aborted hooks are waited for: a tenth of the margin.
    #[must_use]
    pub fn join_share(&self) -> Duration {
        self.margin / 10
    }

    /// What the other shares leave of the margin, for the report and the last callbacks.
    #[must_use]
    pub fn seal_share(&self) -> Duration {
        self.margin - self.force_share() - self.dispose_share() - self.join_share()
    }

    /// How long closed connections may linger when no hook runs beside them.
    ///
    /// At most half of the margin and at most 1 s. Without a hooks' window that the linger could
    /// use instead, half of the margin on top of force close and dispose would end after the total,
    /// so it is also at most the hooks' window plus the margin without these two.
    #[must_use]
    pub fn linger_without_hooks(&self) -> Duration {
        let unclaimed = self.margin - self.force_share() - self.dispose_share();
        Linger::LONGEST
            .min(self.margin / 2)
            .min(self.hooks_timeout + unclaimed)
    }

    /// What passes between the platform's decision to stop and the cause; no part of the total.
    #[must_use]
    pub const fn pre_stop(&self) -> Duration {
        self.pre_stop
    }

    /// The bound of a whole start, but for the hooks of a failed one.
    #[must_use]
    pub const fn start_timeout(&self) -> Duration {
        self.start_timeout
    }

    /// How long the readiness checks may take to be all green; at most the bound of the start.
    #[must_use]
    pub const fn ready_timeout(&self) -> Duration {
        self.ready_timeout
    }

    /// How often is looked whether the process runs, while the checks are being asked: often enough
    /// for little of their time to be lost to a freeze.
    pub(crate) fn pulse(&self) -> Duration {
        (self.ready_timeout / 16).max(FREEZE)
    }

    /// What happens to work that is in flight at the drain deadline.
    #[must_use]
    pub const fn on_deadline(&self) -> OnDeadline {
        self.on_deadline
    }

    /// What happens to a late request on a living connection.
    #[must_use]
    pub const fn while_draining(&self) -> WhileDraining {
        self.while_draining
    }

    /// What happens when one of several listeners breaks.
    #[must_use]
    pub const fn on_listener_error(&self) -> OnListenerError {
        self.on_listener_error
    }

    /// What health questions are answered with during a lame duck.
    #[must_use]
    pub const fn lame_duck_readiness(&self) -> LameDuckReadiness {
        self.lame_duck_readiness
    }
}

impl Default for Budget {
    /// The default plan's.
    fn default() -> Self {
        Self {
            grace_period: None,
            lame_duck: Duration::ZERO,
            drain_timeout: DRAIN_TIMEOUT,
            cancel_lead: CANCEL_LEAD,
            hooks_timeout: HOOKS_TIMEOUT,
            margin: MARGIN,
            drain_spread: Duration::ZERO,
            pre_stop: Duration::ZERO,
            start_timeout: START_TIMEOUT,
            ready_timeout: READY_TIMEOUT,
            on_deadline: OnDeadline::ForceClose,
            while_draining: WhileDraining::Serve,
            on_listener_error: OnListenerError::Stop,
            lame_duck_readiness: LameDuckReadiness::Off,
        }
    }
}
