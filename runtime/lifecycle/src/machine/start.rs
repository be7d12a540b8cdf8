//! From Created to Running, and every way not to get there (floor 0).
//!
//! **Invariant:** a start that is over, in whatever way, never makes the server ready later.
//! **Invariant:** its deadlines move later by time in which the process did not run, and by no other.

use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;

use super::{CheckError, Listeners, Machine, Manner, Timer, WorkerState};
use crate::effect::{Announcement, Directive, Effect, Readiness};
use crate::event::Event;
use crate::failure::Failure;
use crate::input::StartFailure;
use crate::plan::FREEZE;
use crate::{Cause, Instant, Phase, Step};

impl Machine {
    pub(super) fn on_start(&mut self) {
        if self.phase != Phase::Created {
            return;
        }
        if let Some(cause) = self.pending.take() {
            self.begin_stop(cause, Manner::Unstarted);
            return;
        }
        self.step(Step::Start);
        self.tell(Event::Start);
        self.effects
            .push_back(Effect::Announce(Announcement::Start));
        if let Err(error) = self.check() {
            let message = match (&error, &self.plan_note) {
                (CheckError::Plan(error), Some(note)) => format!("{error}; {note}"),
                _ => error.to_string(),
            };
            self.on_start_failed(StartFailure::Configuration(message.into()));
            return;
        }
        self.start.live = true;
        self.timers
            .arm(Timer::Start, self.now + self.budget.start_timeout());
        self.effects.push_back(Effect::BeginStart);
    }

    pub(super) fn on_bound(&mut self) {
        if !self.start.live || self.listeners != Listeners::None {
            return;
        }
        if self.phase == Phase::Starting {
            self.listeners = Listeners::Open;
            self.timers
                .arm(Timer::Ready, self.now + self.budget.ready_timeout());
            self.feel_pulse();
        } else {
            // A stop came first: what has just been opened is closed again.
            self.listeners = Listeners::Closing;
            self.effects.push_back(Effect::DropListeners);
        }
    }

    pub(super) fn on_ready(&mut self) {
        if self.phase != Phase::Starting || self.listeners != Listeners::Open {
            return;
        }
        self.start.live = false;
        self.timers.clear();
        self.step(Step::Ready);
        self.effects
            .push_back(Effect::SetReadiness(Readiness::Ready));
        self.effects.push_back(Effect::Direct(Directive::Serve));
        self.tell(Event::Ready);
        self.effects
            .push_back(Effect::Announce(Announcement::Ready));
        for (id, worker) in &mut self.workers {
            worker.state = WorkerState::Running;
            self.effects.push_back(Effect::StartWorker(*id));
        }
    }

    pub(super) fn on_start_failed(&mut self, failure: StartFailure) {
        if self.phase == Phase::Starting {
            self.start.live = false;
            self.fail_start(failure);
        } else {
            // The start was told to end, and ended: how is of no interest.
            self.start_is_gone();
        }
    }

    /// A start that was told to end has ended: nothing is left to drop.
    fn start_is_gone(&mut self) {
        self.start.live = false;
        self.timers.disarm(Timer::StartGrace);
        self.check_drained();
        self.check_forced();
    }

    pub(super) fn on_start_ended(&mut self) {
        if self.phase == Phase::Starting {
            // Nobody told it to end, and it said nothing: it was lost.
            if self.start.live {
                self.start.live = false;
                let message = Arc::from("the start ended without a result");
                self.fail_start(StartFailure::System(message));
            }
            return;
        }
        self.start_is_gone();
    }

    /// Looks again in a moment whether the process runs.
    pub(super) fn feel_pulse(&mut self) {
        self.timers
            .arm(Timer::Pulse, self.now + self.budget.pulse());
    }

    /// Before time passes up to `now`: what the process slept through, seen by its pulse, is no time in
    /// which a check could have been asked.
    pub(super) fn give_back_to_start(&mut self, now: Instant) {
        if self.phase == Phase::Starting
            && let Some(due) = self.timers.at(Timer::Pulse)
        {
            let asleep = now.since(due.max(self.now));
            if asleep >= FREEZE {
                self.timers.put_off(Timer::Ready, asleep);
                self.timers.put_off(Timer::Start, asleep);
            }
        }
    }

    pub(super) fn start_timed_out(&mut self) {
        let limit = self.budget.start_timeout();
        let red = self.start.red.take();
        let message = match red {
            Some(red) => format!("the start took longer than {limit:?}; not ready: {red}"),
            None => format!("the start took longer than {limit:?}"),
        };
        self.fail_start(StartFailure::TimedOut(message.into()));
    }

    pub(super) fn ready_timed_out(&mut self) {
        let limit = self.budget.ready_timeout();
        let red = self.start.red.take();
        let red = red.as_deref().unwrap_or("no round of checks has ended");
        let message = format!("not ready within {limit:?}: {red}");
        self.fail_start(StartFailure::NotReady(message.into()));
    }

    fn fail_start(&mut self, failure: StartFailure) {
        self.failures.push(Failure::Start(failure.clone()));
        self.outcome.start_failure = Some(failure);
        self.begin_stop(Cause::StartFailed, Manner::FailedStart);
    }

    /// The server is gone before it was started: nothing runs, everything is settled.
    pub(super) fn on_discard(&mut self) {
        if self.phase != Phase::Created {
            return;
        }
        let cause = self.pending.take().unwrap_or(Cause::Dropped);
        self.discard(cause);
    }
}
