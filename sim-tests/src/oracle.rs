//! The laws that every life keeps, checked at each entry of a trace, in the instant in which it is
//! made.
//!
//! Each is held against bugs that are planted for it: `sim-tests/bugs/README.md` says which law says
//! what, and which bug it has found.
//!
//! **Invariant:** a law knows the scenario and the trace, and nothing of the world or of the runtime's
//! insides, so that it judges every world alike.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each law picks out what it is about; the others are nothing to it"
)]

mod accepting;
mod accounts;
mod budget;
mod clock;
mod connections;
mod health;
mod heard;
mod hook_time;
mod hooks;
mod idling;
mod last;
mod leftovers;
mod liveness;
pub mod paired;
mod phases;
mod report;
mod requests;
mod shares;
mod told;
mod work;

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::scenario::{Budget, Scenario};
use crate::trace::{Entry, Text};
use crate::world::{Observer, Run, RunEnd};

/// A window that is filled by large bodies alone: all that stands around them is sent at once.
const WIDE: u32 = 64 * 1024;

/// Something that holds for every life.
///
/// Users bring their own for what their service promises.
pub trait Invariant {
    /// What it is called.
    fn name(&self) -> &str;

    /// Sees the next entry.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with its numbers.
    fn event(&mut self, entry: &Entry) -> Result<(), String>;

    /// Sees the end, after the last entry.
    ///
    /// # Errors
    ///
    /// What is wrong, with its numbers.
    fn end(&mut self, end: &End<'_>) -> Result<(), String> {
        let _ = end;
        Ok(())
    }
}

/// The end of a run, as a law sees it.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// What was run.
    pub scenario: &'a Scenario,
    /// What came of it.
    pub run: &'a Run,
}

/// Checks the laws while a scenario runs.
pub struct Oracle {
    scenario: Scenario,
    laws: Vec<Box<dyn Invariant>>,
    broken: Option<Violation>,
}

/// A law that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which law.
    pub law: String,
    /// What is wrong.
    pub what: String,
    /// How long the run had lasted; `None` if it is about the run as a whole.
    pub at: Option<Duration>,
}

impl Oracle {
    /// With every law that holds for all scenarios.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let laws: Vec<Box<dyn Invariant>> = vec![
            Box::new(phases::Phases::default()),
            Box::new(last::LastEvent::default()),
            Box::new(health::Health::new(scenario)),
            Box::new(requests::Requests::new(scenario)),
            Box::new(connections::Connections::new(scenario)),
            Box::new(connections::Goodbyes::new(scenario)),
            Box::new(hooks::Hooks::new(scenario)),
            Box::new(hook_time::HookTime::new(scenario)),
            Box::new(budget::Budget::new(scenario)),
            Box::new(shares::Shares::new(scenario)),
            Box::new(accounts::Accounts::new(scenario)),
            Box::new(report::ReportLaw::default()),
            Box::new(work::Work::new(scenario)),
            Box::new(heard::Heard::default()),
            Box::new(idling::NoIdling::new(scenario)),
            Box::new(leftovers::Leftovers::new(scenario)),
            Box::new(accepting::Accepting::new(scenario)),
            Box::new(liveness::Liveness::new(scenario)),
        ];
        Self {
            scenario: scenario.clone(),
            laws,
            broken: None,
        }
    }

    /// With the laws that hold for every server, whatever it is: all that a service of somebody's own
    /// can be held against, of which the scenario says only what befalls it.
    #[must_use]
    pub fn of_any_server(scenario: &Scenario) -> Self {
        Self {
            scenario: scenario.clone(),
            laws: vec![
                Box::new(phases::Phases::default()),
                Box::new(last::LastEvent::default()),
                Box::new(connections::Connections::of_any_server()),
                Box::new(heard::Heard::default()),
                Box::new(report::ReportLaw::default()),
            ],
            broken: None,
        }
    }

    /// With one more.
    #[must_use]
    pub fn and(mut self, law: impl Invariant + 'static) -> Self {
        self.laws.push(Box::new(law));
        self
    }

    /// The law that was broken so far, if one was.
    #[must_use]
    pub const fn broken(&self) -> Option<&Violation> {
        self.broken.as_ref()
    }

    /// What its laws are called.
    pub fn laws(&self) -> impl Iterator<Item = &str> {
        self.laws.iter().map(|law| law.name())
    }

    /// Judges the run that it has seen.
    ///
    /// # Errors
    ///
    /// The first law that was broken.
    pub fn judge(mut self, run: &Run) -> Result<(), Violation> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        if run.end == RunEnd::Broken {
            // Somebody else has ended it, in the middle.
            return Ok(());
        }
        let end = End {
            scenario: &self.scenario,
            run,
        };
        for law in &mut self.laws {
            if let Err(what) = law.end(&end) {
                return Err(Violation {
                    law: law.name().to_owned(),
                    what,
                    at: None,
                });
            }
        }
        Ok(())
    }
}

impl Observer for Oracle {
    fn sees(&mut self, entry: &Entry) -> ControlFlow<()> {
        for law in &mut self.laws {
            if let Err(what) = law.event(entry) {
                self.broken.get_or_insert(Violation {
                    law: law.name().to_owned(),
                    what,
                    at: Some(entry.at),
                });
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

impl fmt::Debug for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let laws: Vec<&str> = self.laws().collect();
        f.debug_struct("Oracle")
            .field("laws", &laws)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

/// The plan that a server goes by: where it refuses its own, what it has by default.
fn plan(scenario: &Scenario) -> Budget {
    if scenario.plan.plan().check().is_ok() {
        scenario.plan
    } else {
        Budget::default()
    }
}

/// When a timer for `at` rings: they know whole milliseconds only, and are never early.
fn rings(at: Duration) -> Duration {
    const TICK: u128 = 1_000_000;
    let ticks = u64::try_from(at.as_nanos().div_ceil(TICK)).unwrap_or(u64::MAX);
    Duration::from_millis(ticks)
}

/// How many lines of a trace are shown with a violation.
const SHOWN: usize = 30;

impl Violation {
    /// What a person wants to see: the law, the last lines of the trace, and the scenario to paste.
    #[must_use]
    pub fn explain(&self, scenario: &Scenario, run: &Run) -> String {
        let from = run.trace.len().saturating_sub(SHOWN);
        let last = run.trace.get(from..).unwrap_or_default();
        format!("{self}\n\n{}\n{scenario:#?}", Text::new(last))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.law, self.what)?;
        match self.at {
            Some(at) => write!(f, " (at {at:?})"),
            None => f.write_str(" (at the end)"),
        }
    }
}
