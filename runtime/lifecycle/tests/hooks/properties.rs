//! Whatever hooks come in whatever order: the graph agrees with the oracle.

use std::time::Duration;

use lamplighter_lifecycle::ForwardReferences::{self, Allowed, Refused};
use lamplighter_lifecycle::{HookError, HookGraph, HookId, HookName, HookSpec, Schedule};
use proptest::prelude::*;

use crate::oracle::{Hook, Oracle};

fn text(name: usize) -> String {
    format!("n{name}")
}

fn spec(hook: &Hook) -> HookSpec {
    let spec = match hook.name {
        Some(name) => HookSpec::named(text(name)),
        None => HookSpec::anonymous(),
    };
    let spec = spec.after(hook.after.iter().map(|name| text(*name)));
    match hook.timeout {
        Some(seconds) => spec.timeout(Duration::from_secs(seconds)),
        None => spec,
    }
}

fn hook(names: usize, most_after: usize) -> impl Strategy<Value = Hook> {
    let name = prop::option::weighted(0.9, 0..names);
    let after = prop::collection::vec(0..names, 0..=most_after);
    let timeout = prop::option::of(1_u64..9);
    (name, after, timeout).prop_map(|(name, after, timeout)| Hook {
        name,
        after,
        timeout,
    })
}

fn hooks(names: usize, most_after: usize, most: usize) -> impl Strategy<Value = Vec<Hook>> {
    prop::collection::vec(hook(names, most_after), 0..most)
}

/// The number in a name that `text` has made.
fn number(name: &HookName) -> usize {
    name.as_str()[1..].parse().unwrap()
}

