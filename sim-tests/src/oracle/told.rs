//! Of law 4: a connection that ends behind an answer was said to end with it, or its client would lose
//! the next request.
//!
//! **Invariant:** what a stop, a limit or a fault ends is none of this.

use std::time::Duration;

use lamplighter::ServerEventKind;

use crate::scenario::{Client, ClientDoes, Scenario};
use crate::trace::{ClientSaw, Entry, WhatHappened, Who};

/// What each client knows of the end of its connection.
#[derive(Debug)]
pub(super) struct Told {
    /// `None` where something else than an answer may end it.
    clients: Vec<Option<Known>>,
    stopping: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    answered: Option<Duration>,
    told: bool,
}

impl Told {
    pub(super) fn new(scenario: &Scenario) -> Self {
        // Without a way to go, the end of a client that has left comes with its last answer.
        let free = scenario.link.latency_ms > 0
            && !scenario.disturbs()
            && scenario.defences.max_age_ms.is_none();
        let known = |client: &Client| {
            let over_http1 = matches!(
                client.does,
                ClientDoes::Http1 { .. } | ClientDoes::Idle { .. }
            );
            (free && over_http1).then(Known::default)
        };
        Self {
            clients: scenario.clients.iter().map(known).collect(),
            stopping: false,
        }
    }

    pub(super) fn event(&mut self, entry: &Entry) -> Result<(), String> {
        if let Some(ServerEventKind::Phase(phase)) = entry.server() {
            self.stopping |= phase.is_stopping();
        }
        let (WhatHappened::Client(saw), Who::Client(client)) = (&entry.what, entry.who) else {
            return Ok(());
        };
        let Some(Some(known)) = self.clients.get_mut(usize::from(client)) else {
            return Ok(());
        };
        match saw {
            ClientSaw::Connected => *known = Known::default(),
            ClientSaw::Closing => known.told = true,
            ClientSaw::Answered { .. } => known.answered = Some(entry.at),
            ClientSaw::Fin if known.answered == Some(entry.at) && !known.told && !self.stopping => {
                return Err(format!(
                    "the connection of client {client} ended with an answer that did not say so"
                ));
            }
            _ => {}
        }
        Ok(())
    }
}
