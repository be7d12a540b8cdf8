//! Law 12: whoever works hears of draining when the server drains, then that time is up when it is, and
//! of neither before.
//!
//! **Invariant:** holds for handlers and workers alike.

use std::collections::BTreeMap;

use lamplighter::{Phase, ServerEventKind};

use super::Invariant;
use crate::trace::{Entry, HandlerSaw, WhatHappened, Who, WorkerSaw};

/// What everybody who works has heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// What the server has said so far.
    said: Option<Word>,
    heard: BTreeMap<Who, Word>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    Draining,
    Cancelled,
}

impl Heard {
    fn hear(&mut self, who: Who, word: Word) -> Result<(), String> {
        if self.said < Some(word) {
            return Err(format!(
                "{who} heard {word:?} of a server that has said {:?}",
                self.said
            ));
        }
        let before = self.heard.insert(who, word);
        if before.is_some_and(|before| before >= word) {
            return Err(format!("{who} heard {word:?} after {before:?}"));
        }
        Ok(())
    }
}

impl Invariant for Heard {
    fn name(&self) -> &'static str {
        "draining, then cancelled"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        match entry.server() {
            Some(ServerEventKind::Phase(Phase::Draining)) => {
                self.said = self.said.max(Some(Word::Draining));
            }
            Some(ServerEventKind::Cancelled) => self.said = Some(Word::Cancelled),
            _ => {}
        }
        let who = entry.who;
        match entry.what {
            WhatHappened::Handler(HandlerSaw::HeardDraining)
            | WhatHappened::Worker(WorkerSaw::HeardDraining) => self.hear(who, Word::Draining),
            WhatHappened::Handler(HandlerSaw::HeardCancelled)
            | WhatHappened::Worker(WorkerSaw::HeardCancelled) => self.hear(who, Word::Cancelled),
            WhatHappened::Handler(HandlerSaw::Begun) => {
                // The same request, asked again.
                self.heard.remove(&who);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
