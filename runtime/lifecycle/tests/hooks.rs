//! The hook graph from outside: what is taken, what is refused and how it says so, and in which
//! order hooks may start.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first surprise, as tests do"
)]

use std::time::Duration;

use lamplighter_lifecycle::ForwardReferences::{Allowed, Refused};
use lamplighter_lifecycle::{
    HookError, HookGraph, HookId, HookKind, HookName, HookSpec, Phase, Schedule,
};

#[path = "hooks/check.rs"]
mod check;
#[path = "hooks/names_and_errors.rs"]
mod names_and_errors;
#[path = "hooks/oracle.rs"]
mod oracle;
#[path = "hooks/properties.rs"]
mod properties;
#[path = "hooks/registration.rs"]
mod registration;
#[path = "hooks/scale.rs"]
mod scale;
#[path = "hooks/schedule.rs"]
mod schedule;

const SECOND: Duration = Duration::from_secs(1);

fn named(name: &str, after: &[&str]) -> HookSpec {
    HookSpec::named(name).after(after.iter().copied())
}

/// A graph of these hooks, all of which are expected to be taken.
fn graph(specs: impl IntoIterator<Item = HookSpec>) -> HookGraph {
    let mut graph = HookGraph::default();
    for spec in specs {
        assert_eq!(
            graph.register(spec, Allowed),
            Ok(HookId::new(graph.len() as u32 - 1))
        );
    }
    graph
}

/// What registering `spec` is refused with; that the graph stays as it was is checked by the way.
fn refused(graph: &mut HookGraph, spec: HookSpec) -> HookError {
    let before = graph.clone();
    let error = graph.register(spec, Allowed).unwrap_err();
    assert_eq!(*graph, before);
    error
}

fn names(names: &[&str]) -> Vec<HookName> {
    names.iter().copied().map(HookName::from).collect()
}

fn id(index: u32) -> HookId {
    HookId::new(index)
}

/// All hooks that can be started without settling another.
fn startable(schedule: &mut Schedule) -> Vec<HookId> {
    std::iter::from_fn(|| schedule.next_startable()).collect()
}
