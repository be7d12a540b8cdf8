//! The life of one connection as a value: what it is doing, what a stop asks of it, and when
//! (floor 0).
//!
//! Whoever carries bytes tells it what it sees ([`Connection::handle`]), calls
//! [`Connection::handle_timeout`] when [`Connection::poll_timeout`] has come, and after each of the
//! two carries out what [`Connection::poll_effect`] hands out, until that is `None`. Extra calls
//! change nothing.
//!
//! **Invariant:** a connection is told to close gracefully at most once, and never after force.
//! **Invariant:** it ends at most once, and nothing is asked of it afterwards.
//! **Invariant:** once draining, it has a timer, unless work without a deadline is in flight.

use alloc::vec::Vec;
use core::time::Duration;

use crate::{ConnectionEnd, ConnectionId, Instant, Protocol};

mod seam;
mod times;

#[cfg(test)]
mod tests;

pub use seam::{Activity, Effect, Input, Order};
pub use times::Times;

/// How much later than the drain's deadline a connection cuts its work by itself, should nobody
/// have told it to.
const BACKSTOP: Duration = Duration::from_millis(50);

/// How far a stop has come, as one connection knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Stop {
    None,
    LameDuck,
    Drain,
    Cancel,
    Force,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// No byte has come.
    Silent,
    /// Bytes have come, too few to know the protocol.
    Opening { since: Instant },
    /// HTTP/1, with the beginning of a head that is not complete.
    Http1 { head: Option<Instant> },
    /// HTTP/2, its preface read.
    Http2,
    /// Bytes of the user's.
    Upgraded,
}

/// One connection, from accept to its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    times: Times,
    opened_at: Instant,
    now: Instant,
    stage: Stage,
    activity: Activity,
    idle_since: Instant,
    stop: Stop,
    deadline: Option<Instant>,
    /// When GOAWAY is due in the lame duck; `None` if only a drain may send it.
    goaway_at: Option<Instant>,
    spread: u32,
    told_at: Option<Instant>,
    reading_ended: bool,
    cut_at: Option<Instant>,
    ended: Option<ConnectionEnd>,
    effects: Vec<Effect>,
}

impl Connection {
    /// A connection accepted at `now`, while `orders` were in force already.
    ///
    /// What was asked before it came is meant for it too, with one exception: HTTP/2 connections
    /// accepted in a lame duck hear GOAWAY only when draining begins. Told at once, a client whose
    /// only address this is would reconnect without end.
    #[must_use]
    pub fn new(id: ConnectionId, times: Times, now: Instant, orders: &[Order]) -> Self {
        let mut connection = Self {
            times,
            opened_at: now,
            now,
            stage: Stage::Silent,
            activity: Activity::default(),
            idle_since: now,
            stop: Stop::None,
            deadline: None,
            goaway_at: None,
            spread: spread(id),
            told_at: None,
            reading_ended: false,
            cut_at: None,
            ended: None,
            effects: Vec::new(),
        };
        for order in orders {
            connection.obey(*order);
        }
        connection.goaway_at = None;
        connection.settle(When::AtOnce);
        connection
    }

