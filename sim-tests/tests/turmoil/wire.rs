//! What passed on the wire is part of a trace. That the same case gives the same one is
//! `determinism.rs`.

use super::{cases, run};

/// How many scenarios are looked at.
const CASES: u64 = 20;

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
