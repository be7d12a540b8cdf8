//! What the world of turmoil adds to the one in memory.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a fixture that cannot go on fails its test"
)]

#[path = "worlds/cases.rs"]
mod cases;
#[path = "turmoil/faults.rs"]
mod faults;
#[path = "turmoil/wire.rs"]
mod wire;

use lamplighter_sim::{Oracle, Run, Scenario, Turmoil, World};

/// Runs it, judged by every law while it does.
fn run(scenario: &Scenario) -> Run {
    let mut oracle = Oracle::new(scenario);
    let run = Turmoil::with_wire().run(scenario, &mut oracle).unwrap();
    if let Err(violation) = oracle.judge(&run) {
        panic!("{violation}\n{scenario:#?}\n{}", run.text());
    }
    run
}
