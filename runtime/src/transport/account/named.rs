//! What a connection's requests in flight are called, for reports (floor 2).
//!
//! **Invariant:** as many are named as are in flight; of whom too little is known, the latest stands for it.

use std::sync::atomic::Ordering;

use lamplighter_lifecycle::{Instant, Protocol, Work};

use super::{Account, Waiting, lock};
use crate::transport::route::Route;
use crate::transport::verb::Verb;

impl Account {
    /// What is in flight, for the report.
    pub(in crate::transport) fn work(&self) -> Vec<Work> {
        let protocol = self.protocol();
        let waiting = lock(&self.waiting);
        let named = |(number, waiting): (&u64, &Waiting)| {
            let route = self.routes.of(*number);
            Work::new(protocol, waiting.verb.name(), route, waiting.begun_at)
        };
        let mut work: Vec<Work> = waiting.iter().map(named).collect();
        let in_flight = usize::try_from(self.in_flight()).unwrap_or(usize::MAX);
        // Blocked in their first poll, or about to be over.
        let recent = self.recent.in_flight(self.begun());
        let recent = recent.filter(|(number, _)| !waiting.contains_key(number));
        let missing = in_flight.saturating_sub(work.len());
        work.extend(recent.take(missing).map(|(number, verb)| {
            let route = self.routes.of(number);
            Work::new(protocol, verb.name(), route, self.last_begun_at())
        }));
        drop(waiting);
        while work.len() < in_flight {
            work.push(self.last_work());
        }
        work
    }

    /// When a request began of which nothing else is known: none is older than its connection.
    pub(super) fn last_begun_at(&self) -> Instant {
        Instant::from_nanos(self.last_begun_at.load(Ordering::Relaxed))
    }

    pub(super) fn last_work(&self) -> Work {
        let verb = Verb::from_code(self.last_verb.load(Ordering::Relaxed));
        let begun_at = self.last_begun_at();
        let protocol = self.protocol();
        // Of several streams it is not known which was the last.
        let is_only = protocol != Protocol::Http2;
        let route = is_only.then(|| self.routes.of(self.begun())).flatten();
        Work::new(protocol, verb.name(), route, begun_at)
    }

    /// The request that is polled took this route.
    pub(in crate::transport) fn takes(&self, number: u64, route: Route) {
        if self.protocol() != Protocol::Http2 {
            self.routes.forget_before(number);
        }
        self.routes.name(number, route);
    }

    /// A request is over: its route is of no interest any more. On HTTP/1 it is until the next one, since
    /// its answer may be stuck on its way, or its connection be turned over.
    pub(in crate::transport) fn forgets(&self, number: u64) {
        if self.protocol() == Protocol::Http2 {
            self.routes.forget(number);
        }
    }

    /// Requests that began since the last call began at `now`, as far as nobody knows better.
    pub(in crate::transport) fn seen_at(&self, now: Instant) {
        self.last_begun_at.store(now.as_nanos(), Ordering::Relaxed);
    }
}
