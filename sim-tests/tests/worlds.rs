//! One scenario in several worlds: the same lines of the server's life.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a fixture that cannot go on fails its test"
)]

#[path = "worlds/cases.rs"]
mod cases;

use lamplighter::{Report, Tally};
use lamplighter_sim::{Memory, Oracle, Run, RunEnd, Scenario, Turmoil, World};

/// How many scenarios are run in both worlds.
const CASES: u64 = 100;

/// Runs it, judged by every law while it does.
fn run(world: &impl World, scenario: &Scenario) -> Run {
    let mut oracle = Oracle::new(scenario);
    let run = world.run(scenario, &mut oracle).unwrap();
    if let Err(violation) = oracle.judge(&run) {
        let name = world.name();
        panic!(
            "in the {name} world: {violation}\n{scenario:#?}\n{}",
            run.text()
        );
    }
    run
}

/// What the worlds have to agree on.
fn agreed(run: &Run) -> (String, RunEnd, Option<(u64, Tally)>) {
    let connections = run.report.as_ref().map(Report::connections);
    let accounts = connections.map(|it| (it.accepted, it.tally));
    (run.lifecycle(), run.end, accounts)
}

/// What came of it in memory; or else what differs between the worlds.
fn same(scenario: &Scenario) -> Result<Run, String> {
    let memory = run(&Memory::default(), scenario);
    let turmoil = run(&Turmoil::default(), scenario);
    if agreed(&memory) == agreed(&turmoil) {
        return Ok(memory);
    }
    Err(format!(
        "{scenario:#?}\nin memory, {:?}:\n{}\nin turmoil, {:?}:\n{}",
        memory.end,
        memory.text(),
        turmoil.end,
        turmoil.text()
    ))
}

#[test]
fn a_scenario_gives_the_same_lines_of_a_life_in_memory_and_in_turmoil() {
    let (mut tied, mut answered, mut cut) = (0, 0, 0);
    for number in 0..CASES {
        let mut scenario = cases::case(number);
        let run = same(&scenario).unwrap_or_else(|difference| {
            // Two things that come in one instant come in either order; a millisecond keeps them
            // apart.
            tied += 1;
            scenario.acts.first_mut().unwrap().gap_ms += 1;
            let apart = same(&scenario);
            apart.unwrap_or_else(|_| panic!("case {number}: {difference}"))
        });
        let tally = run.report.unwrap().connections().tally;
        answered += tally.answered;
        cut += tally.cut;
    }
    assert!(tied <= CASES / 20, "{tied} of {CASES} hang on one instant");
    // Not lives in which nothing happens.
    assert!(answered > 2 * CASES, "{answered} answered");
    assert!(cut > CASES / 10, "{cut} cut");
}
