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

#[path = "hooks/oracle.rs"]
mod oracle;
#[path = "hooks/properties.rs"]
mod properties;
#[path = "hooks/scale.rs"]
mod scale;

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

mod registration {
    use super::*;

    #[test]
    fn hooks_are_numbered_in_order_of_registration() {
        let graph = graph([named("a", &[]), HookSpec::anonymous(), named("a", &["b"])]);
        assert_eq!(graph.len(), 3);
        assert!(!graph.is_empty());
        assert_eq!(graph.ids().collect::<Vec<_>>(), [id(0), id(1), id(2)]);
        assert_eq!(graph.spec(id(2)), Some(&named("a", &["b"])));
        assert_eq!(graph.spec(id(3)), None);
        assert!(HookGraph::default().is_empty());
    }

    #[test]
    fn an_anonymous_hook_is_called_by_its_number() {
        let graph = graph([named("cache", &[]), HookSpec::anonymous()]);
        assert_eq!(graph.label(id(0)).as_str(), "cache");
        assert_eq!(graph.label(id(1)).as_str(), "hook#2");
        assert_eq!(id(1).to_string(), "hook#2");
        assert_eq!(id(u32::MAX).to_string(), "hook#4294967296");
    }

    #[test]
    fn a_spec_is_built_from_any_kind_of_text() {
        let text = String::from("cache");
        let spec = HookSpec::named(&text)
            .after([String::from("database")])
            .after(["queue"])
            .timeout(SECOND)
            .kind(HookKind::Blocking);
        assert_eq!(spec.name, Some(HookName::from(text)));
        assert_eq!(spec.after, names(&["database", "queue"]));
        assert_eq!(spec.timeout, Some(SECOND));
        assert_eq!(spec.kind, HookKind::Blocking);
        let anonymous = HookSpec::anonymous();
        assert_eq!(anonymous, HookSpec::default());
        assert_eq!((anonymous.name, anonymous.kind), (None, HookKind::Async));
    }

    #[test]
    fn graphs_are_equal_if_they_took_the_same_hooks_in_the_same_order() {
        let (a, b) = (named("a", &[]), named("b", &["a"]));
        assert_eq!(graph([a.clone(), b.clone()]), graph([a.clone(), b.clone()]));
        assert_ne!(graph([a.clone(), b.clone()]), graph([b.clone(), a.clone()]));
        assert_ne!(graph([a.clone()]), graph([a.clone(), b.clone()]));
        assert_ne!(graph([a]), graph([b]));
    }

    #[test]
    fn a_cycle_of_two_is_refused_with_its_path() {
        let mut graph = graph([named("a", &["b"])]);
        let error = refused(&mut graph, named("b", &["a"]));
        assert_eq!(
            error.to_string(),
            "hooks would wait for each other: b → a → b"
        );
        let path = names(&["b", "a", "b"]);
        assert_eq!(error, HookError::Cycle { path });
    }

    #[test]
    fn a_hook_after_its_own_name_is_a_cycle_of_one() {
        let mut graph = graph([named("a", &[])]);
        for forward in [Allowed, Refused] {
            let error = graph.register(named("a", &["a"]), forward).unwrap_err();
            let path = names(&["a", "a"]);
            assert_eq!(error, HookError::Cycle { path });
        }
        let error = refused(&mut graph, named("new", &["new"]));
        assert_eq!(
            error.to_string(),
            "hooks would wait for each other: new → new"
        );
    }

    #[test]
    fn a_cycle_through_another_hook_of_the_same_name_is_refused() {
        let mut graph = graph([named("a", &[]), named("b", &["a"])]);
        let error = refused(&mut graph, named("a", &["b"]));
        let path = names(&["a", "b", "a"]);
        assert_eq!(error, HookError::Cycle { path });
    }

    #[test]
    fn a_cycle_is_found_among_many_names_in_one_after() {
        let mut graph = graph([
            named("b", &["c"]),
            named("c", &["d"]),
            named("d", &["a"]),
            named("x", &[]),
        ]);
        let error = refused(&mut graph, named("a", &["x", "b", "y", "c"]));
        let path = names(&["a", "c", "d", "a"]);
        assert_eq!(error, HookError::Cycle { path }, "the shortest way round");
    }

    #[test]
    fn an_anonymous_hook_may_be_after_anything() {
        let mut graph = graph([named("a", &["b"]), named("b", &["c"])]);
        let everything = HookSpec::anonymous().after(["a", "b", "c"]);
        assert_eq!(graph.register(everything, Allowed), Ok(id(2)));
    }

