//! What is taken, what is refused, and that a refusal leaves no trace.

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
