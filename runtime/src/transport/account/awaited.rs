//! Which of the requests in flight a drain waits for, and which their clients have given up (floor 2).
//!
//! A request whose client has reset its stream ends by itself as long as a task attends to it: hyper drops
//! what answers it. Its answer may be with h2 to its end by then, and stuck where the peer takes no more.
//! Such an answer is waited for by nobody, and is its client's doing, by force as well. Which ones those are
//! nobody says, for HTTP/2 tells nobody the stream of a request; how many they are, the frames do.
//!
//! A stream that h2 has not looked at, as long as the peer takes no bytes, is no request in flight. It holds the
//! connection all the same, or its client would never know that nobody has begun it.
//!
//! **Invariant:** as long as a task attends to a request that is work, or an answer of work is wanted,
//! something is awaited.
//! **Invariant:** what is cut and what is given up is told apart by number; of several on one connection
//! one may stand for another.

use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use lamplighter_lifecycle::Protocol;

use super::{Account, lock};
use crate::transport::flag;
use crate::transport::frames::Wanted;

impl Account {
    /// HTTP/2: the streams whose answers are wanted. For the task of the connection alone.
    #[inline]
    pub(in crate::transport) fn wanted(&self) -> MutexGuard<'_, Wanted> {
        lock(&self.wanted)
    }

    /// HTTP/2: no task attends to a request any more, or infrastructure's does. To be said once of each,
    /// before it is settled.
    pub(in crate::transport) fn leaves(&self) {
        self.unattended.fetch_add(1, Ordering::AcqRel);
    }

    /// HTTP/2: how many requests that are work have a task that attends to them.
    fn attended(&self) -> u64 {
        let unattended = self.unattended.load(Ordering::Acquire);
        self.begun().saturating_sub(unattended)
    }

    /// What a drain waits for: work in flight, but for answers that are given up; or else what is to come. Where
    /// infrastructure's are on their way too, more may be waited for than is wanted, and never less.
    pub(in crate::transport) fn awaited_work(&self) -> u64 {
        let made = self.infrastructure_made.load(Ordering::Acquire);
        if self.protocol() != Protocol::Http2 {
            return self.work_but(made);
        }
        let wanted = self.wanted();
        let work = self.work_but(made.max(wanted.in_vain()));
        let to_come = u64::from(self.to_come_in(&wanted) > 0);
        let Some(most) = wanted.most(self.begun()) else {
            return work.max(to_come);
        };
        let attended = self.attended().saturating_sub(wanted.ahead());
        work.min(most).max(attended).max(to_come)
    }

    /// How many streams have come that h2 does not look at before the peer takes more bytes.
    fn to_come_in(&self, wanted: &Wanted) -> u64 {
        if self.seen.is_blocked() {
            wanted.to_come(self.seen.asks_for_more())
        } else {
            0
        }
    }

    /// HTTP/2: the peer has not taken what h2 had to say, and so nobody has looked at what it has asked since:
    /// so many requests.
    pub(in crate::transport) fn ends_unread(&self) -> u64 {
        let to_come = self.to_come_in(&self.wanted());
        self.late.fetch_add(to_come, Ordering::Relaxed);
        to_come
    }

    /// From here on everything is cut that does not end by itself.
    pub(in crate::transport) fn forces(&self) {
        if self.protocol() == Protocol::Http2 && !self.has(flag::FORCED) {
            let wanted = self.wanted();
            if let Some(most) = wanted.most(self.begun()) {
                let told = most + wanted.in_vain();
                let given_up = self.in_flight().saturating_sub(told);
                self.given_up.store(given_up, Ordering::Release);
            }
        }
        self.raise(flag::FORCED);
    }

    /// How many of `ended`, which end without an answer now, their clients had given up by the time of the
    /// force. What a task attends to has most likely not been: for those there are the others.
    pub(super) fn takes_given_up(&self, ended: u64, attended: bool) -> u64 {
        let kept = if attended {
            let infrastructure = self.infrastructure.load(Ordering::Acquire);
            let attended = self.attended() + infrastructure + ended;
            self.in_flight().saturating_sub(attended)
        } else {
            0
        };
        let taken = |given_up: u64| ended.min(given_up.saturating_sub(kept));
        let take = |given_up| Some(given_up - taken(given_up)).filter(|left| *left != given_up);
        let before = self
            .given_up
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        before.map_or(0, taken)
    }
}
