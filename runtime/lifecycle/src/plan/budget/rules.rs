//! The rules that a plan must keep, and the values that depend on other values (floor 0).
//!
//! **Invariant:** nothing is added up before every setting is known to be at most 30 days.

use core::time::Duration;

use super::{DRAIN_TIMEOUT, READY_TIMEOUT};
use crate::plan::{OnDeadline, Plan, PlanError};

/// Refuses what is nearly always a unit taken for another.
pub(super) fn refuse_too_long(plan: &Plan) -> Result<(), PlanError> {
    let settings = [
        ("grace_period", plan.grace_period),
        ("lame_duck", plan.lame_duck),
        ("drain_timeout", plan.drain_timeout),
        ("cancel_lead", plan.cancel_lead),
        ("hooks_timeout", plan.hooks_timeout),
        ("margin", plan.margin),
        ("drain_spread", plan.drain_spread),
        ("pre_stop", plan.pre_stop),
        ("start_timeout", plan.start_timeout),
        ("ready_timeout", plan.ready_timeout),
    ];
    for (setting, value) in settings {
        if let Some(value) = value
            && value > Plan::MAX
        {
            return Err(PlanError::TooLong {
                setting,
                value,
                allowed: Plan::MAX,
            });
        }
    }
    Ok(())
}

/// Refuses zero where it would mean that nothing can ever succeed.
pub(super) fn refuse_zero(plan: &Plan) -> Result<(), PlanError> {
    let settings = [
        ("grace_period", plan.grace_period),
        ("start_timeout", plan.start_timeout),
        ("ready_timeout", plan.ready_timeout),
    ];
    for (setting, value) in settings {
        if value == Some(Duration::ZERO) {
            return Err(PlanError::Zero {
                setting,
                allowed: Plan::MAX,
            });
        }
    }
    Ok(())
}

/// Refuses a wait without end inside a time that ends.
pub(super) fn refuse_endless(plan: &Plan) -> Result<(), PlanError> {
    match (plan.on_deadline, plan.grace_period) {
        (OnDeadline::KeepWaiting, Some(grace_period)) => {
            Err(PlanError::KeepWaitingWithinGracePeriod { grace_period })
        }
        (OnDeadline::KeepWaiting, None) | (OnDeadline::ForceClose, _) => Ok(()),
    }
}

/// The drain as set, if it fits; else what the others leave of the grace period, or the default.
pub(super) fn drain(
    plan: &Plan,
    lame_duck: Duration,
    hooks_timeout: Duration,
    margin: Duration,
) -> Result<Duration, PlanError> {
    // None of these is beyond 30 days here, so no sum overflows.
    let others = lame_duck + hooks_timeout + margin;
    match (plan.grace_period, plan.drain_timeout) {
        (None, set) => Ok(set.unwrap_or(DRAIN_TIMEOUT)),
        (Some(grace_period), None) if others >= grace_period => Err(PlanError::NoTimeToDrain {
            lame_duck,
            hooks_timeout,
            margin,
            needed: others,
            grace_period,
        }),
        (Some(grace_period), None) => Ok(grace_period - others),
        (Some(grace_period), Some(drain_timeout)) if others + drain_timeout > grace_period => {
            Err(PlanError::OverBudget {
                lame_duck,
                drain_timeout,
                hooks_timeout,
                margin,
                needed: others + drain_timeout,
                grace_period,
            })
        }
        (Some(_), Some(drain_timeout)) => Ok(drain_timeout),
    }
}

pub(super) fn spread(plan: &Plan, drain_timeout: Duration) -> Result<Duration, PlanError> {
    let drain_spread = plan.drain_spread.unwrap_or(Duration::ZERO);
    let allowed = drain_timeout / 2;
    if drain_spread > allowed {
        return Err(PlanError::SpreadTooLong {
            drain_spread,
            drain_timeout,
            allowed,
        });
    }
    Ok(drain_spread)
}

pub(super) fn ready(plan: &Plan, start_timeout: Duration) -> Result<Duration, PlanError> {
    match plan.ready_timeout {
        Some(ready_timeout) if ready_timeout > start_timeout => Err(PlanError::ReadyBeyondStart {
            ready_timeout,
            start_timeout,
        }),
        Some(ready_timeout) => Ok(ready_timeout),
        None => Ok(READY_TIMEOUT.min(start_timeout)),
    }
}
