//! Law 16: what differs between two runs, besides what was made to fail in one of them.
//!
//! **Invariant:** the order of those who see something in one instant is compared by nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use lamplighter::ServerEventKind;

use super::Change;
use crate::scenario::HookDoes;
use crate::trace::{Entry, Text, WhatHappened, Who, WorldDid};
use crate::world::Run;

impl Change {
    /// Whether an entry is about what was changed, or tells of failures.
    fn is_about(self, entry: &Entry) -> bool {
        if matches!(entry.server(), Some(ServerEventKind::Error(_))) {
            return true;
        }
        match (self, entry.server()) {
            (Self::Hook { place, .. }, Some(ServerEventKind::HookSettled { hook, .. })) => {
                hook.as_str() == format!("h{place}")
            }
            (Self::Hook { place, .. }, None) => is_number(entry.who, place, |who| match who {
                Who::Hook(number) => Some(number),
                _ => None,
            }),
            (Self::Worker { place, .. }, Some(ServerEventKind::WorkerEnded { worker, .. })) => {
                **worker == *format!("w{place}")
            }
            (Self::Worker { place, .. }, None) => is_number(entry.who, place, |who| match who {
                Who::Worker(number) => Some(number),
                _ => None,
            }),
            // The answer is another one, of another length; when the server does what is not.
            (Self::Handler { .. }, _) => !entry.is_lifecycle(),
            _ => false,
        }
    }

    pub(super) fn nothing_else(self, base: &Run, changed: &Run) -> Result<(), String> {
        let until = if let Self::Hook {
            place,
            does: HookDoes::Hang,
        } = self
        {
            settled(base, place)
        } else {
            Duration::MAX
        };
        // Who comes first of those who see something in one instant is nothing to anybody.
        let rest = |run: &Run| {
            let mut seen: BTreeMap<Observer, Vec<Entry>> = BTreeMap::new();
            let entries = run.trace.iter();
            for entry in entries.filter(|entry| entry.at < until && !self.is_about(entry)) {
                seen.entry(observer(entry)).or_default().push(entry.clone());
            }
            seen
        };
        let (of_base, of_changed) = (rest(base), rest(changed));
        let whose = of_base.keys().chain(of_changed.keys());
        let first = whose.filter_map(|observer| {
            let of = |seen: &BTreeMap<Observer, Vec<Entry>>| {
                seen.get(observer).cloned().unwrap_or_default()
            };
            differ(&of(&of_base), &of(&of_changed))
        });
        let Some((at, what)) = first.min_by_key(|(at, _)| *at) else {
            return Ok(());
        };
        if self.before_acts(base, at) != self.before_acts(changed, at) {
            // One turn more or less, and it is another order of what comes in this instant.
            return Ok(());
        }
        Err(what)
    }

    /// How many lines the server and its owner have in this instant before each thing that befalls in it.
    fn before_acts(self, run: &Run, at: Duration) -> Vec<usize> {
        let mut lines = 0;
        let mut before = Vec::new();
        for entry in run.trace.iter().filter(|entry| entry.at == at) {
            match (&entry.what, entry.who) {
                (WhatHappened::World(WorldDid::Act(_)), _) => before.push(lines),
                (_, Who::World | Who::Server) if !self.is_about(entry) => lines += 1,
                _ => {}
            }
        }
        before
    }
}

/// Who saw an entry; nobody else, if the server's owner did.
type Observer = Option<Who>;

/// The world writes down for the owner that it has returned, and what the world does is no step of his.
fn observer(entry: &Entry) -> Observer {
    let owners = entry.what == WhatHappened::World(WorldDid::Returned);
    (!owners).then_some(entry.who)
}

/// The first line in which two accounts of one observer differ, and when.
fn differ(base: &[Entry], changed: &[Entry]) -> Option<(Duration, String)> {
    let most = base.len().max(changed.len());
    let place = (0..most).find(|place| base.get(*place) != changed.get(*place))?;
    let line = |entries: &[Entry]| {
        let line = entries.get(place..=place);
        line.map_or_else(
            || "nothing".to_owned(),
            |line| Text::new(line).to_string().trim().to_owned(),
        )
    };
    let at = [base, changed].map(|entries| entries.get(place).map(|entry| entry.at));
    let at = at.into_iter().flatten().min()?;
    let what = format!("`{}` became `{}`", line(base), line(changed));
    Some((at, what))
}

fn is_number(who: Who, place: usize, number: impl Fn(Who) -> Option<u16>) -> bool {
    number(who).map(usize::from) == Some(place)
}

/// When a hook was settled; for ever, if it was not.
fn settled(run: &Run, place: usize) -> Duration {
    let name = format!("h{place}");
    let entry = run.trace.iter().find(|entry| {
        matches!(entry.server(), Some(ServerEventKind::HookSettled { hook, .. }) if hook.as_str() == name)
    });
    entry.map_or(Duration::MAX, |entry| entry.at)
}
