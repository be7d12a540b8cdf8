//! Law 18, of one generation: from Ready on until the stop drains, whoever connects is accepted.
//!
//! Lives with more than one generation are not simulated: what the law says of a restart is the
//! runtime's own tests'.
//!
//! **Invariant:** nobody is asked to accept what its defences refuse, or faster than it backs off.

use std::time::Duration;

use lamplighter::{Phase, ServerEventKind};

use super::Invariant;
use crate::scenario::{ActDoes, Scenario, millis};
use crate::trace::{ClientSaw, Entry, WhatHappened, WorldDid};

/// Who is connected, and who was taken in.
#[derive(Debug)]
pub(super) struct Accepting {
    /// Nothing but errors keeps it from accepting.
    judged: bool,
    accepts: bool,
    connected: u64,
    /// When the last one of these was connected.
    last: Duration,
    opened: u64,
    /// How long it may take and back off, and how many it may lose to errors.
    slack: Duration,
    lost: u64,
}

/// The longest that an accept that failed is backed off for.
const BACK_OFF: Duration = Duration::from_secs(1);

impl Accepting {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let breaks = |act: &crate::scenario::Act| act.does == ActDoes::BreakListener;
        let limited = scenario.defences.max_connections.is_some();
        Self {
            judged: !limited && !scenario.disturbs() && !scenario.acts.iter().any(breaks),
            accepts: false,
            connected: 0,
            last: Duration::ZERO,
            opened: 0,
            // What the client says last of its handshake is on its way for so long.
            slack: millis(scenario.link.latency_ms),
            lost: 0,
        }
    }
}

impl Invariant for Accepting {
    fn name(&self) -> &'static str {
        "who connects is accepted"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        if self.judged
            && self.accepts
            && self.connected > self.opened + self.lost
            && entry.at > self.last + self.slack
        {
            return Err(format!(
                "{} connected, the last one at {:?}, and {} were accepted",
                self.connected, self.last, self.opened
            ));
        }
        match &entry.what {
            WhatHappened::World(WorldDid::Act(ActDoes::AcceptErrors { times, .. })) => {
                self.slack += BACK_OFF * u32::from(*times);
                // Gone before they were taken, or turned away with the last descriptor.
                self.lost += u64::from(*times);
            }
            WhatHappened::Client(ClientSaw::Connected) => {
                self.connected += 1;
                self.last = entry.at;
            }
            WhatHappened::Server(event) => match event.kind {
                ServerEventKind::Ready => {
                    self.accepts = true;
                    self.last = self.last.max(entry.at);
                }
                ServerEventKind::Phase(phase) if phase >= Phase::Draining => self.accepts = false,
                ServerEventKind::ConnectionOpened { .. } => self.opened += 1,
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }
}
