//! The top level shows the product and nothing else.
//!
//! **Invariant:** what git ignores and dotfiles are nobody's business here.

use std::fs;
use std::path::Path;

use crate::finding::{Finding, expect_none};
use crate::tree::ROOT;

const ALLOWED: &str = "the list in `TOP` of this rule, and dotfiles";

/// All of it, and all of it must be there.
const TOP: [&str; 11] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "harness",
    "justfile",
    "runtime",
    "sim-tests",
    "snapshots",
];

fn surprises(entries: &[String], ignored: &str) -> Vec<Finding> {
    let finding = |name: &str, what: &str| Finding {
        path: name.to_owned(),
        line: 1,
        what: what.to_owned(),
        allowed: ALLOWED,
    };
    let known = |name: &str| {
        TOP.contains(&name) || name.starts_with('.') || ignored.lines().any(|it| matches(it, name))
    };
    let surplus = entries
        .iter()
        .filter(|name| !known(name))
        .map(|name| finding(name, "an unknown entry at the top level"));
    let missing = TOP
        .iter()
        .filter(|name| !entries.iter().any(|entry| entry == *name))
        .map(|name| finding(name, "missing at the top level"));
    surplus.chain(missing).collect()
}

/// Whether a line of `.gitignore` is about an entry of the top level: one star at most is known.
fn matches(ignored: &str, name: &str) -> bool {
    let pattern = ignored.trim().trim_start_matches('/').trim_end_matches('/');
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}

#[test]
fn the_top_level_shows_the_product() {
    let entries: Vec<String> = fs::read_dir(ROOT)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let ignored = fs::read_to_string(Path::new(ROOT).join(".gitignore")).unwrap();
    expect_none(surprises(&entries, &ignored));
}

#[test]
fn an_entry_too_many_and_one_too_few_are_found() {
    let entries = |change: &[&str]| -> Vec<String> {
        let all = TOP.iter().filter(|name| !change.contains(name));
        let added = change.iter().filter(|name| !TOP.contains(name));
        all.chain(added).map(|name| (*name).to_owned()).collect()
    };
    let found = |change: &[&str]| {
        let findings = surprises(&entries(change), "/target\n*.snap.new\nmutants.out*\n");
        findings
            .into_iter()
            .map(|it| format!("{}: {}", it.path, it.what))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        found(&[".git", ".ci", "target", "a.snap.new", "mutants.out.old"]),
        [""; 0]
    );
    assert_eq!(
        found(&["notes.txt"]),
        ["notes.txt: an unknown entry at the top level"]
    );
    assert_eq!(
        found(&["targets"]),
        ["targets: an unknown entry at the top level"]
    );
    assert_eq!(
        found(&["README.md"]),
        ["README.md: missing at the top level"]
    );
}
