//! The laws of a simulation: those that hold for every server, for each of its hosts, and one's own.
//!
//! **Invariant:** a law of one's own sees everything; one of the simulator's sees its own server alone.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is picked out is what a stop is counted from; the rest is nothing to it"
)]

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use lamplighter::{Cause, Report, ServerEventKind, SignalTaken};

use crate::oracle::{End, Invariant, Oracle, Violation};
use crate::scenario::Scenario;
use crate::trace::{Entry, WhatHappened, Who};
use crate::world::{Observer, Run, RunEnd};

/// Sees a run, and judges it.
pub(super) struct Judge {
    /// Of each host, in order.
    servers: Vec<Oracle>,
    own: Vec<Box<dyn Invariant>>,
    stop: Stop,
    broken: Option<Violation>,
}

/// How long the stop of the service takes.
#[derive(Debug, Default)]
struct Stop {
    /// A `drain()` waits without an end, until something gives it one.
    drains: bool,
    from: Option<Duration>,
    took: Duration,
    frozen: Duration,
}

impl Stop {
    fn sees(&mut self, entry: &Entry) {
        self.frozen += entry.freezes();
        let event = match &entry.what {
            WhatHappened::Server(event) if entry.who == Who::Server => &event.kind,
            _ => return,
        };
        match event {
            ServerEventKind::Stopping(Cause::Drain) => self.drains = true,
            ServerEventKind::Stopping(_) => self.from = Some(entry.at),
            ServerEventKind::Signal {
                taken: SignalTaken::Repeated | SignalTaken::Ignored,
                ..
            } => {}
            ServerEventKind::Signal { .. }
            | ServerEventKind::Force
            | ServerEventKind::StopAgain(_)
                if self.drains =>
            {
                self.from.get_or_insert(entry.at);
            }
            _ => {}
        }
        if let Some(from) = self.from {
            self.took = entry.at.saturating_sub(from);
        }
    }

    /// Whether it took longer than the plan of the service allows.
    fn is_late(&self, report: &Report) -> Option<String> {
        let Self { took, frozen, .. } = self;
        let most = report.budget()? + *frozen;
        (*took > most).then(|| format!("it took {took:?}, and {most:?} are allowed"))
    }
}

impl Judge {
    pub(super) fn new(scenario: &Scenario, hosts: usize, own: Vec<Box<dyn Invariant>>) -> Self {
        let servers = (0..hosts).map(|_| Oracle::of_any_server(scenario));
        Self {
            servers: servers.collect(),
            own,
            stop: Stop::default(),
            broken: None,
        }
    }

    /// The first law that was broken.
    pub(super) fn judge(self, scenario: &Scenario, run: &Run) -> Option<Violation> {
        if self.broken.is_some() {
            return self.broken;
        }
        let at_the_end = |law: &str, what: String| Violation {
            law: law.to_owned(),
            what,
            at: None,
        };
        if let Some(why) = &run.unmade {
            return Some(at_the_end("the service is made", why.clone()));
        }
        if run.end == RunEnd::Stuck {
            let what = "three signals did not end it".to_owned();
            return Some(at_the_end("every life ends", what));
        }
        let late = run.report.as_ref().and_then(|it| self.stop.is_late(it));
        if let Some(what) = late {
            return Some(at_the_end("within the budget", what));
        }
        // The other hosts' reports are theirs: what is judged at the end is the service.
        if let Some(Err(broken)) = self.servers.into_iter().next().map(|it| it.judge(run)) {
            return Some(broken);
        }
        let end = End { scenario, run };
        self.own.into_iter().find_map(|mut law| {
            let broken = law.end(&end).err();
            broken.map(|what| at_the_end(law.name(), what))
        })
    }
}

impl Observer for Judge {
    fn sees(&mut self, entry: &Entry) -> ControlFlow<()> {
        let of = match (&entry.what, entry.who) {
            (WhatHappened::Server(_), Who::Host(number)) => usize::from(number),
            _ => 0,
        };
        if let Some(oracle) = self.servers.get_mut(of)
            && oracle.sees(entry).is_break()
        {
            self.broken = oracle.broken().cloned();
            return ControlFlow::Break(());
        }
        self.stop.sees(entry);
        for law in &mut self.own {
            if let Err(what) = law.event(entry) {
                self.broken = Some(Violation {
                    law: law.name().to_owned(),
                    what,
                    at: Some(entry.at),
                });
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge")
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}