    /// What it turned out to speak.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        match self.stage {
            Stage::Silent | Stage::Opening { .. } => Protocol::Unknown,
            Stage::Http1 { .. } => Protocol::Http1,
            Stage::Http2 => Protocol::Http2,
            Stage::Upgraded => Protocol::Upgraded,
        }
    }

    /// Whether it was told to close gracefully.
    #[must_use]
    pub const fn is_told(&self) -> bool {
        self.told_at.is_some()
    }

    /// Whether it is draining, or beyond that: new upgrades are refused.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.stop >= Stop::Drain
    }

    /// Whether it was told that time is up.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.stop >= Stop::Cancel
    }

    /// Whether it was told to end now.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.stop >= Stop::Force
    }

    /// How it ended; `None` while it lives.
    #[must_use]
    pub const fn end(&self) -> Option<ConnectionEnd> {
        self.ended
    }

    /// Takes in what happened at `now`. A `now` before the last one counts as the last one.
    ///
    /// What is a matter of time waits for [`Self::handle_timeout`], even if its time has come: so
    /// whoever carries bytes can look for more of them between an order and what follows from it.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.now = self.now.max(now);
        if self.ended.is_some() {
            return;
        }
        match input {
            Input::FirstByte => {
                if self.stage == Stage::Silent {
                    self.stage = Stage::Opening { since: self.now };
                }
            }
            Input::Speaks(protocol) => self.speaks(protocol),
            Input::Activity(activity) => self.active(activity),
            Input::Upgraded => self.stage = Stage::Upgraded,
            Input::Ordered(order) => self.obey(order),
            Input::Ended(end) => self.finish(end),
        }
        self.settle(When::AtOnce);
    }

    /// Does what is due at `now`. Extra calls change nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.settle(When::At(self.now));
    }

    /// What to do next; `None` if nothing is left to do for now.
    #[must_use = "an effect that is not carried out is lost"]
    pub fn poll_effect(&mut self) -> Option<Effect> {
        if self.effects.is_empty() {
            None
        } else {
            Some(self.effects.remove(0))
        }
    }

    /// Whether [`Self::poll_effect`] has something to hand out.
    #[must_use]
    pub const fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// When [`Self::handle_timeout`] is due; `None` if no time changes anything.
    #[must_use = "without its timers a connection never ends"]
    pub fn poll_timeout(&self) -> Option<Instant> {
        // What is due at once was done by the call before.
        match self.due()? {
            (When::AtOnce, _) => Some(self.now),
            (When::At(at), _) => Some(at),
        }
    }

    fn speaks(&mut self, protocol: Protocol) {
        let since = match self.stage {
            Stage::Silent => self.now,
            Stage::Opening { since } => since,
            Stage::Http1 { .. } | Stage::Http2 | Stage::Upgraded => return,
        };
        match protocol {
            Protocol::Http1 => self.stage = Stage::Http1 { head: Some(since) },
            Protocol::Http2 => {
                self.stage = Stage::Http2;
                self.idle_since = self.now;
            }
            Protocol::Unknown | Protocol::Upgraded => {}
        }
    }

    fn active(&mut self, activity: Activity) {
        let before = core::mem::replace(&mut self.activity, activity);
        if activity.in_flight == 0 && before.in_flight > 0 {
            self.idle_since = self.now;
        }
        if let Stage::Http1 { head } = &mut self.stage {
            *head = match *head {
                _ if !activity.head => None,
                Some(since) if activity.begun == before.begun => Some(since),
                Some(_) | None => Some(self.now),
            };
        }
    }

    fn obey(&mut self, order: Order) {
        let asked = match order {
            Order::LameDuck { until } => {
                if self.stop < Stop::LameDuck {
                    // The first half of the lame duck belongs to GOAWAYs, the second to the
                    // clients that move on.
                    let half = until.since(self.now) / 2;
                    self.goaway_at = Some(self.now + fraction(half, self.spread));
                }
                Stop::LameDuck
            }
            Order::Drain { deadline } => {
                self.deadline = match (self.deadline, deadline) {
                    (Some(old), Some(new)) => Some(old.min(new)),
                    (old, new) => old.or(new),
                };
                Stop::Drain
            }
            Order::Cancel => Stop::Cancel,
            Order::Force => Stop::Force,
        };
        self.stop = self.stop.max(asked);
    }

    fn finish(&mut self, end: ConnectionEnd) {
        self.ended = Some(end);
        self.effects.clear();
    }

    /// Does everything that is due by `until`.
    fn settle(&mut self, until: When) {
        while let Some((at, due)) = self.due() {
            if at > until {
                break;
            }
            match due {
                Due::GracefulClose => {
                    self.told_at = Some(self.now);
                    self.effects.push(Effect::GracefulClose);
                }
                Due::EndReading => {
                    self.reading_ended = true;
                    self.effects.push(Effect::EndReading);
                }
                Due::Force => self.stop = Stop::Force,
                Due::CutStreams => {
                    self.cut_at = Some(self.now);
                    self.effects.push(Effect::CutStreams);
                }
                Due::Close(end) => {
                    self.finish(end);
                    self.effects.push(Effect::Close(end));
                }
                Due::Reset(end) => {
                    self.finish(end);
                    self.effects.push(Effect::Reset(end));
                }
            }
        }
    }

    /// What is due next, and when.
    fn due(&self) -> Option<(When, Due)> {
        if self.ended.is_some() {
            return None;
        }
        match self.stop {
            Stop::Force => Some(self.due_at_force()),
            Stop::Drain | Stop::Cancel => self.due_in_drain(),
            Stop::LameDuck => [self.due_in_lame_duck(), self.due_while_serving()]
                .into_iter()
                .flatten()
                .min_by_key(|(at, _)| *at),
            Stop::None => self.due_while_serving(),
        }
    }

    fn due_while_serving(&self) -> Option<(When, Due)> {
        let (since, end) = match self.stage {
            Stage::Silent => (self.opened_at, ConnectionEnd::Silent),
            Stage::Opening { since } => (since, ConnectionEnd::TimedOut),
            Stage::Http1 { head: Some(since) } if self.activity.in_flight == 0 => {
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

    fn due_in_drain(&self) -> Option<(When, Due)> {
        let speaks = matches!(self.stage, Stage::Http1 { .. } | Stage::Http2);
        if speaks && !self.is_told() {
            return Some((When::AtOnce, Due::GracefulClose));
        }
        let working = self.activity.in_flight > 0 || self.stage == Stage::Upgraded;
        let due = match self.stage {
            Stage::Http1 { .. } if !self.reading_ended => {
                return Some((When::AtOnce, Due::EndReading));
            }
            Stage::Http1 { .. } | Stage::Http2 | Stage::Upgraded if working => {
                return Some((When::At(self.deadline? + BACKSTOP), Due::Force));
            }
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
                self.idle_since.max(self.told_at.unwrap_or(self.now)) + self.times.head_grace,
                Due::Close(ConnectionEnd::Idle),
            ),
            Stage::Http2 | Stage::Upgraded => (
                self.idle_since.max(self.told_at.unwrap_or(self.now)) + self.times.goaway_grace,
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
            // The peer does not take the resets: nothing that it has not got matters any more.
            (Stage::Http2, Some(cut_at)) if working => (
                When::At(cut_at + self.times.flush_grace),
                Due::Reset(ConnectionEnd::Cut),
            ),
            (Stage::Http2, Some(_)) => (now, Due::Close(ConnectionEnd::Cut)),
            (Stage::Http2, None) if self.is_told() => (now, Due::Close(ConnectionEnd::Graceful)),
            (Stage::Http2, None) => (now, Due::Close(ConnectionEnd::Idle)),
        }
    }
}

/// When something is due. What is due at once comes before every instant, the first one too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum When {
    AtOnce,
    At(Instant),
}

#[derive(Clone, Copy, Debug)]
enum Due {
    GracefulClose,
    EndReading,
    Force,
    CutStreams,
    Close(ConnectionEnd),
    Reset(ConnectionEnd),
}

/// A fixed place between 0 and `u32::MAX` for each connection, spread evenly over many.
fn spread(id: ConnectionId) -> u32 {
    // The finalizer of SplitMix64; the upper half is the better one.
    let mut z = id.number().wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(u32::MAX)
}

/// `part / u32::MAX` of `whole`.
fn fraction(whole: Duration, part: u32) -> Duration {
    let nanos = whole.as_nanos() * u128::from(part) / u128::from(u32::MAX);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
