//! Law 4: a request that came before the listeners closed is answered, unless it was cut; and none is
//! tempted out by a connection that has ended unannounced.
//!
//! **Invariant:** only what a client does by the book is held against the server.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lamplighter::{Phase, ServerEventKind};

use super::told::Told;
use super::{End, Invariant, WIDE};
use crate::scenario::{
    ActDoes, Client, ClientDoes, Defences, Request, RequestId, Scenario, millis,
};
use crate::trace::{Break, ClientSaw, Entry, HandlerSaw, WhatHappened, Who, WorldDid};

/// Requests, from asked to answered.
#[derive(Debug)]
pub(super) struct Requests {
    latency: Duration,
    /// Of each client, whether its requests come in order and by the book.
    plain: Vec<bool>,
    asked: BTreeMap<RequestId, Duration>,
    /// Of each client, when it was connected last; `None` while it dials.
    connected: Vec<Option<Duration>>,
    closed: Option<Duration>,
    forced: bool,
    /// Nothing that was asked is sure to arrive.
    faults: bool,
    /// Whose handler panicked.
    panicked: BTreeSet<RequestId>,
    /// How many were lost since all was forced: no more than were cut.
    lost_by_force: u64,
    /// How long a head may take, as the server's defences say.
    head_limit: Option<Duration>,
    /// How long a head waits at most for its place in the window.
    head_waits: Duration,
    /// Of each client, whether its requests come one by one over HTTP/1.
    over_http1: Vec<bool>,
    /// Of each client, how many of its heads surely find a place in the window when they are asked.
    fit: Vec<usize>,
    told: Told,
}

impl Requests {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            latency: millis(scenario.link.latency_ms),
            plain: scenario
                .clients
                .iter()
                .map(|client| is_plain(client, scenario))
                .collect(),
            asked: BTreeMap::new(),
            connected: vec![None; scenario.clients.len()],
            closed: None,
            forced: false,
            faults: faults(scenario),
            panicked: BTreeSet::new(),
            lost_by_force: 0,
            head_limit: scenario.defences.header_read_ms.map(millis),
            head_waits: millis(scenario.link.latency_ms)
                * (HEAD / scenario.link.window_bytes.max(1)),
            over_http1: scenario
                .clients
                .iter()
                .map(|client| {
                    matches!(
                        client.does,
                        ClientDoes::Http1 { .. } | ClientDoes::Idle { .. }
                    )
                })
                .collect(),
            fit: scenario
                .clients
                .iter()
                .map(|client| fit(client, scenario.link.window_bytes))
                .collect(),
            told: Told::new(scenario),
        }
    }

    fn lost(&mut self, id: RequestId, why: Break) -> Result<(), String> {
        let by_the_book = self.plain.get(usize::from(id.client)) == Some(&true);
        let Some(asked) = self.asked.get(&id).filter(|_| by_the_book) else {
            return Ok(());
        };
        // What is asked for before there is a connection is sent once there is one.
        let connected = self.connected.get(usize::from(id.client)).copied();
        let Some(connected) = connected.flatten() else {
            return Ok(());
        };
        // One behind a full window is sent when there is a place for it, nobody knows when.
        let fit = self.fit.get(usize::from(id.client)).copied();
        if fit.is_none_or(|fit| usize::from(id.request) >= fit) {
            return Ok(());
        }
        let arrived = connected.max(*asked) + self.latency;
        let in_time = self.closed.is_none_or(|closed| arrived < closed)
            && !self.is_slow(id, connected, *asked);
        // Those that say so are known not to have been begun.
        let excused = matches!(why, Break::Left | Break::Unprocessed | Break::Unsent);
        if self.faults || !in_time || excused || self.panicked.contains(&id) {
            return Ok(());
        }
        if self.forced {
            self.lost_by_force += 1;
            return Ok(());
        }
        Err(format!(
            "request {id:?} arrived at {arrived:?}, in time, and was lost: {why}"
        ))
    }
}

