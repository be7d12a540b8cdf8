//! How far a stop has come, for all connections of one server (floor 2).
//!
//! **Invariant:** nothing falls back: served stays served, draining stays draining, and a deadline
//! only moves closer.
//! **Invariant:** connections read one number per poll; the lock is taken when it has changed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use lamplighter_lifecycle::connection::Order;
use lamplighter_lifecycle::{Directive, Instant};

use super::account::lock;

/// What has been asked of all connections so far.
#[derive(Debug, Default)]
pub(super) struct Orders {
    changes: AtomicU64,
    asked: Mutex<Asked>,
}

/// What has been asked of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    serve: bool,
    lame_duck: Option<Instant>,
    drain: Option<Drain>,
    cancel: bool,
    force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Drain {
    deadline: Option<Instant>,
}

impl Orders {
    /// Takes in a directive; returns whether it changed anything.
    pub(super) fn direct(&self, directive: &Directive) -> bool {
        let mut asked = lock(&self.asked);
        let before = *asked;
        if matches!(directive, Directive::Serve) {
            asked.serve = true;
        } else if let Some(order) = Order::of(directive) {
            // Tightening what has not begun has no meaning; the drain will bring its deadline.
            if !matches!(directive, Directive::Tighten { .. }) || asked.drain.is_some() {
                asked.take(order);
            }
        }
        let changed = *asked != before;
        if changed {
            self.changes.fetch_add(1, Ordering::Release);
        }
        changed
    }

    /// A number that is another one whenever something was asked.
    #[inline]
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// All that has been asked, with the number that stands for it.
    pub(super) fn read(&self) -> (u64, Asked) {
        let asked = lock(&self.asked);
        (self.changes.load(Ordering::Relaxed), *asked)
    }
}

impl Asked {
    pub(super) const fn serves(&self) -> bool {
        self.serve
    }

    /// Whether a stop is under way.
    pub(super) const fn stops(&self) -> bool {
        self.lame_duck.is_some() || self.drain.is_some()
    }

    /// Whether work is asked to finish.
    pub(super) const fn drains(&self) -> bool {
        self.drain.is_some()
    }

    /// Whether what is left is cut.
    pub(super) const fn forces(&self) -> bool {
        self.force
    }

    /// Every order, in the order of a stop.
    pub(super) fn orders(self) -> impl Iterator<Item = Order> {
        let lame_duck = self.lame_duck.map(|until| Order::LameDuck { until });
        let drain = self
            .drain
            .map(|Drain { deadline }| Order::Drain { deadline });
        let cancel = self.cancel.then_some(Order::Cancel);
        let force = self.force.then_some(Order::Force);
        [lame_duck, drain, cancel, force].into_iter().flatten()
    }

    /// The first order of `self` that `obeyed` does not know.
    pub(super) fn next_after(self, obeyed: Self) -> Option<Order> {
        self.orders().find(|order| {
            let mut with = obeyed;
            with.take(*order);
            with != obeyed
        })
    }

    /// Adds an order. Later ones bring those before them along.
    pub(super) fn take(&mut self, order: Order) {
        match order {
            Order::LameDuck { until } => {
                self.lame_duck.get_or_insert(until);
            }
            Order::Drain { deadline } => {
                let drain = self.drain.get_or_insert(Drain { deadline });
                drain.deadline = match (drain.deadline, deadline) {
                    (Some(old), Some(new)) => Some(old.min(new)),
                    (old, new) => old.or(new),
                };
            }
            Order::Cancel => {
                self.drain.get_or_insert(Drain { deadline: None });
                self.cancel = true;
            }
            Order::Force => {
                self.drain.get_or_insert(Drain { deadline: None });
                self.cancel = true;
                self.force = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lamplighter_lifecycle::Cause;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn force_alone_passes_through_drain_and_cancel() {
        let orders = Orders::default();
        assert!(orders.direct(&Directive::Force));
        let (_, asked) = orders.read();
        let mut obeyed = Asked::default();
        let mut heard = Vec::new();
        while let Some(order) = asked.next_after(obeyed) {
            obeyed.take(order);
            heard.push(order);
        }
        // Cancel brings force's drain along, so what is heard begins with the drain.
        assert_eq!(
            heard,
            [Order::Drain { deadline: None }, Order::Cancel, Order::Force]
        );
        assert_eq!(obeyed, asked);
    }

    #[test]
    fn repeating_changes_nothing_and_a_deadline_only_moves_closer() {
        let orders = Orders::default();
        let drain = |deadline| Directive::Drain {
            cause: Cause::Drain,
            deadline,
        };
        assert!(!orders.direct(&Directive::Tighten { deadline: at(5) }));
        assert!(orders.direct(&drain(None)));
        assert!(!orders.direct(&drain(None)));
        assert!(orders.direct(&Directive::Tighten { deadline: at(5) }));
        let before = orders.changes();
        assert!(!orders.direct(&Directive::Tighten { deadline: at(9) }));
        assert!(!orders.direct(&drain(Some(at(7)))));
        assert_eq!(orders.changes(), before);
        assert!(orders.direct(&Directive::Tighten { deadline: at(4) }));
        assert!(orders.read().1.drains());
    }
}