    #[test]
    fn the_same_edge_counts_once_however_often_it_is_given() {
        let graph = graph([
            named("b", &["a", "a", "a"]),
            named("b", &["a"]),
            named("a", &[]),
        ]);
        let mut schedule = Schedule::new(&graph);
        assert_eq!(schedule.chain(id(2)), 2);
        assert_eq!(startable(&mut schedule), [id(2)]);
        assert!(schedule.settle(id(2)));
        assert_eq!(startable(&mut schedule), [id(0), id(1)]);
    }

    #[test]
    fn empty_names_are_refused() {
        let mut graph = graph([named("a", &[])]);
        let error = refused(&mut graph, named("", &[]));
        assert_eq!(
            error.to_string(),
            r#"hook "hook#2" has an empty name; it needs a name of its own or none at all"#
        );
        let error = refused(&mut graph, named("b", &["a", ""]));
        assert_eq!(
            error.to_string(),
            r#"hook "b" is after an empty name; `after` takes names of hooks"#
        );
        let hook = "hook#2".into();
        let error = refused(&mut graph, HookSpec::anonymous().after([""]));
        assert_eq!(error, HookError::EmptyAfter { hook });
    }

    #[test]
    fn timeouts_of_zero_and_above_thirty_days_are_refused() {
        let mut graph = HookGraph::default();
        let error = refused(&mut graph, named("a", &[]).timeout(Duration::ZERO));
        assert_eq!(
            error.to_string(),
            "hook \"a\" has a timeout of zero; it must be above zero, or be left out for a fair share"
        );
        let longest = Duration::from_secs(30 * 24 * 3600);
        let error = refused(
            &mut graph,
            HookSpec::anonymous().timeout(longest + Duration::from_nanos(1)),
        );
        assert_eq!(
            error.to_string(),
            "hook \"hook#1\" has a timeout of 2592000.000000001s, above the 2592000s that are allowed"
        );
        for timeout in [Duration::from_nanos(1), longest] {
            assert!(
                graph
                    .register(named("a", &[]).timeout(timeout), Allowed)
                    .is_ok()
            );
        }
    }

    #[test]
    fn once_forward_references_are_refused_a_name_needs_a_hook() {
        let mut graph = graph([named("database", &[]), named("cache", &["queue"])]);
        // Mentioned is not registered.
        for missing in ["queue", "databse"] {
            let before = graph.clone();
            let error = graph.register(named("new", &["database", missing]), Refused);
            assert!(matches!(error, Err(HookError::Unknown { .. })), "{error:?}");
            assert_eq!(graph, before);
        }
        let late = named("new", &["database", "cache"]);
        assert_eq!(graph.register(late, Refused), Ok(id(2)));
        let cycle = graph.register(named("database", &["new"]), Refused);
        let path = names(&["database", "new", "database"]);
        assert_eq!(cycle, Err(HookError::Cycle { path }));
    }
}

mod check {
    use super::*;

    #[test]
    fn no_hooks_need_no_time() {
        assert_eq!(HookGraph::default().check(Duration::ZERO), Ok(()));
    }

    #[test]
    fn hooks_without_any_time_are_an_error() {
        let error = graph([named("a", &[]), named("b", &[])])
            .check(Duration::ZERO)
            .unwrap_err();
        assert_eq!(error, HookError::NoTime { hooks: 2 });
        assert_eq!(
            error.to_string(),
            "hooks_timeout is zero, but there are hooks to run (2); it must be above zero"
        );
    }

