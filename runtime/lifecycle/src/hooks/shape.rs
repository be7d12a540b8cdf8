//! The graph as it is when hooks begin to run: who waits for whom, and one order that all agree
//! with (floor 0).
//!
//! **Invariant:** a name that no hook has is not here: nothing waits for it.

use alloc::vec::Vec;

use super::arena::Arena;
use super::graph::HookGraph;
use super::names::NodeId;
use super::rows::Rows;
use super::spec::HookId;

/// A graph that takes no more hooks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// The names that each hook is after.
    pub(super) after: Rows<HookId, NodeId>,
    /// The hooks that are after each name.
    pub(super) dependents: Rows<NodeId, HookId>,
    /// Each hook's node.
    pub(super) own: Arena<HookId, NodeId>,
    /// How many hooks have each name.
    pub(super) hooks: Arena<NodeId, u32>,
    /// All hooks, each behind those that it waits for.
    pub(super) order: Vec<HookId>,
}

impl Shape {
    pub(super) fn new(graph: &HookGraph) -> Self {
        let names = &graph.names.entries;
        let mut after = Rows::default();
        for hook in graph.ids() {
            let with_hooks = |name: &NodeId| names[*name].hooks > 0;
            after.push_row(graph.after(hook).filter(with_hooks));
        }
        let hooks = names.entries().iter().map(|entry| entry.hooks);
        let mut shape = Self {
            dependents: after.transposed(names.len()),
            after,
            own: graph
                .ids()
                .map(|hook| graph.own(hook))
                .collect::<Vec<_>>()
                .into(),
            hooks: hooks.collect::<Vec<_>>().into(),
            order: Vec::with_capacity(graph.len()),
        };
        shape.sort();
        shape
    }

    /// For each hook the number of names that it waits for.
    pub(super) fn waits(&self) -> Arena<HookId, u32> {
        let names = |hook| self.after.row(hook).len() as u32;
        self.own.keys().map(names).collect::<Vec<_>>().into()
    }

    /// Sorts the hooks: each name in turn whose hooks are all there sets free what waits for it.
    fn sort(&mut self) {
        let mut waits = self.waits();
        let mut missing = self.hooks.clone();
        self.order
            .extend(waits.keys().filter(|hook| waits[*hook] == 0));
        let mut next = 0;
        while let Some(&hook) = self.order.get(next) {
            next += 1;
            let name = self.own[hook];
            missing[name] -= 1;
            if missing[name] == 0 {
                for &dependent in self.dependents.row(name) {
                    waits[dependent] -= 1;
                    if waits[dependent] == 0 {
                        self.order.push(dependent);
                    }
                }
            }
        }
        debug_assert_eq!(self.order.len(), self.own.len(), "a graph holds no cycle");
    }

    /// For each hook the number of hooks on the longest chain that begins with it, counting itself
    /// and no hook that is `settled`.
    pub(super) fn chains(&self, settled: impl Fn(HookId) -> bool) -> Arena<HookId, u32> {
        let mut behind = Arena::<NodeId, u32>::filled(self.hooks.len(), || 0);
        let mut chains = Arena::<HookId, u32>::filled(self.own.len(), || 1);
        for &hook in self.order.iter().rev() {
            let after_it = behind[self.own[hook]];
            chains[hook] = after_it + 1;
            if !settled(hook) {
                for &name in self.after.row(hook) {
                    behind[name] = behind[name].max(after_it + 1);
                }
            }
        }
        chains
    }
}
