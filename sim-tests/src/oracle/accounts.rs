//! Law 8: the sums of the server are those of its handlers and of its clients.
//!
//! That begun = answered + cut + aborted for each connection is looked at where connections end, in
//! `connections.rs`.
//!
//! **Invariant:** what handlers and clients count, they count for themselves.

use lamplighter::{ServerEventKind, WhileDraining};

use super::{End, Invariant};
use crate::scenario::{ClientDoes, Origin, Scenario};
use crate::trace::{ClientSaw, Entry, HandlerSaw, WhatHappened};

/// What handlers and clients count.
#[derive(Debug)]
pub(super) struct Accounts {
    begun: u64,
    answered: u64,
    /// Answers that were made to their end, those among them that stand for a panic.
    finished: u64,
    /// Others than handlers may answer.
    others: bool,
    stopping: bool,
    /// Cut by the stop, connection by connection.
    cut: u64,
}

impl Accounts {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let others = scenario.clients.iter().any(|client| {
            // A WebSocket may be refused without its handler.
            matches!(
                client.does,
                ClientDoes::Watch | ClientDoes::Probe { .. } | ClientDoes::Websocket { .. }
            )
        });
        Self {
            begun: 0,
            answered: 0,
            finished: 0,
            others: others
                || scenario.from == Origin::Call
                || scenario.plan.while_draining == WhileDraining::Reject,
            stopping: false,
            cut: 0,
        }
    }
}

impl Invariant for Accounts {
    fn name(&self) -> &'static str {
        "the accounts of all agree"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        match &entry.what {
            WhatHappened::Handler(HandlerSaw::Begun) => self.begun += 1,
            WhatHappened::Handler(HandlerSaw::Finished | HandlerSaw::Panics) => self.finished += 1,
            // An upgrade goes on after its 101.
            WhatHappened::Client(ClientSaw::Answered { status: 101, .. }) => {}
            WhatHappened::Client(ClientSaw::Answered { .. }) => self.answered += 1,
            WhatHappened::Server(event) => match &event.kind {
                ServerEventKind::Phase(phase) => self.stopping |= phase.is_stopping(),
                ServerEventKind::ConnectionClosed { tally, .. } if self.stopping => {
                    self.cut += tally.cut;
                }
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), String> {
        let Some(report) = &end.run.report else {
            return Ok(());
        };
        let tally = report.connections().tally;
        // A request that was cut, or whose client left, may not have got to its handler's first line.
        let most = self.begun + tally.cut + tally.aborted;
        if tally.begun < self.begun || (!self.others && tally.begun > most) {
            return Err(format!(
                "{} handlers were called, {} requests begun by the report",
                self.begun, tally.begun
            ));
        }
        // Whoever has an answer to its last byte got that byte from the kernel.
        if tally.answered < self.answered {
            return Err(format!(
                "{} answers came, {} given by the report",
                self.answered, tally.answered
            ));
        }
        if !self.others && tally.answered > self.finished {
            return Err(format!(
                "{} answers were made, {} given by the report",
                self.finished, tally.answered
            ));
        }
        let workers = report
            .workers()
            .iter()
            .filter(|worker| worker.outcome == Some(lamplighter::WorkerOutcome::Cut));
        let cut = self.cut + workers.count() as u64;
        if report.outcome().cut != cut {
            return Err(format!(
                "{cut} were cut one by one, {} by the report",
                report.outcome().cut
            ));
        }
        Ok(())
    }
}
