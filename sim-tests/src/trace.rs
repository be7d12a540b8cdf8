//! What was seen while a scenario ran, by everybody who sees something, in one order.
//!
//! The server's own lines come from its stream of events: each is read before the next entry of
//! anybody else is made, so that the order is that in which things happened.
//!
//! **Invariant:** entries are typed; text is made when somebody reads it. **Invariant:** times never
//! go back.

mod entry;
mod text;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use lamplighter::Events;

pub use entry::{
    Break, ClientSaw, Entry, HandlerSaw, HookSaw, Note, WhatHappened, Who, WireSaw, WorkerSaw,
    WorldDid, wire_hash,
};
pub use text::Text;

/// Where everybody writes what they see. Clones write into the same one.
#[derive(Clone)]
pub struct Trace {
    shared: Arc<Mutex<Shared>>,
    clock: Clock,
}

/// Tells the time of a trace: how long the run has lasted.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

struct Shared {
    entries: Vec<Entry>,
    /// Of each server, with whose lines they are.
    events: Vec<(Who, Events)>,
    /// Whoever waits for entries: woken by a new one, and by an event of the server.
    reader: Option<Waker>,
    /// Whether what passes on the wire is written down.
    wire: bool,
}

impl Trace {
    /// An empty one, whose entries are stamped by `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let shared = Shared {
            entries: Vec::with_capacity(64),
            events: Vec::new(),
            reader: None,
            wire: false,
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
            clock,
        }
    }

    /// Writes down the server's reads and writes as well: their length and a hash of their bytes.
    pub fn with_wire(&self) {
        self.lock().wire = true;
    }

    /// Whether the server's reads and writes are written down.
    #[must_use]
    pub fn has_wire(&self) -> bool {
        self.lock().wire
    }

    /// Reads the server's lines from here. To be called before the server starts, once.
    pub fn follow(&self, events: Events) {
        self.follow_as(Who::Server, events);
    }

    /// As [`follow`](Self::follow), of one more server. What two servers do in one instant, with
    /// nobody else's entry between, stands in the order in which they were followed.
    pub(crate) fn follow_as(&self, who: Who, events: Events) {
        let mut shared = self.lock();
        shared.events.push((who, events));
        shared.wake();
    }

    /// Writes down that `who` saw `what`, now.
    pub fn record(&self, who: Who, what: impl Into<WhatHappened>) {
        let at = (self.clock)();
        let mut shared = self.lock();
        shared.read_events(at);
        shared.entries.push(Entry {
            at,
            who,
            what: what.into(),
        });
        shared.wake();
    }

    /// Writes down what the servers have said until now.
    pub(crate) fn catch_up(&self) {
        let at = (self.clock)();
        let mut shared = self.lock();
        shared.read_events(at);
        shared.wake();
    }

    /// How long the run has lasted.
    #[must_use]
    pub fn now(&self) -> Duration {
        (self.clock)()
    }

    /// Moves what is new to the end of `into`; pending while there is nothing new. One reader at a
    /// time: it is woken in the instant in which an entry is made.
    pub fn poll_take(&self, context: &mut Context<'_>, into: &mut Vec<Entry>) -> Poll<()> {
        let at = (self.clock)();
        let mut shared = self.lock();
        if !shared
            .reader
            .as_ref()
            .is_some_and(|reader| reader.will_wake(context.waker()))
        {
            shared.reader = Some(context.waker().clone());
        }
        shared.read_events(at);
        if shared.entries.is_empty() {
            return Poll::Pending;
        }
        into.append(&mut shared.entries);
        Poll::Ready(())
    }

    /// Every entry that was not taken out.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let at = (self.clock)();
        let mut shared = self.lock();
        shared.read_events(at);
        shared.entries.clone()
    }

    /// Takes out every entry that was not yet.
    #[must_use]
    pub fn take(&self) -> Vec<Entry> {
        let at = (self.clock)();
        let mut shared = self.lock();
        shared.read_events(at);
        std::mem::take(&mut shared.entries)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Nothing of others runs under it, so a poisoned one is whole.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn read_events(&mut self, at: Duration) {
        // The reader is who is to be woken by the next event, whoever asks now.
        let waker = self.reader.as_ref().unwrap_or(Waker::noop());
        let mut context = Context::from_waker(waker);
        let entries = &mut self.entries;
        self.events.retain_mut(|(who, events)| {
            loop {
                match Pin::new(&mut *events).poll_next(&mut context) {
                    Poll::Ready(Some(event)) => entries.push(Entry {
                        at,
                        who: *who,
                        what: WhatHappened::Server(event),
                    }),
                    Poll::Ready(None) => return false,
                    Poll::Pending => return true,
                }
            }
        });
    }

    fn wake(&self) {
        if let Some(reader) = &self.reader {
            reader.wake_by_ref();
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("entries", &self.lock().entries.len())
            .finish_non_exhaustive()
    }
}
