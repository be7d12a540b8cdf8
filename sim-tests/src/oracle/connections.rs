//! Law 5: every connection that was accepted ends once, in one way, and is told of it at most once.
//!
//! **Invariant:** what the server says of its connections is held against what it reports of them.

use std::collections::BTreeSet;
use std::time::Duration;

use lamplighter::{ConnectionEnd, Phase, ServerEventKind, Tally};

use super::{End, Invariant, WIDE};
use crate::scenario::{Client, ClientDoes, HandlerDoes, Link, Request, Scenario, millis};
use crate::trace::{ClientSaw, Entry, WhatHappened, Who};

/// Accepted is the sum of the ways to end, and the requests of all add up.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: BTreeSet<u64>,
    accepted: u64,
    ends: Vec<ConnectionEnd>,
    tally: Tally,
    /// What is left may be cut: by the stop, or by a limit of age or of requests.
    forced: bool,
}

impl Connections {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let limits = &scenario.defences;
        Self {
            forced: limits.max_age_ms.is_some() || limits.max_requests.is_some(),
            ..Self::default()
        }
    }

    /// For a server of which nobody says whether it has limits.
    pub(super) fn of_any_server() -> Self {
        Self {
            forced: true,
            ..Self::default()
        }
    }
}

impl Invariant for Connections {
    fn name(&self) -> &'static str {
        "each connection ends once"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        match entry.server() {
            Some(ServerEventKind::Phase(Phase::ForceClosing)) => self.forced = true,
            Some(ServerEventKind::ConnectionOpened { connection, .. }) => {
                self.accepted += 1;
                if !self.open.insert(connection.number()) {
                    return Err(format!("{connection} opened twice"));
                }
            }
            Some(ServerEventKind::ConnectionClosed {
                connection,
                end,
                tally,
                ..
            }) => {
                if !self.open.remove(&connection.number()) {
                    return Err(format!("{connection} closed and was not open"));
                }
                if tally.in_flight() > 0
                    || tally.begun != tally.answered + tally.cut + tally.aborted
                {
                    return Err(format!("{connection} closed with {tally:?}"));
                }
                if *end == ConnectionEnd::Cut && !self.forced {
                    return Err(format!("{connection} cut before anything was forced"));
                }
                self.ends.push(*end);
                self.tally.add(tally);
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), String> {
        let Some(report) = &end.run.report else {
            return Ok(());
        };
        let reported = report.connections();
        if !self.open.is_empty() || reported.open > 0 {
            return Err(format!("{:?} never closed", self.open));
        }
        let sum: u64 = reported.ends.iter().sum();
        if reported.accepted != self.accepted || sum != self.accepted {
            return Err(format!(
                "{} opened, {} reported as accepted, {sum} as ended",
                self.accepted, reported.accepted
            ));
        }
        for way in ConnectionEnd::ALL {
            let seen = self.ends.iter().filter(|end| **end == way).count();
            if reported.ended(way) != seen as u64 {
                return Err(format!(
                    "{seen} ended as {way}, {} reported",
                    reported.ended(way)
                ));
            }
        }
        if reported.tally != self.tally {
            return Err(format!(
                "requests of all connections {:?}, reported {:?}",
                self.tally, reported.tally
            ));
        }
        Ok(())
    }
}

/// At most one graceful close per connection, and none once all is forced.
#[derive(Debug)]
pub(super) struct Goodbyes {
    /// Of each client, how long a word of the server travels to it; `None` where something may hold it
    /// up.
    travels: Vec<Option<Duration>>,
    forced: Option<Duration>,
    /// Of each client's connection: the last stream that a GOAWAY left it, how many came, and whether
    /// it was told of the close over HTTP/1.
    told: Vec<(Option<u32>, u32, bool)>,
}

impl Goodbyes {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let link = scenario.link;
        let free = !scenario.disturbs() && link.window_bytes >= WIDE;
        let travels =
            |client: &Client| (free && fits(&client.does, link)).then(|| millis(link.latency_ms));
        Self {
            travels: scenario.clients.iter().map(travels).collect(),
            forced: None,
            told: vec![(None, 0, false); scenario.clients.len()],
        }
    }
}

/// Whether all that this client and its server have to say is on its way at once, with nothing waiting
/// for a place in the window.
fn fits(client: &ClientDoes, link: Link) -> bool {
    /// What stands around a body: heads, trailers and frames.
    const AROUND: u64 = 1024;
    let latency = u64::from(link.latency_ms);
    let on_its_way = |request: &Request| {
        let answer = match request.does {
            // So many pieces come within the time that one travels.
            HandlerDoes::Stream { every_ms, .. } => {
                let pieces = latency / u64::from(every_ms.max(1)) + 1;
                u64::from((request.receive_bytes / 100).max(1)) * pieces
            }
            _ => u64::from(request.receive_bytes),
        };
        answer.max(u64::from(request.send_bytes)) + AROUND
    };
    let requests = (0..).map_while(|number| client.request(number));
    let all: u64 = requests.map(|request| on_its_way(&request)).sum();
    all + AROUND <= u64::from(link.window_bytes)
}

impl Invariant for Goodbyes {
    fn name(&self) -> &'static str {
        "one graceful close"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        if let Some(ServerEventKind::Phase(Phase::ForceClosing)) = entry.server() {
            self.forced = Some(entry.at);
        }
        let (WhatHappened::Client(saw), Who::Client(client)) = (&entry.what, entry.who) else {
            return Ok(());
        };
        let Some((last, goaways, told)) = self.told.get_mut(usize::from(client)) else {
            return Ok(());
        };
        match saw {
            ClientSaw::Connected => (*last, *goaways, *told) = (None, 0, false),
            ClientSaw::Closing if *told => {
                return Err(format!("client {client} was told of one close twice"));
            }
            ClientSaw::Closing => *told = true,
            ClientSaw::GoAway {
                last_stream,
                code: 0,
            } => {
                *goaways += 1;
                if *goaways > 2 || last.is_some_and(|last| *last_stream > last) {
                    return Err(format!(
                        "GOAWAY number {goaways} to client {client} names stream {last_stream}, the \
                         one before {last:?}"
                    ));
                }
                *last = Some(*last_stream);
                let travels = self.travels.get(usize::from(client)).copied().flatten();
                if let (Some(forced), Some(travels), 1) = (self.forced, travels, *goaways)
                    && entry.at > forced + travels
                {
                    return Err(format!(
                        "client {client} got its first GOAWAY though all was forced at {forced:?}"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
