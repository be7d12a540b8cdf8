//! What can be wrong with a plan (floor 0).
//!
//! **Invariant:** every message names the setting, its value and what is allowed.

use core::fmt;
use core::time::Duration;

use super::amount::amount;

/// Why a plan does not hold.
///
/// A setting that was left alone stands in the facts with its default.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A setting is beyond [`Plan::MAX`](super::Plan::MAX).
    #[error("{setting} is {}, allowed are at most {}", amount(.value), amount(.allowed))]
    TooLong {
        /// The setting's name.
        setting: &'static str,
        /// What it was set to.
        value: Duration,
        /// The longest that it may be.
        allowed: Duration,
    },
    /// A setting is zero that means nothing as zero.
    #[error("{setting} is 0 s, allowed is anything above zero up to {}", amount(.allowed))]
    Zero {
        /// The setting's name.
        setting: &'static str,
        /// The longest that it may be.
        allowed: Duration,
    },
    /// A wait without end was asked for inside a time that ends.
    #[error(
        "on_deadline is KeepWaiting within a grace_period of {}, which ends such a wait by SIGKILL \
         before any hook has run; allowed is KeepWaiting without a grace_period, or ForceClose",
        amount(.grace_period)
    )]
    KeepWaitingWithinGracePeriod {
        /// The grace period.
        grace_period: Duration,
    },
    /// The parts of the stop need more than the grace period.
    #[error(
        "lame_duck {} + drain_timeout {} + hooks_timeout {} + margin {} = {}, \
         allowed is at most the grace_period of {}: make {} shorter, by {} in all, or the grace_period \
         at least {}; a drain_timeout that is left out takes what the others leave",
        amount(.lame_duck), amount(.drain_timeout), amount(.hooks_timeout), amount(.margin),
        amount(.needed), amount(.grace_period),
        Longest([("drain_timeout", *.drain_timeout), ("lame_duck", *.lame_duck),
            ("hooks_timeout", *.hooks_timeout), ("margin", *.margin)]),
        amount(&.needed.saturating_sub(*.grace_period)), amount(.needed)
    )]
    OverBudget {
        /// The lame duck.
        lame_duck: Duration,
        /// The drain, which was set.
        drain_timeout: Duration,
        /// The hooks' window.
        hooks_timeout: Duration,
        /// The margin.
        margin: Duration,
        /// Their sum.
        needed: Duration,
        /// What there is.
        grace_period: Duration,
    },
    /// The other parts of the stop leave nothing of the grace period to the drain.
    #[error(
        "the grace_period is {}, allowed is more than {}, or {} shorter: lame_duck {} + hooks_timeout {} + \
         margin {} leave nothing of it for the drain_timeout",
        amount(.grace_period), amount(.needed),
        Longest([("lame_duck", *.lame_duck), ("hooks_timeout", *.hooks_timeout), ("margin", *.margin)]),
        amount(.lame_duck), amount(.hooks_timeout), amount(.margin)
    )]
    NoTimeToDrain {
        /// The lame duck.
        lame_duck: Duration,
        /// The hooks' window.
        hooks_timeout: Duration,
        /// The margin.
        margin: Duration,
        /// Their sum.
        needed: Duration,
        /// What there is.
        grace_period: Duration,
    },
    /// The last to hear of the drain would have too little of it left.
    #[error(
        "drain_spread is {}, allowed is at most half of the drain_timeout of {}: {}",
        amount(.drain_spread), amount(.drain_timeout), amount(.allowed)
    )]
    SpreadTooLong {
        /// What it was set to.
        drain_spread: Duration,
        /// The drain that it lies in.
        drain_timeout: Duration,
        /// The longest that it may be.
        allowed: Duration,
    },
    /// The readiness checks were given more time than the start that contains them.
    #[error(
        "ready_timeout is {}, allowed is at most the start_timeout of {}, which contains it",
        amount(.ready_timeout), amount(.start_timeout)
    )]
    ReadyBeyondStart {
        /// What it was set to.
        ready_timeout: Duration,
        /// The bound of the whole start.
        start_timeout: Duration,
    },
}

/// The names of settings that can be made shorter, the longest first.
struct Longest<const N: usize>([(&'static str, Duration); N]);

impl<const N: usize> fmt::Display for Longest<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut settings = self.0;
        settings.sort_by(|(_, one), (_, other)| other.cmp(one));
        let settings = settings.iter().filter(|(_, length)| !length.is_zero());
        for (position, (name, _)) in settings.enumerate() {
            if position > 0 {
                f.write_str(" or ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}
