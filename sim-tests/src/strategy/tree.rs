//! Cases as a strategy of proptest, for properties.
//!
//! Drawn and shrunk by the same code as the cases of a campaign. Combinators of proptest would give
//! like cases dearer: a third of the features took 12.3 µs a case, where all of them take 0.9 µs here,
//! and a small case runs in less than 100 µs.
//!
//! **Invariant:** one draw from proptest's generator per case, its seed.

use proptest::prelude::Rng;
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::Case;
use super::swarm::Swarm;
use crate::scenario::Scenario;
use crate::shrink::Shrinking;

/// Cases with any features.
#[must_use]
pub const fn cases() -> Cases {
    Cases { swarm: None }
}

/// A strategy for cases; see [`cases`].
#[derive(Clone, Copy, Debug)]
pub struct Cases {
    swarm: Option<Swarm>,
}

impl Cases {
    /// Those with these features alone.
    #[must_use]
    pub const fn with(self, swarm: Swarm) -> Self {
        Self { swarm: Some(swarm) }
    }
}

impl Strategy for Cases {
    type Tree = CaseTree;
    type Value = Scenario;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let seed = runner.rng().next_u64();
        let case = match self.swarm {
            Some(swarm) => Case::with(seed, swarm),
            None => Case::new(seed),
        };
        Ok(CaseTree {
            shrinking: Shrinking::new(case.scenario.clone()),
            current: case.scenario,
        })
    }
}

/// A case of proptest on its way to a smaller one.
#[derive(Clone, Debug)]
pub struct CaseTree {
    shrinking: Shrinking,
    current: Scenario,
}

impl CaseTree {
    fn next(&mut self) -> bool {
        let candidate = self.shrinking.candidate().cloned();
        let found = candidate.is_some();
        self.current = candidate.unwrap_or_else(|| self.shrinking.smallest().clone());
        found
    }
}

impl ValueTree for CaseTree {
    type Value = Scenario;

    fn current(&self) -> Scenario {
        self.current.clone()
    }

    fn simplify(&mut self) -> bool {
        self.shrinking.accept();
        self.next()
    }

    fn complicate(&mut self) -> bool {
        self.next()
    }
}
