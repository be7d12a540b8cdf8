//! Looks for cases that break a law, by all laws at once: those of single runs, sameness, and pairs.
//!
//! ```sh
//! cargo run --release -p lamplighter-sim --example hunt -- --from 0 --most 2000
//! cargo run --release -p lamplighter-sim --example hunt -- --seed 7
//! ```
//!
//! The first form says, tab by tab, how many of the first cases that fail broke each law first, and by
//! which seed the first one did; then it makes the first case of all small: how many cases it took to
//! find it, how many runs to shrink it, and how many clients, faults and hooks are left of it. The
//! second tells all about one seed. `--laws` names the laws.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use lamplighter_sim::campaign::{Judge, SAME, WorldName};
use lamplighter_sim::oracle::paired::{Change, EXTRA_SIGNAL, FAILURE};
use lamplighter_sim::shrink::shrink;
use lamplighter_sim::strategy::Case;
use lamplighter_sim::trace::Text;
use lamplighter_sim::{Bind, Memory, Oracle, Scenario, Start, World};

/// How many runs the shrinking of a case may take.
const RUNS: u32 = 20_000;

/// How often a seed is tried that somebody asks for: what differs by chance does not differ each time.
const TRIES: usize = 20;

/// How many cases that break a law are enough: they show which laws there are to be broken.
const ENOUGH: u64 = 3;

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1)?.parse::<u64>().ok()
    };
    // Those of planted bugs are verdicts, too.
    std::panic::set_hook(Box::new(|_| {}));
    let mut out = io::stdout();
    if arguments.iter().any(|argument| argument == "--laws") {
        return laws(&mut out);
    }
    let judge = Judge::new(WorldName::Memory);
    if let Some(seed) = number("--seed") {
        return one(&judge, seed, &mut out);
    }
    let (from, most) = (
        number("--from").unwrap_or(0),
        number("--most").unwrap_or(2_000),
    );
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut first = None;
    for seed in from..from + most {
        let case = Case::new(seed);
        let Some(violation) = broken(&judge, &case.scenario) else {
            continue;
        };
        let (_, times) = found.entry(violation.law.clone()).or_insert((seed, 0));
        *times += 1;
        first.get_or_insert((seed, case.scenario, violation));
        if found.values().map(|(_, times)| times).sum::<u64>() >= ENOUGH {
            break;
        }
    }
    for (law, (seed, times)) in &found {
        writeln!(out, "law\t{law}\t{times}\t{seed}")?;
    }
    let Some((seed, scenario, violation)) = first else {
        writeln!(out, "none\t{most}")?;
        return Ok(ExitCode::SUCCESS);
    };
    let shrunk = shrink(&scenario, RUNS, |candidate| {
        breaks(&judge, &violation.law, candidate)
    });
    writeln!(
        out,
        "first\t{}\t{seed}\t{}\t{}\t{}\t{}",
        violation.law,
        seed - from + 1,
        shrunk.runs,
        size(&shrunk.smallest),
        shrunk.minimal
    )?;
    let replay = "cargo run --release -p lamplighter-sim --example hunt -- --seed";
    writeln!(out, "replay\t{replay} {seed}")?;
    Ok(ExitCode::FAILURE)
}

fn laws(out: &mut dyn Write) -> io::Result<ExitCode> {
    let oracle = Oracle::new(&Scenario::default());
    for law in oracle.laws().chain([SAME, EXTRA_SIGNAL, FAILURE]) {
        writeln!(out, "{law}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The clients, faults and hooks of a case: what a person has to think of at once. What the server's own
/// code does otherwise than well counts as a fault, beside what befalls it.
fn size(scenario: &Scenario) -> usize {
    let Start {
        call: _,
        bind,
        checks,
    } = &scenario.start;
    let own = checks.len() + usize::from(*bind != Bind::Ok);
    let code = scenario.workers.len() + scenario.callbacks.len();
    scenario.clients.len() + scenario.acts.len() + scenario.hooks.len() + own + code
}

/// A law that a case breaks, and how.
struct Broken {
    law: String,
    how: String,
}

/// The first law that a case breaks.
fn broken(judge: &Judge, scenario: &Scenario) -> Option<Broken> {
    let verdict = if scenario.seed.is_multiple_of(8) {
        judge.judge_twice(scenario)
    } else {
        judge.judge(scenario)
    };
    let violation = verdict.violation.map(|violation| Broken {
        law: violation.law.to_string(),
        how: violation.to_string(),
    });
    violation.or_else(|| paired(scenario, |_| true))
}

/// The first change of a case, of those that count, that breaks its law.
fn paired(scenario: &Scenario, counts: impl Fn(Change) -> bool) -> Option<Broken> {
    let world = Memory::default();
    let base = world.run(scenario, &mut ()).ok()?;
    let mut changes = Change::all(scenario)
        .into_iter()
        .filter(|change| counts(*change));
    let violation = changes.find_map(|change| {
        let held = change.judge_against(&base, &world, scenario).ok()?;
        held.err()
    })?;
    Some(Broken {
        how: violation.to_string(),
        law: violation.law,
    })
}

fn breaks(judge: &Judge, law: &str, scenario: &Scenario) -> bool {
    if law == EXTRA_SIGNAL || law == FAILURE {
        return paired(scenario, |change| change.law() == law).is_some();
    }
    let verdict = judge.judge_by(law, scenario);
    verdict
        .violation
        .is_some_and(|violation| violation.law == law)
}

fn one(judge: &Judge, seed: u64, out: &mut dyn Write) -> io::Result<ExitCode> {
    let case = Case::new(seed);
    let mut tries = (0..TRIES).filter_map(|_| broken(judge, &case.scenario));
    let Some(violation) = tries.next() else {
        writeln!(out, "{:#?}\n\nseed {seed} keeps every law", case.scenario)?;
        return Ok(ExitCode::SUCCESS);
    };
    writeln!(out, "seed {seed}: {}\n", violation.how)?;
    let shrunk = shrink(&case.scenario, RUNS, |candidate| {
        breaks(judge, &violation.law, candidate)
    });
    let trace = judge.judge(&shrunk.smallest).trace;
    let again = broken(judge, &shrunk.smallest).unwrap_or(violation);
    writeln!(
        out,
        "smallest case, after {} runs:\n\n{:#?}\n\n{}\n\n{}",
        shrunk.runs,
        shrunk.smallest,
        again.how,
        Text::new(&trace)
    )?;
    Ok(ExitCode::FAILURE)
}
