//! The deadlines of a stop, worked out from its cause and what came after (tests of floor 0).
//!
//! **Invariant:** every number comes from the budget and the instants of the inputs.

use lamplighter_lifecycle::{Cause, Input, Instant, OnDeadline, Phase, SignalTaken};
use std::time::Duration;

use super::Reference;
use crate::model::{Call, Moment};

/// From where a stop began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Running,
    DuringStart,
    FailedStart,
    Unstarted,
    Discarded,
}

/// A stop that has begun.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub(crate) at: Instant,
    pub(crate) manner: Manner,
    pub(crate) cause: Cause,
    /// When the lame duck ends at the latest.
    pub(crate) lame_until: Instant,
    pub(crate) drain_by: Option<Instant>,
    pub(crate) ends_by: Option<Instant>,
    /// Begun by `drain()`, and nobody has ended the wait.
    pub(crate) waits_for_stop: bool,
    /// A wait without end was allowed, and nobody has ended it.
    pub(crate) unbounded: bool,
    /// A second signal, or `force()`.
    pub(crate) forced: bool,
    /// A third signal.
    pub(crate) abandoned: bool,
    pub(crate) abandoned_at: Option<Instant>,
    /// The callbacks have not all been told.
    pub(crate) announcing: bool,
    /// `now <= slack + lateness` for as long as the stop lasts; `None` while it has no bound.
    pub(crate) slack: Option<i128>,
}

impl Stop {
    /// Notes that the stop must be over at `by`, lateness from now on apart.
    fn bound(&mut self, by: Instant, lateness: Duration) {
        let by_now = self.ends_by.map_or(by, |known| known.min(by));
        self.ends_by = Some(by_now);
        let slack = i128::from(by.as_nanos()) - nanos(lateness);
        self.slack = Some(self.slack.map_or(slack, |known| known.min(slack)));
    }
}

pub(crate) fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).expect("no duration is that long")
}

impl Reference {
    pub(super) fn begin_stop(&mut self, moment: &Moment) {
        let pending = self.pending.take();
        let (manner, cause) = match (moment.before.phase, moment.input()) {
            (Phase::Created, Some(Input::Discard)) => {
                (Manner::Discarded, pending.unwrap_or(Cause::Dropped))
            }
            (Phase::Created, _) => match pending {
                Some(cause) => (Manner::Unstarted, cause),
                None => (Manner::FailedStart, Cause::StartFailed),
            },
            (Phase::Starting, None | Some(Input::StartFailed(_) | Input::StartEnded)) => {
                (Manner::FailedStart, Cause::StartFailed)
            }
            (phase, input) => {
                let manner = if phase == Phase::Running {
                    Manner::Running
                } else {
                    Manner::DuringStart
                };
                (manner, cause_of(input))
            }
        };
        if manner == Manner::FailedStart {
            self.fail_start(moment);
        }
        let started = matches!(manner, Manner::Running | Manner::DuringStart);
        let waits_for_stop = started && cause == Cause::Drain;
        let unbounded =
            started && (waits_for_stop || self.budget.on_deadline() == OnDeadline::KeepWaiting);
        let lame_duck = match manner {
            Manner::Running => self.budget.lame_duck(),
            _ => Duration::ZERO,
        };
        let drain = match manner {
            Manner::FailedStart | Manner::Discarded => Duration::ZERO,
            _ => self.budget.drain_timeout(),
        };
        let mut stop = Stop {
            at: self.now,
            manner,
            cause,
            lame_until: self.now + lame_duck,
            drain_by: (!unbounded).then(|| self.now + lame_duck + drain),
            ends_by: None,
            waits_for_stop,
            unbounded,
            forced: false,
            abandoned: false,
            abandoned_at: None,
            announcing: !matches!(manner, Manner::FailedStart | Manner::Discarded),
            slack: None,
        };
        if !unbounded {
            let total = match manner {
                Manner::Discarded => Duration::ZERO,
                _ => self.budget.total(),
            };
            stop.bound(self.now + total, self.lateness);
        }
        self.stop = Some(stop);
        if matches!(moment.call, Call::Handle(Input::Force)) {
            self.force();
        }
    }

