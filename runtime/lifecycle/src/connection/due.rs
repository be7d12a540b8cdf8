//! What is due on a connection next, and when (floor 0).
//!
//! **Invariant:** a look changes nothing.

use core::time::Duration;

use super::{Connection, Stage, Stop};
use crate::{ConnectionEnd, Instant};

/// How much later than the drain's deadline a connection cuts its work by itself, should nobody
/// have told it to.
const BACKSTOP: Duration = Duration::from_millis(50);

/// When something is due. What is due at once comes before every instant, the first one too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum When {
    AtOnce,
    At(Instant),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    Turn,
    GracefulClose,
    Retire,
    RefuseStreams,
    EndReading,
    Force,
    GiveUp,
    CutStreams,
    Close(ConnectionEnd),
    Reset(ConnectionEnd),
}

impl Connection {
    /// What is due next, and when.
    pub(super) fn due(&self) -> Option<(When, Due)> {
        if self.ended.is_some() {
            return None;
        }
        if self.is_forced() {
            return Some(self.due_at_force());
        }
        let last = self.due_beyond_goaway();
        let due = match self.stop {
            Stop::None => [
                self.due_while_serving(),
                self.due_in_retirement(),
                last,
                None,
                None,
            ],
            Stop::LameDuck => [
                self.due_in_lame_duck(),
                self.due_while_serving(),
                self.due_in_retirement(),
                last,
                None,
            ],
            Stop::Drain | Stop::Cancel | Stop::Force => {
                // A grace ends what would last longer; it gives nobody more time than there is
                // without a stop.
                [
                    self.due_in_turn(),
                    self.due_in_drain(),
                    self.due_at_grace(),
                    self.due_while_serving(),
                    last,
                ]
            }
        };
        due.iter().flatten().min_by_key(|(at, _)| *at).copied()
    }

    fn is_working(&self) -> bool {
        self.activity.in_flight > 0 || self.stage == Stage::Upgraded
    }

    /// Since when the peer has been told, with nothing left to do.
    fn quiet_since(&self) -> Instant {
        self.idle_since.max(self.told_at.unwrap_or(self.now))
    }

    fn due_while_serving(&self) -> Option<(When, Due)> {
        let (since, end) = match self.stage {
            Stage::Silent => (self.opened_at, ConnectionEnd::Silent),
            Stage::Opening { .. } => (self.opened_at, ConnectionEnd::TimedOut),
            Stage::Http1 { head: Some(since) } if self.activity.in_flight == 0 => {
                // To the first head silence counts as well: a peer gains no time by one early byte.
                let first = self.activity.begun == 0;
                let since = if first { self.opened_at } else { since };
                (since, ConnectionEnd::TimedOut)
            }
            Stage::Http1 { .. } | Stage::Http2 | Stage::Upgraded => return None,
        };
        let timeout = self.times.head_timeout?;
        Some((When::At(since + timeout), Due::Close(end)))
    }

    fn due_in_lame_duck(&self) -> Option<(When, Due)> {
        if self.is_told() {
            return None;
        }
        match self.stage {
            Stage::Http1 { .. } => Some((When::AtOnce, Due::GracefulClose)),
            Stage::Http2 => self.goaway_at.map(|at| (When::At(at), Due::GracefulClose)),
            Stage::Silent | Stage::Opening { .. } | Stage::Upgraded => None,
        }
    }

    fn due_in_retirement(&self) -> Option<(When, Due)> {
        let limits = &self.times.retirement;
        if self.retired_at.is_none() {
            let carries = match self.stage {
                Stage::Silent | Stage::Opening { .. } => return None,
                Stage::Http1 { .. } | Stage::Http2 => self.activity.begun,
                Stage::Upgraded => 0,
            };
            if self.is_told() {
                return None;
            }
            if limits.max_requests.is_some_and(|most| carries >= most) {
                return Some((When::AtOnce, Due::Retire));
            }
            let age = limits.max_age?;
            let shortest = self.opened_at + (age - age / 10);
            let at = shortest + self.place.within(age / 5);
            return Some((When::At(at), Due::Retire));
        }
        if self.is_working() {
            return self.due_at_grace();
        }
        let quiet = self.quiet_since() + self.times.goaway_grace;
        match self.stage {
            // A client that was between requests gets as long to send one more, whose answer tells
            // it, as one that speaks HTTP/2 gets to agree.
            Stage::Http1 { head: None } if !self.reading_ended => {
                Some((When::At(quiet), Due::EndReading))
            }
            Stage::Http1 { head: None } => Some((
                When::At(quiet + self.times.head_grace),
                Due::Close(ConnectionEnd::Retired),
            )),
            Stage::Http2 => Some((When::At(quiet), Due::Close(ConnectionEnd::TimedOut))),
            Stage::Silent | Stage::Opening { .. } | Stage::Http1 { .. } | Stage::Upgraded => None,
        }
    }

