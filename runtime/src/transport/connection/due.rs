//! When a connection has something to do though nothing comes: what its machine waits for, and a look at what
//! its peer does where nobody is woken by that (floor 2).
//!
//! **Invariant:** in a drain nobody who takes no bytes over HTTP/2 is given up without a look at what it has sent.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use lamplighter_lifecycle::{Instant, Protocol};

use super::{Connected, Stage};

/// How often a connection is looked at of whose reset nobody hears: its client has ended its side, or has
/// sent more behind the request that a handler works on; or, over HTTP/2 and in a drain, its client takes no
/// bytes and may give up what waits. A client that is gone, or wants nothing, holds its request for so long,
/// and one that is there costs two system calls in that time; over HTTP/2 also a copy of what it has sent
/// ahead, a MiB of it at most.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

impl Connected {
    /// When there is something to do though nothing comes.
    pub(super) fn due(&mut self) -> Option<Instant> {
        let due = self.machine.poll_timeout();
        let in_flight = self.told.in_flight.max(self.account.in_flight());
        let works = matches!(self.stage, Stage::Speaking(_)) && in_flight > 0;
        if !works || !self.account.seen.is_unwatched() {
            self.look_at = None;
            return due;
        }
        let sink = &self.inner.sink;
        let look = *self
            .look_at
            .get_or_insert_with(|| sink.now() + BETWEEN_LOOKS);
        Some(due.map_or(look, |due| due.min(look)))
    }

    /// HTTP/2, in a drain: whoever is about to be given up, since it takes no bytes, may have asked something in
    /// the meantime.
    pub(super) fn looks_once_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let speaks = matches!(self.stage, Stage::Speaking(_));
        let is_http2 = self.machine.protocol() == Protocol::Http2;
        let is_quiet = self.obeyed.drains() && !self.obeyed.forces() && self.told.in_flight == 0;
        if !speaks || !is_http2 || !is_quiet || !self.account.seen.is_write_blocked() {
            return Poll::Pending;
        }
        self.account.seen.asks_for_look();
        let advanced = self.advance(cx);
        self.observe();
        advanced
    }

    /// The time that has come, if the timer rings; also where a peer keeps the task so busy that tokio would have
    /// it yield before it gets here, every time.
    pub(super) fn rings(&mut self, cx: &mut Context<'_>) -> Option<Instant> {
        let deadline = self.timer.deadline()?;
        let mut timer = tokio::task::unconstrained(&mut self.timer);
        if Pin::new(&mut timer).poll(cx).is_pending() {
            return None;
        }
        // A timer that has rung has come, whatever the clock's last digit says.
        let now = self.inner.sink.now().max(deadline);
        if self.look_at.is_some_and(|at| at <= now) {
            self.look_at = None;
            self.account.seen.asks_for_look();
        }
        Some(now)
    }
}
