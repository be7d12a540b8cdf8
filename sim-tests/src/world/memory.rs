//! The world in memory: one paused runtime, a network of its own, no kernel at all.
//!
//! All of it is one thread. The root below lets bytes arrive, begins clients, carries out acts, shows
//! the observer what was seen, and otherwise sleeps; tokio moves its clock on when everybody does.
//!
//! **Invariant:** the same scenario gives the same trace, byte for byte.

mod dial;
mod end;
mod line;
mod listener;
mod net;
mod root;

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Builder;
use tokio::time::Instant;

pub use dial::MemoryDial;
pub use end::End;

use super::cast::{Cast, Scripted};
use super::{Observer, Run, RunEnd, World};
use crate::client;
use crate::scenario::{ActDoes, Client, Scenario, ScenarioError};
use crate::trace::{Clock, Trace};

/// The world in memory: for campaigns and properties.
///
/// It has one clock, so that a freeze holds the clients as well, and no act can make the server's
/// clock alone jump.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    wire: bool,
}

impl Memory {
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
        F: Fn(u16, Client, MemoryDial, Trace) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
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
        C: Cast,
        F: Fn(u16, Client, MemoryDial, Trace) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
    {
        scenario.check()?;
        for act in &scenario.acts {
            if let ActDoes::Jump { .. } = act.does {
                return Err(ScenarioError::Unsupported {
                    what: "a jump of the server's clock alone",
                    world: "memory",
                });
            }
        }
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        // It asks the kernel for nothing, which could fail.
        let runtime = runtime.map_err(|_| ScenarioError::Unsupported {
            what: "a runtime without IO",
            world: "memory",
        })?;
        let scenario = Arc::new(scenario.clone());
        let run = runtime.block_on(async {
            let called = Instant::now();
            let clock: Clock = Arc::new(move || called.elapsed());
            let trace = Trace::new(clock);
            if self.wire {
                trace.with_wire();
            }
            root::Root::new(&scenario, trace, called, cast, client)
                .run(observer)
                .await
        });
        Ok(run)
    }
}

impl World for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn run(&self, scenario: &Scenario, observer: &mut dyn Observer) -> Result<Run, ScenarioError> {
        self.run_with(scenario, observer, client::run)
    }
}
