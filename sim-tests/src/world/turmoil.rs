//! The world of turmoil: hosts with clocks of their own, and a network between them that can fail.
//!
//! turmoil says itself that its shape is about to change: nobody but this module may know of it.
//!
//! **Invariant:** no type of turmoil's is in any signature that leaves this module.

mod clock;
mod hosts;
mod life;
mod net;
mod queue;
mod stream;
mod wire;

#[cfg(test)]
mod tests;

use std::future::Future;

use life::Life;

pub use net::TurmoilDial;
pub use stream::TurmoilIo;

use super::cast::{Cast, Scripted};
use super::{Observer, Run, World};
use crate::client;
use crate::scenario::{Client, Scenario, ScenarioError};
use crate::trace::Trace;

/// Every client on a host, the server on another, and simulated TCP of turmoil between them.
///
/// Clients share one host, but for those that have one [of their own](crate::Home::Own) and those
/// whose line is held or parted. Time goes in steps of a millisecond, whether anything happens in them
/// or not: this world is for faults that the one in memory does not have, and to confirm what it says.
///
/// Once the life is over, a client that does nothing to be seen for two seconds counts as one that
/// never would.
///
/// What has to come at once comes a millisecond later where it is the first thing of all: what has no
/// gap from the [origin](crate::Origin).
///
/// # Panics
///
/// A run panics when a client or the server's owner does, which no scenario asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turmoil {
    wire: bool,
}

impl Turmoil {
    /// A world that writes down every read and write of the server, too.
    #[must_use]
    pub const fn with_wire() -> Self {
        Self { wire: true }
    }

    /// As [`World::run`], with clients that do what `client` does.
    ///
    /// # Errors
    ///
    /// What the scenario says and cannot mean, or this world cannot do.
    pub fn run_with<F, Fut>(
        &self,
        scenario: &Scenario,
        observer: &mut dyn Observer,
        client: F,
    ) -> Result<Run, ScenarioError>
    where
        F: Fn(u16, Client, TurmoilDial, Trace) -> Fut,
        Fut: Future<Output = ()> + 'static,
    {
        self.run_cast(scenario, observer, &Scripted, client)
    }

    /// As [`run_with`](Self::run_with), with the servers of `cast`.
    pub(crate) fn run_cast<C, F, Fut>(
        &self,
        scenario: &Scenario,
        observer: &mut dyn Observer,
        cast: &C,
        client: F,
    ) -> Result<Run, ScenarioError>
    where
        C: Cast + Clone + 'static,
        F: Fn(u16, Client, TurmoilDial, Trace) -> Fut,
        Fut: Future<Output = ()> + 'static,
    {
        scenario.check()?;
        check(scenario)?;
        Ok(Life::new(scenario, self.wire, cast, client).run(observer))
    }
}

impl World for Turmoil {
    fn name(&self) -> &'static str {
        NAME
    }

    fn run(&self, scenario: &Scenario, observer: &mut dyn Observer) -> Result<Run, ScenarioError> {
        self.run_with(scenario, observer, client::run)
    }
}

const NAME: &str = "turmoil";

/// What this world cannot do.
fn check(scenario: &Scenario) -> Result<(), ScenarioError> {
    if scenario.link.latency_ms == 0 {
        // A message is delivered in the tick after the one in which it was sent, or later.
        return Err(ScenarioError::Unsupported {
            what: "a line without latency",
            world: NAME,
        });
    }
    Ok(())
}