/// Registers `hook` with the graph and the oracle, and compares what they say about it.
fn register(graph: &mut HookGraph, oracle: &mut Oracle, hook: Hook, forward: ForwardReferences) {
    let before = graph.clone();
    let registered = graph.register(spec(&hook), forward);
    let unknown = hook.after.iter().find(|name| !oracle.is_registered(**name));
    let own_in_after = hook
        .name
        .and_then(|own| hook.after.iter().position(|n| *n == own));
    let cycle = oracle.shortest_cycle(&hook);
    match registered {
        Ok(id) => {
            assert_eq!(id.index(), oracle.hooks.len());
            assert_eq!(cycle, None);
            assert!(forward == Allowed || unknown.is_none());
            oracle.hooks.push(hook);
        }
        Err(HookError::Cycle { path }) => {
            assert_eq!(*graph, before);
            let path = path.iter().map(number).collect::<Vec<_>>();
            assert_eq!(path.first().copied(), hook.name);
            assert_eq!(path.last().copied(), hook.name);
            let edges = oracle.edges(&hook);
            for step in path.windows(2) {
                assert!(edges.contains(&(step[0], step[1])), "{path:?}");
            }
            assert_eq!(Some(path.len() - 1), cycle, "{path:?}");
        }
        Err(HookError::Unknown { after, .. }) => {
            assert_eq!(*graph, before);
            assert_eq!(forward, Refused);
            assert_eq!(Some(&number(&after)), unknown);
            // Its own name counts as a cycle, not as unknown.
            let place = hook.after.iter().position(|name| Some(name) == unknown);
            assert!(own_in_after.is_none_or(|own| place < Some(own)));
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// Registers all of them, the later half without forward references if `late`.
fn registered(hooks: Vec<Hook>, late: bool) -> (HookGraph, Oracle) {
    let (mut graph, mut oracle) = (HookGraph::default(), Oracle::default());
    let half = hooks.len() / 2;
    for (place, hook) in hooks.into_iter().enumerate() {
        let forward = if late && place >= half {
            Refused
        } else {
            Allowed
        };
        register(&mut graph, &mut oracle, hook, forward);
    }
    (graph, oracle)
}

/// The graph as it would be if the refused hooks had never been tried.
fn untroubled(oracle: &Oracle) -> HookGraph {
    let mut graph = HookGraph::default();
    for hook in &oracle.hooks {
        graph.register(spec(hook), Allowed).unwrap();
    }
    graph
}

/// One step of a life of a schedule.
#[derive(Clone, Copy, Debug)]
enum Step {
    Take,
    /// Settle one of those that were taken.
    SettleTaken(prop::sample::Index),
    /// Settle any, taken or not, settled or not.
    SettleAny(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Take),
        4 => any::<prop::sample::Index>().prop_map(Step::SettleTaken),
        1 => any::<prop::sample::Index>().prop_map(Step::SettleAny),
    ]
}

/// A schedule beside plain lists of what was taken and settled.
struct Run<'a> {
    oracle: &'a Oracle,
    schedule: Schedule,
    taken: Vec<bool>,
    settled: Vec<bool>,
}

impl<'a> Run<'a> {
    fn new(graph: &HookGraph, oracle: &'a Oracle) -> Self {
        let none = vec![false; oracle.hooks.len()];
        Self {
            oracle,
            schedule: Schedule::new(graph),
            taken: none.clone(),
            settled: none,
        }
    }

    fn all(&self) -> std::ops::Range<usize> {
        0..self.oracle.hooks.len()
    }

    /// Takes the next hook, which must be the first that waits for nothing.
    fn take(&mut self) -> Option<usize> {
        let is_free = |hook: &usize| {
            let free = !self.taken[*hook] && !self.settled[*hook];
            free && self
                .oracle
                .waits_for(*hook)
                .iter()
                .all(|other| self.settled[*other])
        };
        let expected = self.all().find(is_free);
        let taken = self.schedule.next_startable().map(HookId::index);
        assert_eq!(taken, expected);
        if let Some(hook) = taken {
            self.taken[hook] = true;
        }
        taken
    }

    fn settle(&mut self, hook: usize) {
        let news = self.schedule.settle(HookId::new(hook as u32));
        assert_eq!(news, !self.settled[hook]);
        self.settled[hook] = true;
        let unsettled = self
            .all()
            .filter(|hook| !self.settled[*hook])
            .collect::<Vec<_>>();
        assert_eq!(self.schedule.unsettled_count(), unsettled.len());
        assert_eq!(self.schedule.is_done(), unsettled.is_empty());
        assert!(self.schedule.unsettled().map(HookId::index).eq(unsettled));
    }

    fn step(&mut self, step: Step) {
        let running = self
            .all()
            .filter(|hook| self.taken[*hook] && !self.settled[*hook]);
        let running = running.collect::<Vec<_>>();
        match step {
            Step::Take => {
                self.take();
            }
            Step::SettleTaken(index) if !running.is_empty() => self.settle(*index.get(&running)),
            Step::SettleAny(index) if !self.settled.is_empty() => {
                self.settle(index.index(self.settled.len()));
            }
            Step::SettleTaken(_) | Step::SettleAny(_) => {}
        }
        for hook in self.all() {
            let started = self.taken[hook] && !self.settled[hook];
            assert_eq!(self.schedule.is_started(HookId::new(hook as u32)), started);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_graph_takes_exactly_the_hooks_that_close_no_cycle(
        hooks in hooks(8, 3, 24),
        late in any::<bool>(),
    ) {
        let (graph, oracle) = registered(hooks, late);
        prop_assert_eq!(graph, untroubled(&oracle));
    }

    #[test]
    fn a_large_sparse_graph_takes_exactly_the_hooks_that_close_no_cycle(
        hooks in hooks(40, 2, 90),
    ) {
        let (graph, oracle) = registered(hooks, false);
        prop_assert_eq!(graph, untroubled(&oracle));
    }

    #[test]
    fn a_refused_hook_changes_nothing_about_what_comes_later(
        hooks in hooks(6, 2, 16),
        more in hooks(6, 2, 8),
    ) {
        let (mut troubled, oracle) = registered(hooks, false);
        let mut untroubled = untroubled(&oracle);
        for hook in more {
            prop_assert_eq!(
                troubled.register(spec(&hook), Allowed),
                untroubled.register(spec(&hook), Allowed)
            );
        }
        prop_assert_eq!(Schedule::new(&troubled), Schedule::new(&untroubled));
    }

    #[test]
    fn hooks_are_handed_out_once_each_and_after_all_that_they_wait_for(
        hooks in hooks(6, 2, 14),
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let (graph, oracle) = registered(hooks, false);
        let mut run = Run::new(&graph, &oracle);
        for step in steps {
            run.step(step);
        }
        // Whatever has happened, the rest can be run to the end, last taken first settled.
        let mut running = run.all().filter(|hook| run.taken[*hook]).collect::<Vec<_>>();
        while !run.schedule.is_done() {
            while let Some(hook) = run.take() {
                running.push(hook);
            }
            let hook = running.pop();
            prop_assert!(hook.is_some(), "nothing runs and nothing can start");
            hook.into_iter().for_each(|hook| run.settle(hook));
        }
        prop_assert_eq!(run.take(), None);
    }

    #[test]
    fn chains_are_as_long_as_a_plain_recursion_says(
        hooks in hooks(7, 2, 10),
        steps in prop::collection::vec(step(), 0..12),
    ) {
        let (graph, oracle) = registered(hooks, false);
        let mut run = Run::new(&graph, &oracle);
        for step in steps {
            run.step(step);
            for hook in run.all() {
                let expected = if run.settled[hook] { 1 } else { oracle.chain(hook, &run.settled) };
                prop_assert_eq!(run.schedule.chain(HookId::new(hook as u32)), expected);
            }
        }
    }

    #[test]
    fn a_check_finds_unknown_names_and_the_chain_that_needs_the_most_time(
        mut hooks in hooks(6, 2, 10),
        complete in any::<bool>(),
        seconds in 1_u64..30,
    ) {
        if complete {
            hooks.extend((0..6).map(|name| Hook { name: Some(name), after: vec![], timeout: None }));
        }
        let (graph, oracle) = registered(hooks, false);
        let unknown = oracle.hooks.iter().enumerate().find_map(|(place, hook)| {
            let after = hook.after.iter().find(|name| !oracle.is_registered(**name))?;
            Some((graph.label(HookId::new(place as u32)), HookName::from(text(*after))))
        });
        let slowest = (0..oracle.hooks.len()).map(|hook| oracle.slowest(hook)).max();
        match graph.check(Duration::from_secs(seconds)) {
            Ok(()) => {
                prop_assert_eq!(unknown, None);
                prop_assert!(slowest.unwrap_or(0) <= seconds);
            }
            Err(HookError::Unknown { hook, after, .. }) => {
                prop_assert_eq!(Some((hook, after)), unknown);
            }
            Err(HookError::ChainTooLong { chain, needed, hooks_timeout }) => {
                prop_assert_eq!(unknown, None);
                prop_assert_eq!(hooks_timeout, Duration::from_secs(seconds));
                prop_assert!(needed > hooks_timeout);
                prop_assert_eq!(Some(needed.as_secs()), slowest);
                let sum = chain.iter().filter_map(|link| link.timeout).sum::<Duration>();
                prop_assert_eq!(needed, sum);
                for ends in [chain.first(), chain.last()] {
                    prop_assert!(ends.is_some_and(|link| link.timeout.is_some()));
                }
                // Some hook of the later name, with that timeout, is after the earlier name.
                for pair in chain.windows(2) {
                    let follows = graph.ids().any(|id| {
                        graph.label(id) == pair[1].hook
                            && graph.spec(id).is_some_and(|spec| {
                                spec.timeout == pair[1].timeout
                                    && spec.after.contains(&pair[0].hook)
                            })
                    });
                    prop_assert!(follows, "{:?}", chain);
                }
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }
}
