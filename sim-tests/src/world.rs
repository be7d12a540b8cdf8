//! Worlds: what a scenario is carried out in, and what comes of it.
//!
//! **Invariant:** a scenario that two worlds take gives the same lines of the server's life in both.

pub(crate) mod cast;
pub mod memory;
pub mod real;
mod same;
pub mod turmoil;

use std::ops::ControlFlow;
use std::time::Duration;

use lamplighter::{Report, Signal};

use crate::scenario::{Scenario, ScenarioError};
use crate::trace::{Entry, Text};

pub use memory::Memory;
pub use real::Real;
pub use turmoil::Turmoil;

/// Something that carries out scenarios.
pub trait World {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Carries `scenario` out from the call to the end of its life and of its clients.
    ///
    /// `observer` is shown each entry of the trace in the instant in which it was made, and can end the
    /// run.
    ///
    /// # Errors
    ///
    /// What the scenario says and cannot mean, or this world cannot do. Nothing was run then.
    fn run(&self, scenario: &Scenario, observer: &mut dyn Observer) -> Result<Run, ScenarioError>;
}

/// Sees a run as it happens.
pub trait Observer {
    /// Sees one entry; `Break` ends the run here.
    fn sees(&mut self, entry: &Entry) -> ControlFlow<()>;
}

/// Sees everything and minds nothing.
impl Observer for () {
    fn sees(&mut self, _: &Entry) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run {
    /// What everybody saw.
    pub trace: Vec<Entry>,
    /// The server's report, once its life was over.
    pub report: Option<Report>,
    /// How the run ended.
    pub end: RunEnd,
    /// How many tasks were left on the server's runtime; `None` where the world cannot tell.
    pub tasks_left: Option<usize>,
    /// Why there was no server to be run: the code that makes it failed.
    pub unmade: Option<String>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// The life is over, and every client is done.
    Done,
    /// The life is over; these many clients would have gone on for ever.
    ClientsLeft(usize),
    /// The server does not end, whatever it is told.
    Stuck,
    /// The observer has seen enough.
    Broken,
}

impl Run {
    /// What came of a run.
    #[must_use]
    pub const fn new(trace: Vec<Entry>, report: Option<Report>, end: RunEnd) -> Self {
        Self {
            trace,
            report,
            end,
            tasks_left: None,
            unmade: None,
        }
    }

    /// The whole trace as text.
    #[must_use]
    pub fn text(&self) -> String {
        Text::new(&self.trace).to_string()
    }

    /// The lines that every world agrees on.
    #[must_use]
    pub fn lifecycle(&self) -> String {
        Text::lifecycle(&self.trace).to_string()
    }
}

/// What a world does about a server that nobody brings to its end: three signals, each after some
/// patience. Then it gives up.
#[derive(Clone, Copy, Debug)]
pub struct Rescue {
    patience: Duration,
    sent: u8,
    next: Duration,
}

/// How long after the last thing of a scenario the world waits before it ends the server itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long after the end of the server its clients have to come to theirs.
pub const AFTERMATH: Duration = Duration::from_secs(60);

/// What is to be done about a server that does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rescued {
    /// It is to get this signal.
    By(Signal),
    /// Nothing helps.
    Stuck,
}

impl Rescue {
    /// For a scenario whose last client or act comes at `ends`.
    #[must_use]
    pub fn new(scenario: &Scenario, ends: Duration) -> Self {
        // More than any stop may take, so that one that is under way is let be.
        let patience = PATIENCE + scenario.plan.total();
        Self {
            patience,
            sent: 0,
            next: ends + patience,
        }
    }

    /// When something is to be done next, in the time that `ends` was given in.
    #[must_use]
    pub const fn next(&self) -> Duration {
        self.next
    }

    /// What is to be done; to be called when its time has come.
    pub fn take(&mut self) -> Rescued {
        self.next += self.patience;
        self.sent += 1;
        if self.sent > 3 {
            Rescued::Stuck
        } else {
            Rescued::By(Signal::Sigterm)
        }
    }
}
