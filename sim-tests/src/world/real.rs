//! The real world: this machine's loopback and its clock, to confirm what the others say.
//!
//! **Invariant:** nothing is waited for without a bound.

mod net;
mod pace;
mod root;

use std::sync::Arc;

use tokio::runtime::Builder;

use super::{Observer, Run, World};
use crate::client;
use crate::scenario::{ActDoes, Scenario, ScenarioError};
use crate::trace::Entry;

use pace::Pace;
use root::Root;

pub use net::LoopbackDial;

/// Sockets on 127.0.0.1, real time, one thread.
///
/// Of the scenario's [line](crate::Link) only the window of a slow reader is taken, as the size of its
/// receive buffer, which the kernel doubles and rounds; there is no other latency than the kernel's.
/// Nothing befalls the network or the clock: of the acts that do, a client's crash alone is carried
/// out.
///
/// Times are what the machine makes of them. So what is compared with another world is the order of
/// things; where it must not hang on the machine's speed, [`in_step_with`](Self::in_step_with) lets
/// each act wait for what came before it there.
#[derive(Clone, Debug, Default)]
pub struct Real {
    pace: Pace,
}

impl Real {
    /// Lets each act wait, beside its time, until everything has been seen that was seen before it in
    /// this trace of the same scenario: the server's steps, connections, requests and answers.
    #[must_use]
    pub fn in_step_with(trace: &[Entry]) -> Self {
        let pace = Pace::of(trace);
        Self { pace }
    }
}

impl World for Real {
    fn name(&self) -> &'static str {
        NAME
    }

    /// # Errors
    ///
    /// As every world's; and where the kernel gives no runtime.
    fn run(&self, scenario: &Scenario, observer: &mut dyn Observer) -> Result<Run, ScenarioError> {
        scenario.check()?;
        check(scenario)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|_| unsupported("a runtime without descriptors"))?;
        let scenario = Arc::new(scenario.clone());
        let pace = self.pace.clone();
        Ok(runtime.block_on(async { Root::new(&scenario, pace, client::run).run(observer).await }))
    }
}

const NAME: &str = "real";

const fn unsupported(what: &'static str) -> ScenarioError {
    ScenarioError::Unsupported { what, world: NAME }
}

/// What this world cannot do.
fn check(scenario: &Scenario) -> Result<(), ScenarioError> {
    let refused = scenario.acts.iter().find_map(|act| match act.does {
        ActDoes::Hold { .. } | ActDoes::Release { .. } | ActDoes::Partition { .. } => {
            Some("a fault of the network")
        }
        ActDoes::AcceptErrors { .. } | ActDoes::BreakListener => Some("a fault of the listener"),
        ActDoes::Jump { .. } | ActDoes::Freeze { .. } => Some("a fault of the clock"),
        ActDoes::Signal(_)
        | ActDoes::Stop
        | ActDoes::Force
        | ActDoes::Drain
        | ActDoes::DropOwner
        | ActDoes::RegisterHook
        | ActDoes::Crash { .. } => None,
    });
    refused.map_or(Ok(()), |what| Err(unsupported(what)))
}
