//! Cases by lot: one number stands for one case.
//!
//! [`Case::new`] makes plain data from a seed, at a cost that a campaign does not feel; [`cases`] is the
//! same as a strategy of proptest, for properties. Both are shrunk by [`shrink`](crate::shrink), which
//! knows plain data and nothing of how it was drawn.
//!
//! **Invariant:** the same seed gives the same case, on every machine. **Invariant:** every field of a
//! [`Scenario`] is reachable, but for what only one world can do.

mod acts;
mod aim;
mod clients;
mod draw;
mod life;
mod measured;
mod swarm;
mod tree;

pub use swarm::{Swarm, Switch};
pub use tree::{CaseTree, Cases, cases};

use crate::scenario::{Act, Budget, Link, Origin, Scenario};
use draw::Draw;

/// A case: what was drawn, and what with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What everything was drawn from.
    pub seed: u64,
    /// The features that it may use.
    pub swarm: Swarm,
    /// What happens.
    pub scenario: Scenario,
}

impl Case {
    /// The case that this number stands for.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::drawn(seed, Draw::new(seed))
    }

    /// The case that this number stands for among those with these features.
    #[must_use]
    pub fn with(seed: u64, swarm: Swarm) -> Self {
        Self::drawn(seed, Draw::with(seed, swarm))
    }

    fn drawn(seed: u64, mut draw: Draw) -> Self {
        let scenario = scenario(seed, &mut draw);
        Self {
            seed,
            swarm: draw.swarm,
            scenario,
        }
    }
}

fn scenario(seed: u64, draw: &mut Draw) -> Scenario {
    let plan = life::plan(draw);
    let start = life::start(draw);
    let hooks = life::hooks(draw);
    let workers = life::workers(draw);
    let callbacks = life::callbacks(draw);
    let many = clients::how_many(draw);
    let acts = acts::acts(draw, many);
    let clients = clients::clients(draw, many, lasts(&plan, &acts));
    let mut case = Scenario {
        seed,
        link: link(draw),
        plan,
        defences: life::defences(draw),
        start,
        hooks,
        workers,
        callbacks,
        clients,
        acts,
        from: if draw.sometimes(Switch::FromCall, 2) {
            Origin::Call
        } else {
            Origin::Ready
        },
    };
    aim::aim(draw, &mut case);
    case
}

/// About how long things go on: until the last act, and for the drain after it.
fn lasts(plan: &Budget, acts: &[Act]) -> u32 {
    let acts = acts.iter().map(|act| act.gap_ms);
    let spans = acts.chain([plan.lame_duck_ms, plan.drain_ms.min(60_000)]);
    spans.fold(0, u32::saturating_add)
}

fn link(draw: &mut Draw) -> Link {
    let latency_ms = if draw.has(Switch::Latency) {
        draw.few(30)
    } else {
        0
    };
    let window_bytes = if draw.sometimes(Switch::NarrowLine, 2) {
        1 << draw.between(6, 12)
    } else {
        Link::default().window_bytes
    };
    Link {
        latency_ms,
        window_bytes,
    }
}

#[cfg(test)]
mod tests;
