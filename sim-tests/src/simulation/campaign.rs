//! Many cases of one service: drawn by lot, judged, the first failing one made small.
//!
//! **Invariant:** a case is a function of its seed and of what the simulation was told.

use std::ffi::OsStr;
use std::ops::Range;

use super::{Failure, Place, Service, Simulation};
use crate::campaign::WorldName;
use crate::oracle::Violation;
use crate::scenario::{Client, ClientDoes, Scenario};
use crate::shrink::shrink;
use crate::strategy::{Case, Swarm, Switch};
use crate::world::Run;

/// Set to a number, the environment variable that makes every campaign run that one case alone.
pub(super) const SEED: &str = "SIM_SEED";

/// How many runs making a case small may take.
const RUNS: u32 = 5_000;

/// One case in so many is run twice, to see whether its trace is the same.
const TWICE: u64 = 16;

/// The law that a case run twice is held against.
const SAME: &str = "the same case gives the same trace";

/// How long after the one before it a visitor comes, at most, in milliseconds.
const SOON: u32 = 200;

/// How many visitors come in any case, beside those that are drawn.
const MORE: usize = 2;

type Verdict = Result<Run, super::Broken>;

/// A campaign in which every case passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// How many cases were run.
    pub cases: u64,
    /// How many things were seen in them.
    pub entries: u64,
}

/// What may befall a service of somebody's own, of which nothing is known but that it is a server.
const BEFALLS: [Switch; 26] = [
    Switch::Watch,
    Switch::Silent,
    Switch::Halfway,
    Switch::Mute,
    Switch::Probe,
    Switch::Crowd,
    Switch::Signals,
    Switch::MoreSignals,
    Switch::Stops,
    Switch::Forces,
    Switch::Drains,
    Switch::Holds,
    Switch::Partitions,
    Switch::Crashes,
    Switch::AcceptErrors,
    Switch::BrokenListener,
    Switch::Freezes,
    Switch::Latency,
    Switch::NarrowLine,
    Switch::Http1,
    Switch::Http2,
    Switch::Grpc,
    Switch::Websocket,
    Switch::Events,
    Switch::Idle,
    Switch::Reset,
];

impl Simulation {
    /// Runs the case of each of these numbers: visitors and clients that misbehave come, signals,
    /// calls and faults befall, all by lot. Hosts, visitors and laws are those of this simulation; the
    /// line, clients and acts that it was told are not used.
    ///
    /// Returns the first failure, made small. With `SIM_SEED=17` in the environment only the case of
    /// that number is run, by every campaign of the tests that see it.
    ///
    /// # Errors
    ///
    /// A law was broken, or `SIM_SEED` is something else than a number.
    pub fn campaign(
        &self,
        seeds: Range<u64>,
        service: impl Service + 'static,
    ) -> Result<Summary, Box<Failure>> {
        let service = super::shared(service);
        let only = only(std::env::var_os(SEED).as_deref()).map_err(|what| {
            Box::new(Failure {
                seed: None,
                violation: Violation {
                    law: "every case can be carried out".to_owned(),
                    what,
                    at: None,
                },
                scenario: self.case.clone(),
                trace: Vec::new(),
                runs: 0,
                test: test(),
            })
        })?;
        let seeds = only.map_or(seeds, |seed| seed..seed.saturating_add(1));
        let mut summary = Summary {
            cases: 0,
            entries: 0,
        };
        for seed in seeds {
            let case = self.draw(seed);
            let judge = |law: Option<&str>, case: &Scenario| -> Verdict {
                let is_twice = law.map_or(seed.is_multiple_of(TWICE), |law| law == SAME);
                let first = self.played(case, &service)?;
                if is_twice {
                    same(&first, &self.played(case, &service)?)?;
                }
                Ok(first)
            };
            match judge(None, &case) {
                Ok(run) => {
                    summary.cases += 1;
                    summary.entries += run.trace.len() as u64;
                }
                Err((violation, trace)) => {
                    let law = violation.law.clone();
                    let mut last = (violation, trace);
                    let shrunk = shrink(&case, RUNS, |case| {
                        let broken = judge(Some(&law), case).err();
                        let broken = broken.filter(|(violation, _)| violation.law == law);
                        let is_broken = broken.is_some();
                        if let Some(broken) = broken {
                            last = broken;
                        }
                        is_broken
                    });
                    let (violation, trace) = last;
                    return Err(Box::new(Failure {
                        seed: Some(seed),
                        violation,
                        scenario: shrunk.smallest,
                        trace,
                        runs: shrunk.runs,
                        test: test(),
                    }));
                }
            }
        }
        Ok(summary)
    }

