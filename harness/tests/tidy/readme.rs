//! The README shows code that compiles, and a timeline that comes from the core.
//!
//! **Invariant:** rustdoc judges the code, and a test of the core the timeline; here it is only made
//! sure that the README shows what they have seen.

use crate::finding::{Finding, expect_none, lines};
use crate::tree::{File, files};

const README: &str = "README.md";
const ALLOWED_BLOCK: &str = "at least one block that begins with ```rust";
const ALLOWED_KIND: &str =
    "```rust, ```rust,no_run where it would serve for ever, or a language that is not Rust";
const TIMELINE: &str = "snapshots/timeline__readme.snap";
const ALLOWED_TIMELINE: &str =
    "the lines of snapshots/timeline__readme.snap, all of them, as they are";
const ALLOWED_DOCTEST: &str = "`include_str!` of it as documentation in one `src/lib.rs`";

fn unproven_code(files: &[File]) -> Vec<Finding> {
    let Some(readme) = files.iter().find(|file| file.path == README) else {
        let nothing = File::new(README, "");
        return vec![nothing.finding(0, "no README", ALLOWED_BLOCK)];
    };
    let mut findings = Vec::new();
    let (mut at, mut open, mut blocks) = (0, false, 0);
    for line in readme.text.split_inclusive('\n') {
        if let Some(kind) = line.trim().strip_prefix("```") {
            open = !open;
            let mut kinds = kind.split(',').map(str::trim);
            let rust = matches!(kinds.next(), Some("rust" | ""));
            if open && rust {
                blocks += 1;
                // rustdoc takes a block without a language for Rust as well.
                if kind.is_empty() || kinds.any(|kind| kind != "no_run") {
                    let what = format!("a block that nothing proves: ```{}", kind.trim());
                    findings.push(readme.finding(at, what, ALLOWED_KIND));
                }
            }
        }
        at += line.len();
    }
    if blocks == 0 {
        findings.push(readme.finding(0, "no Rust code", ALLOWED_BLOCK));
    }
    if !files.iter().any(is_documented_by_readme) {
        findings.push(readme.finding(0, "code that is no doc test", ALLOWED_DOCTEST));
    }
    findings
}

/// The lines of a timeline, without what stands before and after them.
fn timeline(text: &str) -> String {
    let timed = text.lines().filter(|line| is_timed(line));
    timed.map(|line| format!("{line}\n")).collect()
}

/// Whether a line begins with a number of milliseconds.
fn is_timed(line: &str) -> bool {
    let number = line.split_once(" ms  ").map(|(number, _)| number.trim());
    number.is_some_and(|number| number.parse::<f64>().is_ok())
}

fn untrue_timeline(files: &[File]) -> Vec<Finding> {
    let Some(readme) = files.iter().find(|file| file.path == README) else {
        return Vec::new();
    };
    let shown = timeline(&readme.text);
    let printed = files.iter().find(|file| file.path == TIMELINE);
    let printed = printed.map_or_else(String::new, |file| timeline(&file.text));
    if shown.is_empty() || shown != printed {
        let at = readme.text.find(" ms  ").unwrap_or_default();
        return vec![readme.finding(at, "a timeline that nothing has printed", ALLOWED_TIMELINE)];
    }
    Vec::new()
}

fn is_documented_by_readme(file: &File) -> bool {
    file.path.ends_with("src/lib.rs")
        && file.code().text.contains("include_str!")
        && file
            .code()
            .literals
            .iter()
            .any(|it| it.ends_with("../README.md"))
}

#[test]
fn the_timeline_of_the_readme_is_the_one_that_the_core_prints() {
    expect_none(untrue_timeline(files().unwrap()));
}

#[test]
fn a_timeline_that_differs_from_the_snapshot_is_found() {
    let snapshot = "---\nsource: x\n---\n      0.000 ms  a\n      1.000 ms  b\n\nstopped\n";
    let found = |readme: &str| {
        let files = [File::new(README, readme), File::new(TIMELINE, snapshot)];
        untrue_timeline(&files).len()
    };
    assert_eq!(
        found("```text\n      0.000 ms  a\n      1.000 ms  b\n```\n"),
        0
    );
    assert_eq!(found("```text\n      0.000 ms  a\n```\n"), 1);
    assert_eq!(
        found("```text\n      0.000 ms  a\n      1.000 ms  c\n```\n"),
        1
    );
    assert_eq!(found("none\n"), 1);
}

#[test]
fn the_code_of_the_readme_is_tested() {
    expect_none(unproven_code(files().unwrap()));
}

#[test]
fn a_readme_whose_code_nothing_compiles_is_found() {
    let lib = "#[cfg(doctest)]\n#[doc = include_str!(\"../../README.md\")]\nmod readme {}\n";
    let code = "# x\n```rust\nlet a = 1;\n```\n";
    for (text, lib, found) in [
        (code, lib, vec![]),
        ("```rust,no_run\n```\n", lib, vec![]),
        (
            code,
            "//! include_str!(\"../../README.md\")\n",
            vec!["code that is no doc test"],
        ),
        ("# x\n```text\n```rust\n", lib, vec!["no Rust code"]),
        ("```sh\n```\n", lib, vec!["no Rust code"]),
        (
            "```rust,ignore\n```\n",
            lib,
            vec!["a block that nothing proves: ```rust,ignore"],
        ),
    ] {
        let files = [
            File::new(README, text),
            File::new("runtime/src/lib.rs", lib),
        ];
        let findings = unproven_code(&files);
        let what: Vec<&str> = findings
            .iter()
            .map(|finding| finding.what.as_str())
            .collect();
        assert_eq!(what, found, "{text}");
    }
    assert_eq!(unproven_code(&[]).len(), 1);
    let unnamed = File::new(README, "```rust\n```\n\n```\na map\n```\n");
    let files = [unnamed, File::new("runtime/src/lib.rs", lib)];
    assert_eq!(lines(&unproven_code(&files)), [4]);
}
