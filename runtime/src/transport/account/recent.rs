//! The latest requests of a connection that have begun and are not over: which they are, and their methods
//! (floor 2).
//!
//! A request that waits is in the account's list. One that blocks its thread in its first poll is in no
//! list, and is the one that a report has to name.
//!
//! **Invariant:** a request takes no lock here, and no memory.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::transport::verb::Verb;

/// So many are remembered: more than that do not begin while one is polled for the first time, but where a
/// peer sends on and on behind one that is stuck, which then has no name any more.
const SLOTS: u64 = 64;

#[derive(Debug)]
pub(super) struct Recent {
    /// One bit for each slot.
    in_flight: AtomicU64,
    verbs: [AtomicU8; SLOTS as usize],
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            in_flight: AtomicU64::new(0),
            verbs: std::array::from_fn(|_| AtomicU8::new(0)),
        }
    }
}

const fn bit(number: u64) -> u64 {
    1 << (number % SLOTS)
}

impl Recent {
    fn slot(&self, number: u64) -> Option<&AtomicU8> {
        let slot = usize::try_from(number % SLOTS).ok()?;
        self.verbs.get(slot)
    }

    /// The next request has begun. Called by the connection's task alone.
    pub(super) fn begin(&self, number: u64, verb: Verb) {
        if let Some(slot) = self.slot(number) {
            slot.store(verb as u8, Ordering::Relaxed);
        }
        self.in_flight.fetch_or(bit(number), Ordering::Release);
    }

    /// A request is over, of so many that have begun.
    pub(super) fn over(&self, number: u64, begun: u64) {
        // Its slot may be another's by now.
        if begun.saturating_sub(number) < SLOTS {
            self.in_flight.fetch_and(!bit(number), Ordering::Release);
        }
    }

    /// Those in flight, of so many that have begun, in their order.
    pub(super) fn in_flight(&self, begun: u64) -> impl Iterator<Item = (u64, Verb)> + '_ {
        let bits = self.in_flight.load(Ordering::Acquire);
        let first = begun.saturating_sub(SLOTS - 1).max(1);
        (first..=begun).filter_map(move |number| {
            let verb = self.slot(number)?.load(Ordering::Relaxed);
            (bits & bit(number) != 0).then(|| (number, Verb::from_code(verb)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_flight(recent: &Recent, begun: u64) -> Vec<(u64, &'static str)> {
        let requests = recent.in_flight(begun);
        requests
            .map(|(number, verb)| (number, verb.name()))
            .collect()
    }

    #[test]
    fn each_request_in_flight_has_its_own_method() {
        let recent = Recent::default();
        assert_eq!(in_flight(&recent, 0), []);
        for (number, verb) in [(1, Verb::Get), (2, Verb::Post), (3, Verb::Delete)] {
            recent.begin(number, verb);
        }
        recent.over(2, 3);
        assert_eq!(in_flight(&recent, 3), [(1, "GET"), (3, "DELETE")]);
    }

    #[test]
    fn one_that_is_too_old_takes_nothing_from_the_one_in_its_slot() {
        let recent = Recent::default();
        recent.begin(1, Verb::Get);
        for number in 2..=65 {
            recent.begin(number, Verb::Post);
            if number < 65 {
                recent.over(number, number);
            }
        }
        recent.over(1, 65);
        assert_eq!(in_flight(&recent, 65), [(65, "POST")]);
    }
}