    /// The case that this number stands for.
    fn draw(&self, seed: u64) -> Scenario {
        let may = self.faults.bits() & Swarm::of(BEFALLS).bits();
        let drawn = Case::new(seed).swarm.bits();
        let drawn = Case::with(seed, Swarm::from_bits(drawn & may)).scenario;
        let mut lot = fastrand::Rng::with_seed(seed);
        let known = self.visitors_known();
        let visitor = |lot: &mut fastrand::Rng| match lot.u16(..).checked_rem(known) {
            Some(visitor) => ClientDoes::Own { visitor },
            None => ClientDoes::Silent,
        };
        let mut clients = drawn.clients;
        for client in &mut clients {
            // Whoever would ask the scripted application for something is a visitor here.
            if !is_rude(&client.does) {
                client.does = visitor(&mut lot);
            }
        }
        for _ in 0..MORE {
            clients.push(Client {
                gap_ms: lot.u32(..SOON),
                does: visitor(&mut lot),
                ..Client::default()
            });
        }
        let drawn = Scenario {
            seed,
            link: drawn.link,
            acts: drawn.acts,
            clients,
            from: drawn.from,
            ..Scenario::default()
        };
        let world = match self.place {
            Place::Memory => WorldName::Memory,
            Place::Turmoil => WorldName::Turmoil,
        };
        world.fit(seed, drawn)
    }
}

/// The one case that the environment asks for, if it does.
fn only(told: Option<&OsStr>) -> Result<Option<u64>, String> {
    let Some(told) = told else { return Ok(None) };
    let seed = told.to_str().and_then(|told| told.parse().ok());
    seed.map(Some).ok_or_else(|| {
        format!("{SEED} is {told:?}: it has to be the number of a case in decimal digits, as 17")
    })
}

/// The test that this is called from, as far as its thread knows.
fn test() -> Option<String> {
    let thread = std::thread::current();
    let name = thread.name().filter(|name| *name != "main");
    name.map(str::to_owned)
}

/// Whether a client does something to a server without asking its application for anything.
const fn is_rude(does: &ClientDoes) -> bool {
    matches!(
        does,
        ClientDoes::Watch
            | ClientDoes::Silent
            | ClientDoes::HalfHead
            | ClientDoes::HalfPreface
            | ClientDoes::NoSettingsAck
            | ClientDoes::NoPong
            | ClientDoes::Probe { .. }
    )
}

/// Compares two runs of one case.
fn same(first: &Run, second: &Run) -> Result<(), super::Broken> {
    let Some(what) = first.differs(second) else {
        return Ok(());
    };
    let violation = Violation {
        law: SAME.to_owned(),
        what,
        at: None,
    };
    Err((violation, first.trace.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_asks_for_one_case_by_its_number_or_is_told_what_is_wrong() {
        assert_eq!(only(None), Ok(None));
        assert_eq!(only(Some(OsStr::new("17"))), Ok(Some(17)));
        for wrong in ["0x0f", "", "-1", "seed"] {
            let said = only(Some(OsStr::new(wrong))).unwrap_err();
            assert!(
                said.starts_with(&format!("SIM_SEED is {wrong:?}:")),
                "{said}"
            );
        }
    }
}
