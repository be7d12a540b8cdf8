//! Who comes and what befalls, as it is told: at times of its own, by names, in any order.
//!
//! **Invariant:** what it comes to is plain data, times as gaps.

use std::time::Duration;

use super::{Simulation, impossible};
use crate::oracle::Violation;
use crate::scenario::{Act, Client, ClientDoes, Scenario};

/// Who comes: a visitor by its name, or a client that knows nothing of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coming {
    /// The visitor of this name.
    Visitor(String),
    /// A client that does this. Those that ask something ask the service for paths such as `/0/0`.
    Client(ClientDoes),
}

impl From<&str> for Coming {
    fn from(name: &str) -> Self {
        Self::Visitor(name.to_owned())
    }
}

impl From<ClientDoes> for Coming {
    fn from(does: ClientDoes) -> Self {
        Self::Client(does)
    }
}

impl Simulation {
    /// The case that was told, as plain data.
    pub(super) fn told(&self) -> Result<Scenario, Violation> {
        let mut case = self.case.clone();
        let mut comes = self.comes.clone();
        comes.sort_by_key(|(at, _)| *at);
        let mut last = Duration::ZERO;
        for (at, comes) in comes {
            let does = match comes {
                Coming::Client(does) => does,
                Coming::Visitor(name) => self.visitor_called(&name)?,
            };
            case.clients.push(Client {
                gap_ms: gap(&mut last, at),
                does,
                ..Client::default()
            });
        }
        let mut befalls = self.befalls.clone();
        befalls.sort_by_key(|(at, _)| *at);
        let mut last = Duration::ZERO;
        for (at, does) in befalls {
            let gap_ms = gap(&mut last, at);
            case.acts.push(Act { gap_ms, does });
        }
        Ok(case)
    }

    fn visitor_called(&self, name: &str) -> Result<ClientDoes, Violation> {
        let place = self.visitors.iter().position(|(it, _)| it == name);
        let place = place.and_then(|place| u16::try_from(place).ok());
        let names: Vec<&str> = self
            .visitors
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        place
            .map(|visitor| ClientDoes::Own { visitor })
            .ok_or_else(|| {
                impossible(format!(
                    "no visitor is called `{name}`; there are: {}",
                    names.join(", ")
                ))
            })
    }
}

/// The time since the last one, in whole milliseconds.
fn gap(last: &mut Duration, at: Duration) -> u32 {
    let gap = at.as_millis().saturating_sub(last.as_millis());
    *last = at;
    u32::try_from(gap).unwrap_or(u32::MAX)
}