    #[test]
    fn a_name_that_no_hook_has_is_an_error_with_the_nearest_name() {
        let mut graph = graph([
            named("telemetry", &["database"]),
            named("cache", &["telemetry", "databse", "queue"]),
            named("database", &[]),
        ]);
        let error = graph.check(SECOND).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"hook "cache" is after "databse", but no hook has that name; did you mean "database"?"#
        );
        graph.register(named("databse", &[]), Allowed).unwrap();
        let error = graph.check(SECOND).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"hook "cache" is after "queue", but no hook has that name"#
        );
        graph.register(named("queue", &[]), Allowed).unwrap();
        assert_eq!(graph.check(SECOND), Ok(()));
    }

    #[test]
    fn the_first_unknown_name_is_the_first_as_the_hook_gave_them() {
        let graph = graph([
            named("b", &["known", "fresh", "mentioned"]),
            named("a", &["mentioned"]),
            named("known", &[]),
        ]);
        let error = graph.check(SECOND).unwrap_err();
        let (hook, after) = ("b".into(), "fresh".into());
        let nearest = None;
        assert_eq!(
            error,
            HookError::Unknown {
                hook,
                after,
                nearest
            }
        );
    }

    /// What is advised to a hook called `own` that is after `missing`.
    fn advised(own: &str, missing: &str, known: &[&str]) -> Option<String> {
        let hooks = known.iter().map(|name| named(name, &[]));
        let graph = graph(hooks.chain([named(own, &[missing])]));
        match graph.check(SECOND) {
            Err(HookError::Unknown { nearest, .. }) => nearest.map(|name| name.to_string()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn advice_is_the_name_with_the_fewest_differences() {
        let known = ["cash", "caches", "cachet"];
        assert_eq!(advised("own", "cache", &known), Some("caches".into()));
        assert_eq!(advised("own", "cachte", &known), Some("cachet".into()));
        assert_eq!(advised("own", "CASH", &known), Some("cash".into()));
        assert_eq!(advised("own", "db", &["queue", "bd"]), Some("bd".into()));
    }

    #[test]
    fn no_advice_is_better_than_a_far_fetched_one() {
        assert_eq!(advised("own", "database", &["cache", "queue"]), None);
        assert_eq!(advised("own", "ab", &["xy"]), None);
        // A third of six characters, and one more.
        assert_eq!(advised("own", "abcdef", &["abcdxy"]), Some("abcdxy".into()));
        assert_eq!(advised("own", "abcdef", &["abcxyz"]), None);
        // The hook's own name would only be the next mistake.
        assert_eq!(advised("cache", "cach", &["queue"]), None);
    }

    #[test]
    fn explicit_timeouts_along_a_chain_may_not_exceed_the_time_of_all_hooks() {
        let graph = graph([
            named("telemetry", &["cache"]).timeout(2 * SECOND),
            named("cache", &["database", "queue"]),
            named("database", &["sockets"]).timeout(3 * SECOND),
            named("database", &[]).timeout(SECOND),
            named("queue", &[]).timeout(SECOND),
            named("sockets", &[]),
            named("report", &["telemetry"]),
        ]);
        assert_eq!(graph.check(5 * SECOND), Ok(()));
        let error = graph
            .check(5 * SECOND - Duration::from_nanos(1))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "hooks database (3s), then cache, then telemetry (2s) may take 5s one after the other, \
             but hooks_timeout is 4.999999999s"
        );
        let HookError::ChainTooLong { chain, needed, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(needed, 5 * SECOND);
        let chain = chain.into_iter().map(|link| (link.hook, link.timeout));
        let expected = [
            ("database".into(), Some(3 * SECOND)),
            ("cache".into(), None),
            ("telemetry".into(), Some(2 * SECOND)),
        ];
        assert!(chain.eq(expected));
    }

    #[test]
    fn one_hook_alone_may_be_too_slow() {
        let error = graph([HookSpec::anonymous().timeout(5 * SECOND)])
            .check(4 * SECOND)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "hooks hook#1 (5s) may take 5s one after the other, but hooks_timeout is 4s"
        );
    }
}

mod schedule {
    use super::*;

    #[test]
    fn the_seeds_of_a_usual_service_run_in_their_order() {
        let graph = graph([
            named("message-queue", &["database", "cache"]),
            named("cache", &["database"]),
            named("database", &[]),
        ]);
        let mut schedule = Schedule::new(&graph);
        for expected in [2, 1, 0] {
            assert_eq!(startable(&mut schedule), [id(expected)]);
            assert!(schedule.settle(id(expected)));
        }
        assert!(schedule.is_done());
        assert_eq!(schedule.next_startable(), None);
    }

    #[test]
    fn hooks_of_one_name_run_in_parallel_and_all_of_them_are_waited_for() {
        let graph = graph([
            named("cache", &["database"]),
            named("database", &[]),
            HookSpec::anonymous(),
            named("database", &[]),
        ]);
        let mut schedule = Schedule::new(&graph);
        assert_eq!(startable(&mut schedule), [id(1), id(2), id(3)]);
        schedule.settle(id(3));
        assert_eq!(schedule.next_startable(), None);
        schedule.settle(id(1));
        assert_eq!(schedule.next_startable(), Some(id(0)));
    }

    #[test]
    fn hooks_of_one_name_may_wait_for_different_names() {
        let graph = graph([
            named("a", &["x"]),
            named("a", &[]),
            named("x", &[]),
            named("b", &["a"]),
        ]);
        let mut schedule = Schedule::new(&graph);
        assert_eq!(startable(&mut schedule), [id(1), id(2)]);
        schedule.settle(id(1));
        assert_eq!(startable(&mut schedule), []);
        schedule.settle(id(2));
        assert_eq!(startable(&mut schedule), [id(0)]);
        schedule.settle(id(0));
        assert_eq!(startable(&mut schedule), [id(3)]);
    }

    #[test]
    fn a_name_that_no_hook_has_holds_nobody_up() {
        let graph = graph([named("a", &["nobody"])]);
        let mut schedule = Schedule::new(&graph);
        assert_eq!(schedule.next_startable(), Some(id(0)));
    }

    #[test]
    fn settling_again_or_a_stranger_changes_nothing() {
        let graph = graph([named("a", &[]), named("b", &["a"])]);
        let mut schedule = Schedule::new(&graph);
        assert!(schedule.settle(id(0)));
        let after = schedule.clone();
        assert!(!schedule.settle(id(0)));
        assert!(!schedule.settle(id(2)));
        assert_eq!(schedule, after);
        assert_eq!(schedule.unsettled_count(), 1);
        assert_eq!(schedule.chain(id(2)), 1);
    }

    #[test]
    fn a_hook_settled_before_its_turn_is_never_handed_out() {
        let graph = graph([named("a", &[]), named("b", &["a"]), named("c", &["b"])]);
        let mut schedule = Schedule::new(&graph);
        schedule.settle(id(0));
        schedule.settle(id(1));
        assert_eq!(startable(&mut schedule), [id(2)]);
        assert_eq!(schedule.unsettled().collect::<Vec<_>>(), [id(2)]);
    }

    #[test]
    fn chains_leave_out_what_was_settled_before_its_turn() {
        let graph = graph([
            named("a", &[]),
            named("b", &["a"]),
            named("c", &["b"]),
            named("d", &["a"]),
        ]);
        let mut schedule = Schedule::new(&graph);
        assert_eq!(
            [0, 1, 2, 3].map(|hook| schedule.chain(id(hook))),
            [3, 2, 1, 1]
        );
        schedule.settle(id(1));
        assert_eq!(schedule.chain(id(0)), 2, "d still waits for a");
        schedule.settle(id(3));
        assert_eq!(schedule.chain(id(0)), 1);
        assert_eq!(schedule.chain(id(1)), 1, "c is not waiting for it any more");
    }

    #[test]
    fn schedules_differ_by_graph_and_by_progress() {
        let (one, other) = (
            graph([named("a", &[]), named("b", &["a"])]),
            graph([named("a", &[]), named("b", &[])]),
        );
        let fresh = Schedule::new(&one);
        assert_eq!(fresh, Schedule::new(&one));
        assert_ne!(fresh, Schedule::new(&other));
        let mut started = fresh.clone();
        started.next_startable();
        assert_ne!(fresh, started);
        assert!(started.is_started(id(0)));
        assert!(!fresh.is_started(id(0)));
        let mut settled = started.clone();
        settled.settle(id(0));
        assert_ne!(started, settled);
        assert!(!settled.is_started(id(0)));
    }
}

mod names_and_errors {
    use super::*;

    #[test]
    fn names_are_shown_as_they_are_and_quoted_where_they_could_garble_a_line() {
        let name = HookName::from("line\nbreak");
        assert_eq!(name.to_string(), "line\nbreak");
        assert_eq!(format!("{name:?}"), r#""line\nbreak""#);
        assert_eq!(format!("[{:>6}]", HookName::from("abc")), "[   abc]");
        assert_eq!(name.as_ref(), name.as_str());
    }

    #[test]
    fn errors_raised_elsewhere_say_what_is_allowed() {
        let phase = Phase::RunningHooks;
        assert_eq!(
            HookError::TooLate { phase }.to_string(),
            "too late to add a hook: the server is in phase running-hooks"
        );
        assert_eq!(
            HookError::TooMany { max: 7 }.to_string(),
            "too many hooks: at most 7 hooks and `after` names are allowed"
        );
    }
}