    pub(super) fn during_stop(&mut self, phase: Phase, moment: &Moment) {
        let keep_waiting = self.budget.on_deadline() == OnDeadline::KeepWaiting;
        let Some(stop) = &mut self.stop else { return };
        match moment.input() {
            Some(Input::Stop(_)) if stop.waits_for_stop && phase <= Phase::Draining => {
                stop.waits_for_stop = false;
                if !keep_waiting {
                    self.end_wait(phase);
                }
            }
            Some(Input::Force) if phase <= Phase::Draining => self.force(),
            Some(Input::Announced { announcement, .. })
                if *announcement == lamplighter_lifecycle::Announcement::Stopping =>
            {
                stop.announcing = false;
            }
            Some(Input::Signal(_)) => match self.taken {
                Some(SignalTaken::First) => {
                    stop.waits_for_stop = false;
                    self.end_wait(phase);
                }
                Some(SignalTaken::Second) if phase <= Phase::Draining => self.force(),
                Some(SignalTaken::Third) => self.abandon(),
                _ => {}
            },
            _ => {}
        }
    }

    /// A stop without a deadline gets the ordinary one, from now on.
    fn end_wait(&mut self, phase: Phase) {
        let total = self.budget.total();
        let drain = self.budget.drain_timeout();
        let (now, lateness) = (self.now, self.lateness);
        let Some(stop) = &mut self.stop else { return };
        if !stop.unbounded || phase > Phase::Draining {
            return;
        }
        stop.unbounded = false;
        let begins = if phase == Phase::LameDuck {
            stop.lame_until
        } else {
            now
        };
        stop.drain_by = Some(begins + drain);
        stop.bound(now + total, lateness);
    }

    fn force(&mut self) {
        let lead = self.budget.cancel_lead();
        let rest = self.budget.hooks_timeout() + self.budget.margin();
        let (now, lateness) = (self.now, self.lateness);
        let Some(stop) = &mut self.stop else { return };
        let cut = stop.drain_by.map_or(now + lead, |by| by.min(now + lead));
        stop.drain_by = Some(cut);
        stop.waits_for_stop = false;
        stop.unbounded = false;
        stop.forced = true;
        stop.bound(cut.max(now) + rest, lateness);
    }

    fn abandon(&mut self) {
        let (now, lateness) = (self.now, self.lateness);
        let Some(stop) = &mut self.stop else { return };
        stop.waits_for_stop = false;
        stop.abandoned = true;
        stop.abandoned_at = Some(now);
        stop.bound(now, lateness);
    }

    pub(super) fn enter_draining(&mut self) {
        let latest = self.now + self.budget.drain_timeout();
        if let Some(stop) = &mut self.stop {
            stop.drain_by = stop.drain_by.map(|by| by.min(latest));
        }
    }

    /// A wait that ended by itself: what follows has its ordinary time.
    pub(super) fn leave_draining(&mut self) {
        let rest = self.budget.hooks_timeout() + self.budget.margin();
        let (now, lateness) = (self.now, self.lateness);
        if let Some(stop) = &mut self.stop
            && stop.ends_by.is_none()
        {
            stop.bound(now + rest, lateness);
        }
    }

    fn fail_start(&mut self, moment: &Moment) {
        use lamplighter_lifecycle::StartFailure;
        let failure = match moment.input() {
            Some(Input::StartFailed(failure)) => Some(failure.clone()),
            Some(Input::StartEnded) => Some(StartFailure::System(
                "the start ended without a result".into(),
            )),
            // Refused before it began: the words are those of the check.
            Some(_) => None,
            None => self.start_overrun(),
        };
        self.failures.start(failure);
    }
}

fn cause_of(input: Option<&Input>) -> Cause {
    match input {
        Some(Input::Stop(cause)) => cause.clone(),
        Some(Input::Drain) => Cause::Drain,
        Some(Input::Force) => Cause::Forced,
        Some(Input::Signal(signal)) => Cause::Signal(*signal),
        Some(Input::ListenerFailed { listener, .. }) => Cause::ListenerFailed(listener.clone()),
        other => panic!("a stop was begun by {other:?}"),
    }
}
