//! The hooks of one life: who waits for whom, and what may start now (floor 0).
//!
//! A hook is a cleanup step. It can have a name, and it can be `after` names. Several hooks may
//! share a name; whoever is after that name waits for all of them. Hooks that no `after` orders
//! run in parallel. A [`HookGraph`] takes the hooks in, and a [`Schedule`] hands them out once
//! they are to run.
//!
//! **Invariant:** no graph holds a cycle, at any time. **Invariant:** nothing here takes time
//! exponential in the number of hooks: a registration looks at each edge at most a few times.
//! **Invariant:** what a graph does is a function of the specs it has accepted, in their order.

mod arena;
mod blocks;
mod chain;
mod check;
mod graph;
mod name;
mod names;
mod order;
mod rows;
mod schedule;
mod shape;
mod spec;

pub use chain::ChainLink;
pub use graph::{ForwardReferences, HookGraph};
pub use name::HookName;
pub use schedule::Schedule;
pub use spec::{HookId, HookKind, HookSpec};
