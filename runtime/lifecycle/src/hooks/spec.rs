//! What the core knows about one hook: its name, its order edges, its time (floor 0).
//!
//! **Invariant:** the code that a hook runs is not here; the driver keeps it under the hook's id.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::plan::Plan;

use super::arena::Key;
use super::name::HookName;

/// A hook's place in the order of registration, counted from zero.
///
/// Shown, it is counted from one: the first hook is `hook#1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookId(u32);

impl HookId {
    /// The id of the hook that was registered after `index` others.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// How many hooks were registered before this one.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl Key for HookId {
    fn from_index(index: usize) -> Self {
        Self(index as u32)
    }

    fn index(self) -> usize {
        self.index()
    }
}

impl fmt::Display for HookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hook#{}", u64::from(self.0) + 1)
    }
}

/// How a hook is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HookKind {
    /// A task; aborted when its time is up.
    #[default]
    Async,
    /// A thread of its own; left running when its time is up, since no thread can be stopped.
    Blocking,
}

/// What the core knows about one hook.
///
/// By default a hook is anonymous, waits for nobody, and gets a fair share of the hooks' time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct HookSpec {
    /// What others can be `after`. Several hooks may share a name. Nobody can wait for a hook
    /// without one.
    pub name: Option<HookName>,
    /// Names whose hooks are settled before this one starts. Naming one twice is naming it once.
    pub after: Vec<HookName>,
    /// How long the hook may run, above zero and at most 30 days. `None`: its fair share, what is
    /// left divided by the hooks that still have to run one after the other.
    pub timeout: Option<Duration>,
    /// How it is run.
    pub kind: HookKind,
}

impl HookSpec {
    /// The longest timeout that a hook may have.
    pub const MAX_TIMEOUT: Duration = Plan::MAX;

    /// A hook that nobody can wait for.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A hook that others can be after.
    #[must_use]
    pub fn named(name: impl Into<HookName>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// Adds names whose hooks are settled before this one starts.
    #[must_use]
    pub fn after<N: Into<HookName>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.after.extend(names.into_iter().map(Into::into));
        self
    }

    /// Sets how long the hook may run.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets how the hook is run.
    #[must_use]
    pub fn kind(mut self, kind: HookKind) -> Self {
        self.kind = kind;
        self
    }
}
