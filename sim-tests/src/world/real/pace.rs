//! What has to be seen before an act, so that it finds the server where it found it in another world.
//!
//! **Invariant:** only what every world sees counts: nothing that depends on a window or on a time.

use std::time::Duration;

use lamplighter::ServerEventKind;

use crate::trace::{ClientSaw, Entry, HandlerSaw, WhatHappened, Who, WorldDid};

/// What has to be seen before each act.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// The last act's first.
    acts: Vec<Vec<Mark>>,
}

/// Something that is seen in every world.
type Mark = (Who, WhatHappened);

impl Pace {
    /// As in this trace.
    pub(super) fn of(trace: &[Entry]) -> Self {
        let mut before = Vec::new();
        let mut acts = Vec::new();
        for entry in trace {
            if matches!(entry.what, WhatHappened::World(WorldDid::Act(_))) {
                acts.push(before.clone());
            } else {
                before.extend(mark(entry));
            }
        }
        acts.reverse();
        Self { acts }
    }

    /// Whether the next act may come, after what was seen so far.
    pub(super) fn allows(&self, seen: &[Entry]) -> bool {
        let Some(marks) = self.acts.last() else {
            return true;
        };
        let mut seen: Vec<Mark> = seen.iter().filter_map(mark).collect();
        marks.iter().all(|mark| {
            let found = seen.iter().position(|seen| seen == mark);
            found.map(|found| seen.swap_remove(found)).is_some()
        })
    }

    /// The next act has come.
    pub(super) fn next(&mut self) {
        self.acts.pop();
    }
}

/// What is compared of an entry; nothing of those that worlds see differently.
fn mark(entry: &Entry) -> Option<Mark> {
    let what = match &entry.what {
        WhatHappened::Server(event) => {
            let single = matches!(
                event.kind,
                ServerEventKind::ConnectionOpened { .. } | ServerEventKind::ConnectionClosed { .. }
            );
            if single {
                return None;
            }
            let mut event = event.clone();
            event.at = Duration::ZERO;
            WhatHappened::Server(event)
        }
        WhatHappened::Client(
            ClientSaw::Connected | ClientSaw::Asked(_) | ClientSaw::Answered { .. },
        )
        | WhatHappened::Handler(HandlerSaw::Begun | HandlerSaw::HeardDraining) => {
            entry.what.clone()
        }
        WhatHappened::World(_)
        | WhatHappened::Client(_)
        | WhatHappened::Handler(_)
        | WhatHappened::Hook(_)
        | WhatHappened::Worker(_)
        | WhatHappened::Note(_)
        | WhatHappened::Wire(_) => return None,
    };
    Some((entry.who, what))
}
