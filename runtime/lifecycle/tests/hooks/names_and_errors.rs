//! How names and errors read.

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

#[test]
fn a_program_that_expects_no_error_dies_with_words_that_can_be_read() {
    let path = ["a", "b", "a"].map(HookName::from).to_vec();
    let cycle = HookError::Cycle { path };
    assert_eq!(
        format!("{cycle:?}"),
        "Cycle(hooks would wait for each other: a → b → a)"
    );
}

#[test]
fn graphs_that_differ_hash_differently_and_show_their_hooks() {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    let hash = BuildHasherDefault::<DefaultHasher>::default();
    let (one, other) = (
        graph([named("database", &[])]),
        graph([named("cache", &[])]),
    );
    assert_eq!(hash.hash_one(&one), hash.hash_one(one.clone()));
    assert_ne!(hash.hash_one(&one), hash.hash_one(&other));
    assert!(format!("{one:?}").contains("database"));
}
