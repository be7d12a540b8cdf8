//! The same case gives the same trace, what passed on the wire included: again, in another process, and
//! in a build of another profile.
//!
//! The snapshot `determinism__*.snap` has a hash of each trace, which every build is held against. A
//! change that is meant to change what happens, or what is sent, changes them too: `just accept` takes
//! the new ones, once two runs agree on them.

#![expect(
    clippy::unwrap_used,
    reason = "a case that cannot be run fails its test"
)]

#[path = "determinism/everything.rs"]
mod everything;

use std::fmt::Write;
use std::io::{self, Write as _};
use std::process::Command;

use everything::everything;
use lamplighter_sim::strategy::Case;
use lamplighter_sim::trace::wire_hash;
use lamplighter_sim::{Memory, Run, RunEnd, Scenario, Turmoil, World};

/// How many cases are compared.
const SEEDS: u64 = 20;

/// Set where a test runs as the other process of itself.
const CHILD: &str = "LAMPLIGHTER_SIM_OTHER_PROCESS";

/// What stands before each line that the other process has for this one.
const MARK: &str = "trace: ";

fn text(world: &dyn World, scenario: &Scenario) -> String {
    world.run(scenario, &mut ()).unwrap().text()
}

/// A line for each of these cases: its number, and a hash of all that was seen in it.
fn hashes(trace: impl Fn(u64) -> String) -> String {
    let mut lines = String::new();
    for seed in 0..SEEDS {
        let hash = wire_hash(trace(seed).as_bytes());
        writeln!(lines, "case {seed:>2}  {hash:016x}").unwrap();
    }
    lines
}

/// Cases with one of everything, in memory.
fn in_memory() -> String {
    hashes(|seed| text(&Memory::with_wire(), &everything(seed)))
}

/// The same ones in turmoil.
fn in_turmoil() -> String {
    hashes(|seed| text(&Turmoil::with_wire(), &everything(seed)))
}

/// Cases drawn by lot, in memory.
fn by_lot() -> String {
    hashes(|seed| text(&Memory::with_wire(), &Case::new(seed).scenario))
}

/// Compares `hashes` with those that are written down.
fn compare(name: &str, hashes: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, hashes));
}

/// Compares two runs of each case with each other, and both with what is written down.
fn again(name: &str, run: fn() -> String) {
    let first = run();
    assert_eq!(first, run());
    let mut different: Vec<&str> = first
        .lines()
        .filter_map(|it| it.split("  ").last())
        .collect();
    different.sort_unstable();
    different.dedup();
    // In two that are drawn the same may happen: next to nothing.
    assert!(different.len() > SEEDS as usize * 3 / 4, "{first}");
    compare(name, &first);
}

/// Compares what this test says of itself in another process with what is written down.
fn elsewhere(test: &str, name: &str, run: fn() -> String) {
    if std::env::var_os(CHILD).is_some() {
        let mut out = io::stdout();
        for line in run().lines() {
            writeln!(out, "{MARK}{line}").unwrap();
        }
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&child.stdout);
    // The harness of the tests may have left its own words on the first line.
    let theirs = printed
        .lines()
        .filter_map(|line| line.split_once(MARK).map(|(_, line)| format!("{line}\n")));
    compare(name, &theirs.collect::<String>());
}

#[test]
fn the_same_case_gives_the_same_bytes_in_memory() {
    again("determinism__in_memory", in_memory);
}

#[test]
fn the_same_case_gives_the_same_bytes_in_turmoil() {
    again("determinism__in_turmoil", in_turmoil);
}

#[test]
fn the_same_number_gives_the_same_case_and_the_same_bytes() {
    again("determinism__by_lot", by_lot);
}

#[test]
fn another_process_gives_the_same_bytes_in_memory() {
    let test = "another_process_gives_the_same_bytes_in_memory";
    elsewhere(test, "determinism__in_memory", in_memory);
}

#[test]
fn another_process_gives_the_same_bytes_in_turmoil() {
    let test = "another_process_gives_the_same_bytes_in_turmoil";
    elsewhere(test, "determinism__in_turmoil", in_turmoil);
}

#[test]
fn another_process_gives_the_same_case_and_the_same_bytes() {
    let test = "another_process_gives_the_same_case_and_the_same_bytes";
    elsewhere(test, "determinism__by_lot", by_lot);
}

#[test]
fn a_case_with_one_of_everything_runs_to_its_end_and_the_wire_is_part_of_it() {
    for world in [&Memory::with_wire() as &dyn World, &Turmoil::with_wire()] {
        let run: Run = world.run(&everything(0), &mut ()).unwrap();
        assert_eq!(run.end, RunEnd::Done, "{}", run.text());
        assert!(run.text().contains("wire#1        read "), "{}", run.text());
        let report = run.report.unwrap();
        assert!(report.is_complete());
        assert_eq!(report.connections().open, 0);
    }
}
