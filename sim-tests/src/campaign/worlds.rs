//! The worlds that a campaign can be in, by their names.
//!
//! **Invariant:** every case that is drawn can be run in each of them: what one of them cannot do is
//! refused by it, and that is a failure of the campaign.

use crate::scenario::{Act, ActDoes, Scenario, ScenarioError};
use crate::strategy::Case;
use crate::world::{Memory, Observer, Run, Turmoil, World};

/// A world by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorldName {
    /// The one in memory.
    Memory,
    /// The one of turmoil.
    Turmoil,
}

impl WorldName {
    pub(super) const ALL: [Self; 2] = [Self::Memory, Self::Turmoil];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Turmoil => "turmoil",
        }
    }

    /// The case that this number stands for there. In turmoil, what has a line without latency has one
    /// of 1 ms, since it knows no other, and every other case has jumps of the server's clock where it
    /// has freezes in memory, where there is one clock for all. All else is the same.
    #[must_use]
    pub fn case(self, seed: u64) -> Case {
        let mut case = Case::new(seed);
        case.scenario = self.fit(seed, case.scenario);
        case
    }

    /// What was drawn from this number, as it can be there: see [`case`](Self::case).
    pub(crate) fn fit(self, seed: u64, mut drawn: Scenario) -> Scenario {
        if self == Self::Turmoil {
            drawn.link.latency_ms = drawn.link.latency_ms.max(1);
            if seed % 2 == 1 {
                drawn.acts.iter_mut().for_each(jumps);
            }
        }
        drawn
    }

    /// Carries a case out there.
    pub(super) fn run(
        self,
        scenario: &Scenario,
        observer: &mut dyn Observer,
    ) -> Result<Run, ScenarioError> {
        match self {
            Self::Memory => Memory::default().run(scenario, observer),
            Self::Turmoil => Turmoil::default().run(scenario, observer),
        }
    }

    /// As [`run`](Self::run), with every read and write of the server.
    pub(super) fn run_with_wire(self, scenario: &Scenario) -> Result<Run, ScenarioError> {
        match self {
            Self::Memory => Memory::with_wire().run(scenario, &mut ()),
            Self::Turmoil => Turmoil::with_wire().run(scenario, &mut ()),
        }
    }
}

/// Has the clock jump where everybody would have been frozen.
const fn jumps(act: &mut Act) {
    if let ActDoes::Freeze { ms } = act.does {
        act.does = ActDoes::Jump { ms };
    }
}
