//! From what a connection's bytes show to what its machine is told (floor 2).
//!
//! **Invariant:** the machine is told only what can make a difference: while nobody stops the server
//! and nothing retires the connection, a request that is answered within one poll is not told.

use lamplighter_lifecycle::Protocol;
use lamplighter_lifecycle::connection::{Activity, Input};

use super::{Connected, Stage};
use crate::transport::flag;

impl Connected {
    /// Tells the machine what has changed, where that can make a difference.
    pub(super) fn observe(&mut self) {
        if !matches!(self.stage, Stage::Speaking(_)) {
            return;
        }
        let http1 = self.machine.protocol() == Protocol::Http1;
        let head = http1 && self.account.seen.head();
        // Either is the end of the connection, sooner or later, and then every request counts.
        let leaves =
            self.obeyed.stops() || self.machine.is_retired() || self.account.has(flag::SPENT);
        let seen = &self.account.seen;
        let blocked = seen.is_blocked();
        if blocked && self.account.has_unflushed() && self.account.begun() != self.told.begun {
            self.account.seen_at(self.inner.sink.now());
        }
        if !head && !self.told.head && !leaves {
            return;
        }
        // On HTTP/2 an answer is in flight until its last frame is with the kernel. Frames that are no
        // answer's are not: or a peer that asks for them and takes none would hold the drain.
        let activity = Activity {
            begun: self.account.begun(),
            in_flight: self.work_in_flight(),
            head,
            blocked: blocked && !http1,
        };
        let body = head && self.has_rest_of_body();
        if activity == self.told && !body {
            return;
        }
        let now = self.inner.sink.now();
        if body {
            let rest = Activity {
                head: false,
                ..activity
            };
            self.machine.handle(now, Input::Activity(rest));
        }
        self.told = activity;
        self.machine.handle(now, Input::Activity(activity));
    }

    /// What keeps the connection in a stop. Infrastructure ends by itself, and where its peer does not
    /// take that it is waited for no longer than the peer's word; nor are answers waited for that their
    /// client has given up. By force all of that is cut as the rest is.
    fn work_in_flight(&self) -> u64 {
        if self.obeyed.drains() && !self.obeyed.forces() {
            self.account.awaited_work()
        } else {
            self.account.in_flight()
        }
    }

    /// Whether what came since the last answer was, in part, the body of the request before.
    ///
    /// A handler may answer and leave the rest of its request to a task of its own. What nobody can
    /// tell from the beginning of a head has the time of a head, from its first byte; but no head is
    /// longer than they may be. So whoever reads a body after its answer has as much time again for
    /// every so many bytes, and a peer that only pretends has not. While draining nobody has.
    fn has_rest_of_body(&self) -> bool {
        let longest = u64::try_from(self.inner.limits.header_bytes()).unwrap_or(u64::MAX);
        let rest = !self.machine.is_draining()
            && self.account.seen.is_unclear()
            && self.account.seen.since_head() > longest;
        if rest {
            self.account.seen.head_begins();
        }
        rest
    }
}
