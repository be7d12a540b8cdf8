//! What the core refuses, one enum per operation (floor 0).
//!
//! **Invariant:** what merely went wrong during a life is no error; it is data in the report.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::hooks::{ChainLink, HookName};
use crate::phase::Phase;

/// Why a hook was not taken, or why the hooks as a whole cannot be run.
///
/// A refused registration leaves the graph exactly as it was. An anonymous hook goes by its
/// number, `hook#3` for the third one registered.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HookError {
    /// The explicit timeouts along a chain add up to more than all hooks together may take.
    #[error(
        "hooks {chain} may take {needed:?} one after the other, but hooks_timeout is {hooks_timeout:?}",
        chain = Listed(chain, ", then ")
    )]
    ChainTooLong {
        /// The hooks of the chain in the order in which they run.
        chain: Vec<ChainLink>,
        /// The sum of the explicit timeouts along the chain.
        needed: Duration,
        /// What all hooks together may take.
        hooks_timeout: Duration,
    },
    /// The hook would wait for itself.
    #[error("hooks would wait for each other: {path}", path = Listed(path, " → "))]
    Cycle {
        /// A shortest way round: each hook is after the one that follows it, and the hook that
        /// was refused stands at both ends.
        path: Vec<HookName>,
    },
    /// A name in `after` is the empty string.
    #[error("hook {hook:?} is after an empty name; `after` takes names of hooks")]
    EmptyAfter {
        /// The hook that was refused.
        hook: HookName,
    },
    /// The hook's own name is the empty string.
    #[error("hook {hook:?} has an empty name; it needs a name of its own or none at all")]
    EmptyName {
        /// The hook that was refused, by its number.
        hook: HookName,
    },
    /// There are hooks, but no time for them.
    #[error("hooks_timeout is zero, but there are hooks to run ({hooks}); it must be above zero")]
    NoTime {
        /// How many hooks there are.
        hooks: usize,
    },
    /// The hook's timeout is beyond what a stop can last.
    #[error("hook {hook:?} has a timeout of {timeout:?}, above the {max:?} that are allowed")]
    TimeoutTooLong {
        /// The hook that was refused.
        hook: HookName,
        /// Its timeout.
        timeout: Duration,
        /// The longest timeout that is allowed.
        max: Duration,
    },
    /// The hooks of this life run already, or have run.
    #[error("too late to add a hook: the server is in phase {phase}")]
    TooLate {
        /// Where the server is.
        phase: Phase,
    },
    /// The graph cannot number more hooks and edges.
    #[error("too many hooks: at most {max} hooks and `after` names are allowed")]
    TooMany {
        /// How many hooks and `after` names there may be together.
        max: u32,
    },
    /// The hook is after a name that no hook has.
    #[error("hook {hook:?} is after {after:?}, but no hook has that name{}", DidYouMean(.nearest))]
    Unknown {
        /// The hook that waits.
        hook: HookName,
        /// The name it waits for.
        after: HookName,
        /// A registered name that looks alike, if there is one.
        nearest: Option<HookName>,
    },
    /// The hook's timeout is zero.
    #[error(
        "hook {hook:?} has a timeout of zero; it must be above zero, or be left out for a fair share"
    )]
    ZeroTimeout {
        /// The hook that was refused.
        hook: HookName,
    },
}

impl fmt::Debug for HookError {
    /// The variant with its message: what a program prints that expects hooks to be taken.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variant = match self {
            Self::ChainTooLong { .. } => "ChainTooLong",
            Self::Cycle { .. } => "Cycle",
            Self::EmptyAfter { .. } => "EmptyAfter",
            Self::EmptyName { .. } => "EmptyName",
            Self::NoTime { .. } => "NoTime",
            Self::TimeoutTooLong { .. } => "TimeoutTooLong",
            Self::TooLate { .. } => "TooLate",
            Self::TooMany { .. } => "TooMany",
            Self::Unknown { .. } => "Unknown",
            Self::ZeroTimeout { .. } => "ZeroTimeout",
        };
        write!(f, "{variant}({self})")
    }
}

/// Items one after the other, with a separator between them.
struct Listed<'a, T>(&'a [T], &'static str);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, item) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(self.1)?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

/// The tail of a message about an unknown name.
struct DidYouMean<'a>(&'a Option<HookName>);

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(nearest) => write!(f, "; did you mean {nearest:?}?"),
            None => Ok(()),
        }
    }
}
