//! What happened, in order, as text a person reads (floor 0).
//!
//! **Invariant:** no wall-clock time, no address, nothing that differs between two runs of the same
//! inputs. **Invariant:** bounded by the number of hooks, workers and a constant. **Invariant:** what there
//! is no room for is counted, in a line of its own.

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
    repeats: Kept,
    cuts: Kept,
}

/// How many events of a kind were kept, and what came beyond that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Kept {
    events: usize,
    beyond: Option<Beyond>,
}

/// Events for which there was no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Beyond {
    events: usize,
    /// How many requests were cut with them.
    cut: u64,
    /// When the last of them came, and behind how many that were kept.
    last: Instant,
    behind: usize,
}

impl Kept {
    /// Whether there is room for one more of `most`, which comes `behind` so many events.
    fn keep(&mut self, most: usize, at: Instant, behind: usize, cut: u64) -> bool {
        if self.events < most {
            self.events += 1;
            return true;
        }
        let before = self.beyond.map_or((0, 0), |it| (it.events, it.cut));
        self.beyond = Some(Beyond {
            events: before.0.saturating_add(1),
            cut: before.1.saturating_add(cut),
            last: at,
            behind,
        });
        false
    }
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
        let behind = self.entries.len();
        let room = match event {
            Event::ConnectionOpened { .. } => false,
            Event::ConnectionClosed { tally, end, .. } => {
                let told = tally.cut > 0 || *end == ConnectionEnd::Stuck;
                told && self.cuts.keep(NAMED_CUT, at, behind, tally.cut)
            }
            Event::Signal {
                taken: SignalTaken::First | SignalTaken::Second | SignalTaken::Third,
                ..
            } => true,
            Event::Signal { .. } | Event::StopAgain(_) | Event::Force => {
                self.repeats.keep(REPEATS, at, behind, 0)
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

    /// Everything kept, in order. Of connections whose work was cut that is the first 100, and of signals
    /// without effect and repeated stops the first 64; the text says how many more there were.
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

struct Since<'a> {
    timeline: &'a Timeline,
    origin: Instant,
}

impl fmt::Display for Since<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = &self.timeline.entries;
        for (index, (at, event)) in entries.iter().enumerate() {
            self.beyond(f, index)?;
            self.line(f, *at, event)?;
        }
        self.beyond(f, entries.len())
    }
}

impl Since<'_> {
    fn line(
        &self,
        f: &mut fmt::Formatter<'_>,
        at: Instant,
        what: &dyn fmt::Display,
    ) -> fmt::Result {
        if at < self.origin {
            return Ok(());
        }
        let micros = at.since(self.origin).as_micros();
        let (whole, part) = (micros / 1000, micros % 1000);
        writeln!(f, "{whole:>7}.{part:03} ms  {what}")
    }

    /// What there was no room for, where the last of it belongs.
    fn beyond(&self, f: &mut fmt::Formatter<'_>, behind: usize) -> fmt::Result {
        let here = |kept: &Kept| kept.beyond.filter(|beyond| beyond.behind == behind);
        if let Some(Beyond { events, last, .. }) = here(&self.timeline.repeats) {
            let what = format_args!("again         {events} signals or stops more");
            self.line(f, last, &what)?;
        }
        if let Some(Beyond {
            events, cut, last, ..
        }) = here(&self.timeline.cuts)
        {
            let what = format_args!("close         {events} connections more, {cut} cut");
            self.line(f, last, &what)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::{ConnectionId, Protocol, Tally};
    use crate::{Phase, Signal};
    use alloc::string::ToString;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + core::time::Duration::from_millis(millis)
    }

    fn closed(number: u64, cut: u64) -> Event {
        let mut tally = Tally::default();
        (tally.begun, tally.cut) = (cut, cut);
        Event::ConnectionClosed {
            connection: ConnectionId::new(number),
            protocol: Protocol::Http2,
            end: ConnectionEnd::Cut,
            tally,
        }
    }

    #[test]
    fn what_there_is_no_room_for_is_counted_where_the_last_of_it_belongs() {
        let mut timeline = Timeline::new();
        let ignored = Event::Signal {
            signal: Signal::Sigterm,
            taken: SignalTaken::Repeated,
        };
        for _ in 0..REPEATS + 36 {
            timeline.record(at(2), &ignored);
        }
        for number in 0..100 {
            timeline.record(at(10), &closed(number, 1));
        }
        for number in 100..151 {
            timeline.record(at(number - 89), &closed(number, 4));
        }
        timeline.record(at(70), &Event::Phase(Phase::RunningHooks));
        assert_eq!(timeline.entries().count(), REPEATS + 101);
        let text = timeline.since(at(1)).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), REPEATS + 103);
        assert_eq!(
            lines[REPEATS],
            "      1.000 ms  again         36 signals or stops more"
        );
        assert_eq!(
            lines[REPEATS + 101..],
            [
                "     60.000 ms  close         51 connections more, 204 cut",
                "     69.000 ms  phase         running-hooks"
            ]
        );
        // Of what was before, nothing is said.
        let later = timeline.since(at(65)).to_string();
        assert_eq!(later.lines().count(), 1, "{later}");
    }
}