    /// The end of the grace of a connection that retired, for the work that it still has.
    fn due_at_grace(&self) -> Option<(When, Due)> {
        let at = self.retired_at? + self.times.retirement.grace?;
        self.is_working().then_some((When::At(at), Due::GiveUp))
    }

    /// Its turn in a drain that is spread, which nothing spreads any more once time is up.
    fn due_in_turn(&self) -> Option<(When, Due)> {
        let at = self.turn_at?;
        let when = if self.is_cancelled() {
            When::AtOnce
        } else {
            When::At(at)
        };
        Some((when, Due::Turn))
    }

    /// Whoever has not agreed to GOAWAY in its grace opens no more streams.
    fn due_beyond_goaway(&self) -> Option<(When, Due)> {
        let leaves = self.is_draining() || self.is_retired();
        if self.stage != Stage::Http2 || self.refusing || !leaves {
            return None;
        }
        let at = self.told_at? + self.times.goaway_grace;
        Some((When::At(at), Due::RefuseStreams))
    }

    fn due_in_drain(&self) -> Option<(When, Due)> {
        let speaks = matches!(self.stage, Stage::Http1 { .. } | Stage::Http2);
        // HTTP/2 is told in its turn; on HTTP/1 it is the next answer that tells, so nobody has to
        // come back before its own time.
        let waits = self.stage == Stage::Http2 && self.turn_at.is_some();
        if speaks && !self.is_told() && !waits {
            return Some((When::AtOnce, Due::GracefulClose));
        }
        let working = self.is_working();
        let due = match self.stage {
            Stage::Http1 { .. } if !self.reading_ended => {
                return Some((When::AtOnce, Due::EndReading));
            }
            Stage::Http1 { .. } | Stage::Http2 | Stage::Upgraded if working => {
                return Some((When::At(self.deadline? + BACKSTOP), Due::Force));
            }
            Stage::Http2 if waits && !self.is_told() => return None,
            Stage::Silent => (
                self.opened_at + self.times.silent_grace,
                Due::Close(ConnectionEnd::Silent),
            ),
            Stage::Opening { since } | Stage::Http1 { head: Some(since) } => (
                since + self.times.head_grace,
                Due::Close(ConnectionEnd::TimedOut),
            ),
            // Reading has ended where nothing was left to read, so it closes by itself; what it
            // still has to say may take as long as a head.
            Stage::Http1 { head: None } => (
                self.quiet_since() + self.times.head_grace,
                Due::Close(ConnectionEnd::Idle),
            ),
            Stage::Http2 | Stage::Upgraded => (
                self.quiet_since() + self.times.goaway_grace,
                Due::Close(ConnectionEnd::TimedOut),
            ),
        };
        let (at, due) = due;
        let at = self.deadline.map_or(at, |deadline| deadline.min(at));
        Some((When::At(at), due))
    }

    fn due_at_force(&self) -> (When, Due) {
        let now = When::AtOnce;
        let working = self.activity.in_flight > 0;
        match (self.stage, self.cut_at) {
            (Stage::Silent, _) => (now, Due::Close(ConnectionEnd::Silent)),
            (Stage::Opening { .. }, _) => (now, Due::Close(ConnectionEnd::TimedOut)),
            (Stage::Upgraded, _) => (now, Due::Reset(ConnectionEnd::Cut)),
            (Stage::Http1 { .. }, _) if working => (now, Due::Reset(ConnectionEnd::Cut)),
            (Stage::Http1 { head: Some(_) }, _) => (now, Due::Close(ConnectionEnd::TimedOut)),
            (Stage::Http1 { head: None }, _) => (now, Due::Close(ConnectionEnd::Idle)),
            (Stage::Http2, None) if working => (now, Due::CutStreams),
            (Stage::Http2, Some(cut_at)) if working => {
                let due = if self.activity.blocked {
                    // The peer does not take the resets: nothing that it has not got matters any
                    // more.
                    Due::Reset(ConnectionEnd::Cut)
                } else {
                    // It took all there was, so what is left waits for a window that it has not
                    // granted. It knows how much of that it misses; what is finished still arrives.
                    Due::Close(ConnectionEnd::Cut)
                };
                (When::At(cut_at + self.times.flush_grace), due)
            }
            // Nobody works any more, and the resets are still to be taken.
            (Stage::Http2, Some(cut_at)) if self.activity.blocked => (
                When::At(cut_at + self.times.flush_grace),
                Due::Close(ConnectionEnd::Cut),
            ),
            (Stage::Http2, Some(_)) => (now, Due::Close(ConnectionEnd::Cut)),
            (Stage::Http2, None) if self.is_told() => (now, Due::Close(ConnectionEnd::Graceful)),
            (Stage::Http2, None) => (now, Due::Close(ConnectionEnd::Idle)),
        }
    }
}
