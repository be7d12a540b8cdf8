//! Sizes at which anything worse than the promise would not come to an end.

use lamplighter_lifecycle::ForwardReferences::Allowed;
use lamplighter_lifecycle::{HookError, HookGraph, HookId, HookSpec, Schedule};

use crate::SECOND;

fn name(hook: usize) -> String {
    format!("n{hook}")
}

fn registered(specs: impl IntoIterator<Item = HookSpec>) -> HookGraph {
    let mut graph = HookGraph::default();
    for spec in specs {
        graph.register(spec, Allowed).unwrap();
    }
    graph
}

/// How many hooks a run of the whole graph hands out.
fn run(graph: &HookGraph) -> usize {
    let mut schedule = Schedule::new(graph);
    let hooks = std::iter::from_fn(|| {
        let hook = schedule.next_startable()?;
        schedule.settle(hook);
        Some(hook)
    });
    hooks.count()
}

/// The `hook`th of a chain in which each waits for the two before.
fn link(hook: usize) -> HookSpec {
    HookSpec::named(name(hook)).after((hook.saturating_sub(2)..hook).map(name))
}

/// A path to every hook of the layer below from every hook: 3 to the power of 40 in all.
fn layered() -> Vec<HookSpec> {
    let layer_below = |hook: usize| {
        let first = (hook / 3).saturating_sub(1) * 3;
        if hook < 3 { 0..0 } else { first..first + 3 }
    };
    let spec = |hook| {
        let mut spec = HookSpec::named(name(hook)).timeout(SECOND);
        for _ in 0..10 {
            spec = spec.after(layer_below(hook).map(name));
        }
        spec
    };
    (0..120).map(spec).collect()
}

#[test]
fn a_graph_with_more_paths_than_could_ever_be_walked_is_checked_and_run() {
    let mut last_first = layered();
    last_first.reverse();
    // Every hook a second time under its own name, so that each edge is there twice as well.
    let twice = layered().into_iter().chain(layered()).collect();
    for (specs, hooks) in [(layered(), 120), (last_first, 120), (twice, 240)] {
        let mut graph = registered(specs);
        let cycle = HookSpec::named(name(0)).after([name(119)]);
        let Err(HookError::Cycle { path }) = graph.register(cycle, Allowed) else {
            panic!("a cycle through all layers is taken");
        };
        assert_eq!(path.len(), 41, "once through each layer, and back");
        assert_eq!(graph.check(40 * SECOND), Ok(()));
        assert!(matches!(
            graph.check(39 * SECOND),
            Err(HookError::ChainTooLong { chain, .. }) if chain.len() == 40
        ));
        assert_eq!(Schedule::new(&graph).chain(HookId::new(0)).max(40), 40);
        assert_eq!(run(&graph), hooks);
    }
}

#[test]
fn a_hundred_thousand_hooks_are_taken_with_dependencies_first_or_last() {
    const HOOKS: usize = 100_000;
    let first = registered((0..HOOKS).map(link));
    let last = registered((0..HOOKS).rev().map(link));
    for (graph, begin) in [(first, 0), (last, HOOKS as u32 - 1)] {
        assert_eq!(graph.check(SECOND), Ok(()));
        let mut schedule = Schedule::new(&graph);
        assert_eq!(schedule.chain(HookId::new(begin)), HOOKS as u32);
        assert_eq!(schedule.next_startable(), Some(HookId::new(begin)));
        assert_eq!(run(&graph), HOOKS);
    }
}

#[test]
fn ten_thousand_hooks_are_taken_in_any_order_and_a_cycle_through_them_is_refused() {
    const HOOKS: usize = 10_000;
    // 7 919 is prime and no divisor of their number, so that each place comes once, far from the
    // one before.
    let mut graph = registered((0..HOOKS).map(|place| link(place * 7_919 % HOOKS)));
    assert_eq!(run(&graph), HOOKS);
    let closing = HookSpec::named(name(0)).after([name(HOOKS - 1)]);
    let Err(HookError::Cycle { path }) = graph.register(closing, Allowed) else {
        panic!("a cycle through all hooks is taken");
    };
    assert_eq!(path.len(), HOOKS / 2 + 2);
    assert_eq!(run(&graph), HOOKS);
}

#[test]
fn hooks_settled_in_the_worst_order_are_settled_all_the_same() {
    const HOOKS: usize = 50_000;
    let graph = registered((0..HOOKS).map(link));
    let mut schedule = Schedule::new(&graph);
    for hook in (1..HOOKS).rev() {
        assert!(schedule.settle(HookId::new(hook as u32)));
    }
    assert_eq!(schedule.chain(HookId::new(0)), 1);
    assert_eq!(schedule.next_startable(), Some(HookId::new(0)));
    assert_eq!(schedule.next_startable(), None);
    assert_eq!(schedule.unsettled_count(), 1);
}
