//! Every snapshot belongs to a test: one that nobody compares with proves nothing.
//!
//! **Invariant:** a snapshot's name is a subject, two underscores, and what a test says of itself.

use crate::code::{before, words};
use crate::finding::{Finding, expect_none};
use crate::tree::{File, files};

const ALLOWED_NAME: &str = "`subject__scenario.snap` in the folder `snapshots/`";
const ALLOWED_OWNER: &str =
    "a snapshot whose name, or the part after `__`, is a test or stands in quotes in one";

/// Snapshots elsewhere, with other names, and those of which no test knows.
fn orphans(files: &[File]) -> Vec<Finding> {
    files
        .iter()
        .filter(|file| file.path.ends_with(".snap"))
        .filter_map(|file| {
            let name = file.path.strip_prefix("snapshots/").unwrap_or_default();
            let name = name.strip_suffix(".snap").unwrap_or_default();
            let Some((_, scenario)) = name.split_once("__") else {
                return Some(file.finding(0, "a stray snapshot", ALLOWED_NAME));
            };
            let known = files.iter().any(|file| knows(file, name, scenario));
            (!known).then(|| file.finding(0, "an orphaned snapshot", ALLOWED_OWNER))
        })
        .collect()
}

/// Whether a test of this file is named like the scenario, or writes one of the names down.
fn knows(file: &File, name: &str, scenario: &str) -> bool {
    let tests = &file.tests();
    if tests.trim().is_empty() {
        return false;
    }
    let written = file
        .code
        .literals
        .iter()
        .any(|it| it == name || it == scenario);
    written || words(tests).any(|(at, word)| word == scenario && before(tests, at).ends_with("fn"))
}

#[test]
fn every_snapshot_is_compared_by_a_test() {
    expect_none(orphans(&files().unwrap()));
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
