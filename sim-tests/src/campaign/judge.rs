//! Runs a case and says whether it went as it must.
//!
//! **Invariant:** a panic anywhere in a run is a verdict, not the end of the campaign.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use super::panics::caught;
use super::worlds::WorldName;
use crate::oracle::{Oracle, Violation};
use crate::scenario::Scenario;
use crate::trace::Entry;
use crate::world::{Observer, RunEnd};

/// The law that a case run twice is held against.
pub const SAME: &str = "the same case gives the same trace";

/// Runs cases and judges them.
#[derive(Clone)]
pub struct Judge {
    world: WorldName,
    laws: Option<Laws>,
}

/// Adds laws to those that hold for every life.
type Laws = Arc<dyn Fn(Oracle, &Scenario) -> Oracle + Send + Sync>;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What everybody saw; nothing where the run panicked.
    pub trace: Vec<Entry>,
    /// What went wrong, if anything did.
    pub violation: Option<Violation>,
}

impl Judge {
    /// In this world, by the laws that hold for every life.
    #[must_use]
    pub const fn new(world: WorldName) -> Self {
        Self { world, laws: None }
    }

    /// By more laws than these: `laws` adds them to the oracle of each case.
    #[must_use]
    pub fn with(
        mut self,
        laws: impl Fn(Oracle, &Scenario) -> Oracle + Send + Sync + 'static,
    ) -> Self {
        self.laws = Some(Arc::new(laws));
        self
    }

    /// The world that it runs cases in.
    #[must_use]
    pub const fn world(&self) -> WorldName {
        self.world
    }

    /// Runs a case once.
    #[must_use]
    pub fn judge(&self, scenario: &Scenario) -> Verdict {
        let run = caught(|| self.judged(scenario));
        run.unwrap_or_else(|panic| Verdict {
            trace: self.until_the_panic(scenario),
            violation: Some(broken("no panic", panic)),
        })
    }

    fn judged(&self, scenario: &Scenario) -> Verdict {
        let mut oracle = Oracle::new(scenario);
        if let Some(laws) = &self.laws {
            oracle = laws(oracle, scenario);
        }
        match self.world.run(scenario, &mut oracle) {
            Ok(run) => {
                let stuck = run.end == RunEnd::Stuck;
                let stuck =
                    stuck.then(|| broken("every life ends", "three signals did not end it"));
                Verdict {
                    violation: oracle.judge(&run).err().or(stuck),
                    trace: run.trace,
                }
            }
            Err(error) => Verdict {
                trace: Vec::new(),
                violation: Some(broken("every case can be run", error.to_string())),
            },
        }
    }

    /// What is seen of a run that panics: it is run once more.
    fn until_the_panic(&self, scenario: &Scenario) -> Vec<Entry> {
        let seen = Mutex::default();
        drop(caught(|| self.world.run(scenario, &mut Notes(&seen))));
        seen.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a case once more, to see whether it breaks this law.
    #[must_use]
    pub fn judge_by(&self, law: &str, scenario: &Scenario) -> Verdict {
        if law == SAME {
            self.judge_twice(scenario)
        } else {
            self.judge(scenario)
        }
    }

    /// Runs a case twice, with every byte on the wire, and once more if these were the same, their
    /// reports included.
    #[must_use]
    pub fn judge_twice(&self, scenario: &Scenario) -> Verdict {
        let wired = || caught(|| self.world.run_with_wire(scenario));
        if let (Ok(Ok(first)), Ok(Ok(second))) = (wired(), wired())
            && let Some(how) = first.differs(&second)
        {
            return Verdict {
                trace: first.trace,
                violation: Some(broken(SAME, how)),
            };
        }
        self.judge(scenario)
    }
}

/// Notes down all that it sees.
struct Notes<'a>(&'a Mutex<Vec<Entry>>);

impl Observer for Notes<'_> {
    fn sees(&mut self, entry: &Entry) -> ControlFlow<()> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(entry.clone());
        ControlFlow::Continue(())
    }
}

fn broken(law: &str, what: impl Into<String>) -> Violation {
    Violation {
        law: law.to_owned(),
        what: what.into(),
        at: None,
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge")
            .field("world", &self.world)
            .finish_non_exhaustive()
    }
}
