//! What is found wrong about all hooks together, and how it is said.

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

/// The names of the chain that is too long for a second.
fn too_long(hooks: impl IntoIterator<Item = HookSpec>) -> Vec<String> {
    let error = graph(hooks).check(SECOND).unwrap_err();
    let HookError::ChainTooLong { chain, .. } = error else {
        panic!("{error}");
    };
    chain.iter().map(|link| link.hook.to_string()).collect()
}

#[test]
fn a_chain_that_is_too_long_ends_with_the_last_hook_that_has_a_timeout() {
    let hooks = [
        named("before", &[]),
        named("slow", &["before"]).timeout(2 * SECOND),
        named("behind", &["slow"]),
    ];
    assert_eq!(too_long(hooks), ["slow"]);
}

#[test]
fn of_chains_that_are_equally_long_the_first_is_named() {
    let hooks = [
        named("left", &[]).timeout(2 * SECOND),
        named("right", &[]).timeout(2 * SECOND),
        named("last", &["left", "right"]).timeout(SECOND),
    ];
    assert_eq!(too_long(hooks), ["left", "last"]);
}
