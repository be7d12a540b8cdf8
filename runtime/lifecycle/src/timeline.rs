//! What happened, in order, as text a person reads (floor 0).
//!
//! **Invariant:** no wall-clock time, no address, nothing that differs between two runs of the same
//! inputs. **Invariant:** bounded by the number of hooks, workers and a constant.

use alloc::vec::Vec;
use core::fmt;

use crate::Instant;
use crate::connections::ConnectionEnd;
use crate::event::{Event, SignalTaken};
use crate::ledger::NAMED_CUT;

/// How many signals and repeated stop requests are kept; a storm of them is not.
const REPEATS: usize = 64;

/// How many events a life has that has no hooks and in which nothing goes wrong.
const ORDINARY: usize = 12;

/// The events of a stop, with the instants at which they happened.
///
/// It is fed with what [`Machine::poll_event`](crate::Machine::poll_event) gives. Connections that
/// ended by themselves, without work being cut, are left out: the report counts them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Timeline {
    entries: Vec<(Instant, Event)>,
    repeats: usize,
    cuts: usize,
}

impl Timeline {
    /// Without events, and with room for those of an ordinary life.
    #[must_use]
    pub fn new() -> Self {
        Self {
            entries: Vec::with_capacity(ORDINARY),
            ..Self::default()
        }
    }

    /// Takes an event in, if it belongs into a timeline.
    pub fn record(&mut self, at: Instant, event: &Event) {
        let room = match event {
            Event::ConnectionOpened { .. } => false,
            Event::ConnectionClosed { tally, end, .. } => {
                let told = tally.cut > 0 || *end == ConnectionEnd::Stuck;
                told && count(&mut self.cuts) <= NAMED_CUT
            }
            Event::Signal {
                taken: SignalTaken::First | SignalTaken::Second | SignalTaken::Third,
                ..
            } => true,
            Event::Signal { .. } | Event::StopAgain(_) | Event::Force => {
                count(&mut self.repeats) <= REPEATS
            }
            Event::Start
            | Event::Ready
            | Event::Stopping(_)
            | Event::Error(_)
            | Event::Stop
            | Event::Phase(_)
            | Event::ListenersClosed
            | Event::Drained
            | Event::Cancelled
            | Event::WorkerEnded { .. }
            | Event::HookStarted(_)
            | Event::HookSettled { .. }
            | Event::HookEnded(_)
            | Event::HookGone(_) => true,
        };
        if room {
            self.entries.push((at, event.clone()));
        }
    }

    /// Everything kept, in order.
    pub fn entries(&self) -> impl Iterator<Item = (Instant, &Event)> {
        self.entries.iter().map(|(at, event)| (*at, event))
    }

    /// One line per event from `origin` on: milliseconds since then with three decimals, and what
    /// happened.
    #[must_use]
    pub fn since(&self, origin: Instant) -> impl fmt::Display + '_ {
        Since {
            timeline: self,
            origin,
        }
    }
}

fn count(counter: &mut usize) -> usize {
    *counter = counter.saturating_add(1);
    *counter
}

struct Since<'a> {
    timeline: &'a Timeline,
    origin: Instant,
}

impl fmt::Display for Since<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, event) in self.timeline.entries() {
            if at >= self.origin {
                let micros = at.since(self.origin).as_micros();
                let (whole, part) = (micros / 1000, micros % 1000);
                writeln!(f, "{whole:>7}.{part:03} ms  {event}")?;
            }
        }
        Ok(())
    }
}
