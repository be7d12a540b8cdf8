//! A life, as its trace tells it: where in it things stand.
//!
//! **Invariant:** places in the trace, not times, say what came before what.

use std::collections::BTreeMap;

use lamplighter::{Phase, ServerEventKind};
use lamplighter_sim::trace::{ClientSaw, HandlerSaw, HookSaw, WhatHappened, Who, WorkerSaw};
use lamplighter_sim::{Entry, RequestId, Scenario};

/// A life and its places.
pub(crate) struct Life<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) trace: &'a [Entry],
}

impl<'a> Life<'a> {
    pub(crate) const fn new(scenario: &'a Scenario, trace: &'a [Entry]) -> Self {
        Self { scenario, trace }
    }

    /// What the server says, with the places of it.
    pub(crate) fn server(&self) -> impl Iterator<Item = (usize, &'a ServerEventKind)> {
        let entries = self.trace.iter().enumerate();
        entries.filter_map(|(place, entry)| Some((place, entry.server()?)))
    }

    /// Where the server says these things.
    pub(crate) fn places(&self, is: impl Fn(&ServerEventKind) -> bool) -> Vec<usize> {
        let said = self.server().filter(|(_, event)| is(event));
        said.map(|(place, _)| place).collect()
    }

    /// Where this phase begins.
    pub(crate) fn phase(&self, phase: Phase) -> Option<usize> {
        let begins = self.places(|event| *event == ServerEventKind::Phase(phase));
        begins.first().copied()
    }

    /// What each hook says of itself, and where.
    pub(crate) fn hooks(&self) -> BTreeMap<u16, Vec<(usize, HookSaw)>> {
        self.by(|entry| match (entry.who, &entry.what) {
            (Who::Hook(hook), WhatHappened::Hook(saw)) => Some((hook, *saw)),
            _ => None,
        })
    }

    /// What each worker says of itself, and where.
    pub(crate) fn workers(&self) -> BTreeMap<u16, Vec<(usize, WorkerSaw)>> {
        self.by(|entry| match (entry.who, &entry.what) {
            (Who::Worker(worker), WhatHappened::Worker(saw)) => Some((worker, *saw)),
            _ => None,
        })
    }

    /// What each handler says of itself, and where.
    pub(crate) fn handlers(&self) -> BTreeMap<RequestId, Vec<(usize, HandlerSaw)>> {
        self.by(|entry| match (entry.who, &entry.what) {
            (Who::Handler(id), WhatHappened::Handler(saw)) => Some((id, *saw)),
            _ => None,
        })
    }

    /// What each client sees, and where.
    pub(crate) fn clients(&self) -> BTreeMap<u16, Vec<(usize, ClientSaw)>> {
        self.by(|entry| match (entry.who, &entry.what) {
            (Who::Client(client), WhatHappened::Client(saw)) => Some((client, *saw)),
            _ => None,
        })
    }

    fn by<K: Ord, V>(&self, of: impl Fn(&Entry) -> Option<(K, V)>) -> BTreeMap<K, Vec<(usize, V)>> {
        let mut all: BTreeMap<K, Vec<(usize, V)>> = BTreeMap::new();
        for (place, entry) in self.trace.iter().enumerate() {
            if let Some((who, what)) = of(entry) {
                all.entry(who).or_default().push((place, what));
            }
        }
        all
    }
}
