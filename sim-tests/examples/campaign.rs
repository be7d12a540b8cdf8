//! Runs the scenarios of many seeds in memory, under the oracle, and says which break a law.
//!
//! ```sh
//! cargo run --release -p lamplighter-sim --example campaign -- 0 10000
//! ```

use std::io::{self, Write};

use lamplighter_sim::{Memory, Oracle, Scenario, World};

fn main() -> io::Result<()> {
    let mut out = io::stdout();
    let numbers: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|number| number.parse().ok())
        .collect();
    let first = numbers.first().copied().unwrap_or_default();
    let many = numbers.get(1).copied().unwrap_or(1_000);
    let explain = many == 1;
    let mut broken = 0;
    for seed in first..first + many {
        let scenario = Scenario::draw(seed);
        let mut oracle = Oracle::new(&scenario);
        let run = Memory::default()
            .run(&scenario, &mut oracle)
            .map_err(io::Error::other)?;
        if explain {
            writeln!(out, "{scenario:#?}\n{}", run.text())?;
        }
        if let Err(violation) = oracle.judge(&run) {
            broken += 1;
            writeln!(out, "seed {seed}: {violation}")?;
        }
    }
    writeln!(out, "{many} seeds, {broken} broken")
}
