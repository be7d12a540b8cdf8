//! Time that nobody has, and time that the server alone has: what a law gives on top of what it allows,
//! and what it takes off what it asks for.
//!
//! **Invariant:** what is seen is dated by the world's clock, which nothing moves.

use std::time::Duration;

use crate::scenario::{ActDoes, millis};
use crate::trace::{Entry, WhatHappened, WorldDid};

/// What a jump costs the server: it ends the tick in which it comes, and what has become due by it is done
/// in the tick after the next.
const JUMPS: Duration = Duration::from_millis(2);

impl Entry {
    /// How long nobody can run from here on, at most.
    pub(crate) fn freezes(&self) -> Duration {
        match self.what {
            WhatHappened::World(WorldDid::Act(ActDoes::Freeze { ms })) => millis(ms),
            WhatHappened::World(WorldDid::Act(ActDoes::Jump { .. })) => JUMPS,
            _ => Duration::ZERO,
        }
    }
}

/// How far ahead a jump of no length puts the server, which is done with the tick in which it comes.
const AHEAD: Duration = Duration::from_millis(1);

/// How far the server's clock has gone beyond the world's.
#[derive(Debug, Default)]
pub(super) struct Jumps(Vec<(Duration, Duration)>);

impl Jumps {
    pub(super) fn sees(&mut self, entry: &Entry) {
        if let WhatHappened::World(WorldDid::Act(ActDoes::Jump { ms })) = entry.what {
            self.0.push((entry.at, millis(ms) + AHEAD));
        }
    }

    /// How far since this instant, at most: of what came shortly before it, nobody can tell.
    pub(super) fn since(&self, at: Duration) -> Duration {
        let since = self.0.iter().filter(|(came, _)| *came + JUMPS >= at);
        since.map(|(_, by)| *by).sum()
    }
}
