//! The chain of hooks whose explicit timeouts add up to the most (floor 0).
//!
//! **Invariant:** a hook without a timeout of its own counts as taking no time: it gets a share of
//! what is left, whatever that is.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::arena::Arena;
use super::graph::HookGraph;
use super::name::HookName;
use super::names::NodeId;
use super::shape::Shape;
use super::spec::HookId;

/// One hook of a chain in which each waits for the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainLink {
    /// The hook.
    pub hook: HookName,
    /// Its explicit timeout.
    pub timeout: Option<Duration>,
}

impl fmt::Display for ChainLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.timeout {
            Some(timeout) => write!(f, "{} ({timeout:?})", self.hook),
            None => self.hook.fmt(f),
        }
    }
}

/// A chain, and the sum of the explicit timeouts along it.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    needed: Duration,
    /// The hook it ends with; `None` for the empty chain.
    last: Option<HookId>,
}

/// The hooks of the chain with the largest sum of explicit timeouts, in the order in which they
/// run, and that sum. The chain begins and ends with a hook that has a timeout.
pub(super) fn slowest(graph: &HookGraph) -> (Vec<ChainLink>, Duration) {
    let shape = Shape::new(graph);
    let mut before = Arena::<HookId, Option<HookId>>::filled(graph.len(), || None);
    let mut to_name = Arena::<NodeId, Sum>::filled(graph.names.len(), Sum::default);
    let mut slowest = Sum::default();
    for &hook in &shape.order {
        let mut sum = Sum::default();
        for &name in shape.after.row(hook) {
            if to_name[name].needed > sum.needed {
                sum = to_name[name];
            }
        }
        before[hook] = sum.last;
        sum.last = Some(hook);
        let timeout = explicit(graph, hook).unwrap_or_default();
        sum.needed = sum.needed.saturating_add(timeout);
        if sum.needed > slowest.needed {
            slowest = sum;
        }
        let to_own = &mut to_name[shape.own[hook]];
        if sum.needed > to_own.needed {
            *to_own = sum;
        }
    }
    let mut chain = Vec::new();
    let mut next = slowest.last;
    while let Some(hook) = next {
        chain.push(ChainLink {
            hook: graph.label(hook),
            timeout: explicit(graph, hook),
        });
        next = before[hook];
    }
    chain.reverse();
    (chain, slowest.needed)
}

fn explicit(graph: &HookGraph, hook: HookId) -> Option<Duration> {
    graph.spec(hook).and_then(|spec| spec.timeout)
}
