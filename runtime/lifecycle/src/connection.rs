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

mod due;
mod linger;
mod place;
mod retirement;
mod seam;
mod times;

#[cfg(test)]
mod tests;

pub use linger::{Awaited, Linger};
pub use retirement::Retirement;
pub use seam::{Activity, Effect, Input, Order};
pub use times::Times;

use due::{Due, When};
use place::Place;

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
    place: Place,
    /// When handlers are asked to finish, in a drain that is spread and has not asked them yet.
    turn_at: Option<Instant>,
    told_at: Option<Instant>,
    /// When it reached its limit of age or of requests.
    retired_at: Option<Instant>,
    /// Whether its work outlived the grace of that limit.
    overdue: bool,
    refusing: bool,
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
            place: Place::of(id),
            turn_at: None,
            told_at: None,
            retired_at: None,
            overdue: false,
            refusing: false,
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

    /// Whether it was told to end now, or has to by its own limit of age or of requests.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.stop >= Stop::Force || self.overdue
    }

    /// Whether it has reached its limit of age or of requests, with nobody stopping the server.
    #[must_use]
    pub const fn is_retired(&self) -> bool {
        self.retired_at.is_some()
    }

    /// Whether it has had nothing to say for so long that what it said last has had all the time
    /// that lingering would give it. Only a stop knows.
    #[must_use]
    pub fn is_long_quiet(&self) -> bool {
        self.told_at
            .is_some_and(|told_at| self.now.since(told_at.max(self.idle_since)) >= Linger::LONGEST)
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
                    self.goaway_at = Some(self.now + self.place.within(half));
                }
                Stop::LameDuck
            }
            Order::Drain { deadline } => {
                self.deadline = match (self.deadline, deadline) {
                    (Some(old), Some(new)) => Some(old.min(new)),
                    (old, new) => old.or(new),
                };
                self.take_turn();
                Stop::Drain
            }
            Order::Cancel => Stop::Cancel,
            Order::Force => Stop::Force,
        };
        self.stop = self.stop.max(asked);
    }

    /// Finds its place in a drain that is spread: never beyond half of what is left of the drain.
    fn take_turn(&mut self) {
        let left = |deadline: Instant| deadline.since(self.now) / 2;
        if self.stop < Stop::Drain && !self.times.drain_spread.is_zero() {
            let longest = self.deadline.map_or(Duration::MAX, left);
            let spread = self.times.drain_spread.min(longest);
            self.turn_at = Some(self.now + self.place.within(spread));
        } else if let (Some(at), Some(deadline)) = (self.turn_at, self.deadline) {
            self.turn_at = Some(at.min(deadline));
        }
    }

    fn finish(&mut self, end: ConnectionEnd) {
        self.ended = Some(end);
        self.effects.clear();
    }

    /// Does everything that is due by `until`. Who is told now gets to hear it before time goes on.
    fn settle(&mut self, mut until: When) {
        while let Some((at, due)) = self.due() {
            if at > until {
                break;
            }
            let untold = self.told_at.is_none();
            match due {
                Due::Turn => {
                    self.turn_at = None;
                    self.effects.push(Effect::AskToFinish);
                }
                Due::GracefulClose => self.tell(),
                Due::Retire => {
                    self.retired_at = Some(self.now);
                    if self.stage != Stage::Upgraded {
                        self.tell();
                    }
                }
                Due::RefuseStreams => {
                    self.refusing = true;
                    self.effects.push(Effect::RefuseStreams);
                }
                Due::EndReading => {
                    self.reading_ended = true;
                    self.effects.push(Effect::EndReading);
                }
                Due::Force => self.stop = Stop::Force,
                Due::GiveUp => self.overdue = true,
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
            if untold && self.is_told() {
                until = When::AtOnce;
            }
        }
    }

    fn tell(&mut self) {
        self.told_at = Some(self.now);
        self.effects.push(Effect::GracefulClose);
    }
}
