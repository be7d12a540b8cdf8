//! The same scenario gives the same trace, what passed on the wire included: again, and in another
//! process.

use std::io::{self, Write};
use std::process::Command;

use lamplighter_sim::trace::wire_hash;

use super::{cases, run};

/// How many scenarios are compared.
const CASES: u64 = 20;

/// Set where this test runs as the other process of itself.
const CHILD: &str = "LAMPLIGHTER_SIM_OTHER_TURMOIL";

/// What stands before a hash in what the other process prints.
const MARK: &str = "trace: ";

fn hashes() -> Vec<String> {
    let texts = (0..CASES).map(|number| run(&cases::case(number)).text());
    texts
        .map(|text| format!("{:016x}", wire_hash(text.as_bytes())))
        .collect()
}

#[test]
fn a_scenario_gives_the_same_bytes_again_and_in_another_process() {
    let first = hashes();
    if std::env::var_os(CHILD).is_some() {
        for hash in first {
            writeln!(io::stdout(), "{MARK}{hash}").unwrap();
        }
        return;
    }
    assert_eq!(first, hashes());
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "same::a_scenario_gives_the_same_bytes_again_and_in_another_process",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&child.stdout);
    // The harness of the tests may have left its own words on the first line.
    let theirs: Vec<&str> = printed
        .lines()
        .filter_map(|line| line.split_once(MARK).map(|(_, hash)| hash))
        .collect();
    assert_eq!(theirs, first, "{printed}");
    let mut different = first.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), first.len());
}

#[test]
fn what_passes_on_the_wire_is_part_of_it() {
    let texts = (0..CASES).map(|number| run(&cases::case(number)).text());
    let all: String = texts.collect();
    let seen = |what: &str| {
        let mut lines = all.lines().filter(|line| line.contains("wire#"));
        lines.any(|line| line.contains(what))
    };
    for what in [
        " accepted client#",
        " read ",
        " wrote ",
        " read fin",
        " wrote fin",
        " closed",
        " aborted",
    ] {
        assert!(seen(what), "{what}");
    }
}