impl Requests {
    /// Whether the head of this request was not whole in the time that the server gives it: from accept
    /// on for the first one of a connection, from its first byte on for the others.
    fn is_slow(&self, id: RequestId, connected: Duration, asked: Duration) -> bool {
        let Some(limit) = self.head_limit else {
            return false;
        };
        // A connection that speaks HTTP/2 says so at once, and may think about its requests.
        if self.over_http1.get(usize::from(id.client)) != Some(&true) {
            return false;
        }
        let begun = if id.request == 0 { connected } else { asked };
        connected.max(asked) + self.head_waits - begun > limit
    }
}

/// More than any head of a client's is long, in bytes.
const HEAD: u32 = 256;

/// How many of a client's heads do not wait behind the bodies of others, whatever is still on its way or
/// unread. Over HTTP/1 one has been answered before the next is asked.
fn fit(client: &Client, window: u32) -> usize {
    let (ClientDoes::Http2 { requests } | ClientDoes::Grpc { calls: requests }) = &client.does
    else {
        return usize::MAX;
    };
    // What the connection begins with has the length of a head, at most.
    let mut sent = HEAD;
    let mut fits = |request: &&Request| {
        sent = sent.saturating_add(HEAD);
        let fits = sent <= window;
        // What is said around the body's frames has the length of a head, at most, for what fits.
        sent = sent.saturating_add(HEAD).saturating_add(request.send_bytes);
        fits
    };
    requests.iter().take_while(|request| fits(request)).count()
}

/// Whether a client does nothing that could lose it an answer.
fn is_plain(client: &Client, scenario: &Scenario) -> bool {
    match &client.does {
        ClientDoes::Http1 { requests: _ } | ClientDoes::Idle { requests: _ } => true,
        // With a full window a client of HTTP/2 that cannot write does not read either, and misses
        // what it is told.
        ClientDoes::Http2 { requests: _ } | ClientDoes::Grpc { calls: _ } => {
            scenario.link.window_bytes >= WIDE
        }
        _ => false,
    }
}

/// Whether something of the scenario may lose a request that came in time.
fn faults(scenario: &Scenario) -> bool {
    let acts = scenario.acts.iter().any(|act| {
        matches!(
            act.does,
            ActDoes::Crash { .. } | ActDoes::AcceptErrors { .. } | ActDoes::BreakListener
        )
    });
    let Defences {
        header_read_ms: _, // Held against each head by itself.
        max_connections: _,
        max_age_ms,
        max_age_grace_ms: _,
        max_requests,
    } = scenario.defences;
    acts || scenario.disturbs() || max_age_ms.is_some() || max_requests.is_some()
}

impl Invariant for Requests {
    fn name(&self) -> &'static str {
        "no request lost"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        self.told.event(entry)?;
        match (&entry.what, entry.who) {
            (WhatHappened::Server(event), _) => match event.kind {
                ServerEventKind::ListenersClosed => self.closed = Some(entry.at),
                ServerEventKind::Phase(Phase::ForceClosing) => self.forced = true,
                _ => {}
            },
            (WhatHappened::World(WorldDid::Ends(_)), _) => self.faults = true,
            (WhatHappened::Handler(HandlerSaw::Panics), Who::Handler(id)) => {
                self.panicked.insert(id);
            }
            (WhatHappened::Client(saw), Who::Client(client)) => match saw {
                ClientSaw::Dialled | ClientSaw::Connected => {
                    if let Some(connected) = self.connected.get_mut(usize::from(client)) {
                        *connected = (*saw == ClientSaw::Connected).then_some(entry.at);
                    }
                }
                ClientSaw::Asked(request) => {
                    let request = *request;
                    self.asked.insert(RequestId { client, request }, entry.at);
                }
                ClientSaw::Lost { request, why, .. } => {
                    let request = *request;
                    return self.lost(RequestId { client, request }, *why);
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
        // Who was not let in before had nothing in flight that could be cut.
        let queues = end.scenario.defences.max_connections.is_some();
        if !queues && self.lost_by_force > tally.cut {
            return Err(format!(
                "{} requests that came in time were lost when all was forced, and {} were cut",
                self.lost_by_force, tally.cut
            ));
        }
        Ok(())
    }
}
