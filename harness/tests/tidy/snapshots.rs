//! Every snapshot belongs to a test: one that nobody compares with proves nothing.
//!
//! **Invariant:** a snapshot's name is a subject, two underscores, and what a test says of itself.

use std::collections::HashSet;

use crate::code::words;
use crate::finding::{Finding, expect_none};
use crate::tree::{File, files};

const ALLOWED_NAME: &str = "`subject__scenario.snap` in the folder `snapshots/`";
const ALLOWED_OWNER: &str =
    "a snapshot whose name, or the part after `__`, is a test or stands in quotes in one";

/// Snapshots elsewhere, with other names, and those of which no test knows.
fn orphans(files: &[File]) -> Vec<Finding> {
    let known = files.iter().fold(HashSet::new(), |mut known, file| {
        names(file, &mut known);
        known
    });
    files
        .iter()
        .filter(|file| file.path.ends_with(".snap"))
        .filter_map(|file| {
            let name = file.path.strip_prefix("snapshots/").unwrap_or_default();
            let name = name.strip_suffix(".snap").unwrap_or_default();
            let Some((_, scenario)) = name.split_once("__") else {
                return Some(file.finding(0, "a stray snapshot", ALLOWED_NAME));
            };
            let known = known.contains(name) || known.contains(scenario);
            (!known).then(|| file.finding(0, "an orphaned snapshot", ALLOWED_OWNER))
        })
        .collect()
}

/// What the tests of a file are named, and all that it writes in quotes, if it has tests.
fn names(file: &File, known: &mut HashSet<String>) {
    let tests = &file.tests();
    if tests.trim().is_empty() {
        return;
    }
    known.extend(file.code().literals.iter().cloned());
    let named = tests
        .split("fn ")
        .skip(1)
        .filter_map(|after| words(after).next());
    known.extend(named.map(|(_, name)| name.to_owned()));
}

#[test]
fn every_snapshot_is_compared_by_a_test() {
    expect_none(orphans(files().unwrap()));
}

#[test]
fn a_snapshot_without_a_test_is_found() {
    let tests = |code: &str| File::new("sim-tests/tests/timelines.rs", code);
    let found = |path: &str, code: &str| {
        let files = [File::new(path, ""), tests(code)];
        let findings = orphans(&files);
        findings
            .into_iter()
            .map(|finding| finding.what)
            .collect::<Vec<_>>()
    };
    let path = "snapshots/timeline__second_signal.snap";
    assert_eq!(found(path, "fn second_signal() {}"), [""; 0]);
    assert_eq!(
        found(path, "snapshot(\"timeline__second_signal\")"),
        [""; 0]
    );
    assert_eq!(found(path, "(\"second_signal\", Plan::new())"), [""; 0]);
    for gone in [
        "",
        "fn third_signal() {}",
        "// fn second_signal() {}",
        "second_signal();",
        "(\"the second_signal\")",
    ] {
        assert_eq!(found(path, gone), ["an orphaned snapshot"], "{gone}");
    }
    for stray in [
        "snapshots/second_signal.snap",
        "runtime/src/snapshots/timeline__second_signal.snap",
    ] {
        assert_eq!(
            found(stray, "fn second_signal() {}"),
            ["a stray snapshot"],
            "{stray}"
        );
    }
}

#[test]
fn only_tests_own_snapshots() {
    let product = File::new("runtime/src/os.rs", "fn second_signal() {}");
    let files = [
        File::new("snapshots/timeline__second_signal.snap", ""),
        product,
    ];
    assert_eq!(orphans(&files).len(), 1);
}
