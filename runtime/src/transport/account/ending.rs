//! How a connection ended, settled when the last part of it is gone (floor 2).
//!
//! **Invariant:** what is left in flight at the end is counted by what ended it.

use std::sync::atomic::Ordering;

use lamplighter_lifecycle::{ConnectionEnd, Input, Protocol, Work};

use super::{Account, lock};
use crate::transport::flag;

/// What is known of the end before it is settled.
#[derive(Default)]
pub(super) struct Ending {
    end: Option<ConnectionEnd>,
    in_order: Option<InOrder>,
    pub(super) cut: Vec<Work>,
}

/// A connection that ended with all written that it was given.
struct InOrder {
    /// How it ended, if what is unsettled turns out to be answered.
    end: ConnectionEnd,
    /// How many requests had been aborted by then.
    aborted: u64,
}

impl Account {
    /// Settles how the connection ends; the first one counts.
    pub(in crate::transport) fn ends(&self, end: ConnectionEnd) {
        lock(&self.ending).end.get_or_insert(end);
    }

    /// All that was handed over is with the kernel, also where the task of its stream has not said so
    /// yet; if nothing else is left, the connection ends like this.
    pub(in crate::transport) fn has_written_all(&self, end: ConnectionEnd) {
        let aborted = self.tally().aborted;
        lock(&self.ending).in_order = Some(InOrder { end, aborted });
    }

    pub(super) fn close(&self) {
        let mut ending = std::mem::take(&mut *lock(&self.ending));
        let is_http2 = self.protocol() == Protocol::Http2;
        if ending.in_order.is_some() {
            if is_http2 {
                self.flushed_or_dropped(self.handed_over());
            } else {
                self.flushed(self.handed_over());
            }
        } else {
            self.flushed_in_part();
        }
        let left = self.in_flight();
        if left > 0 {
            // No request is left, so these are answers that never reached the kernel, or a socket
            // that the application had taken over.
            if self.has(flag::FORCED) {
                let given_up = self.takes_given_up(left, false);
                let cut = left - given_up;
                let work = self.last_work();
                self.aborted.fetch_add(given_up, Ordering::AcqRel);
                self.cut.fetch_add(cut, Ordering::AcqRel);
                ending.cut.extend((0..cut).map(|_| work.clone()));
            } else if self.protocol() == Protocol::Upgraded {
                self.answered.fetch_add(left, Ordering::AcqRel);
            } else {
                self.aborted.fetch_add(left, Ordering::AcqRel);
            }
        }
        let tally = self.tally();
        let in_order = ending
            .in_order
            .filter(|known| known.aborted == tally.aborted)
            .map(|known| known.end);
        let end = match ending.end {
            Some(ConnectionEnd::Failed) => in_order.unwrap_or(ConnectionEnd::Failed),
            // It took no bytes, and so nobody has looked at what it has asked; nothing was cut for that.
            Some(ConnectionEnd::Cut | ConnectionEnd::Graceful)
                if tally.cut == 0 && tally.late_unprocessed > 0 && is_http2 =>
            {
                ConnectionEnd::TimedOut
            }
            // What was to be cut made it in the time that resets get.
            Some(ConnectionEnd::Cut) if tally.cut == 0 => ConnectionEnd::Graceful,
            Some(end) => end,
            None if tally.cut > 0 => ConnectionEnd::Cut,
            None => ConnectionEnd::Failed,
        };
        self.inner.forget(self.id);
        self.inner.sink.input(Input::ConnectionClosed {
            connection: self.id,
            protocol: self.protocol(),
            end,
            tally,
            cut: ending.cut,
        });
    }
}
