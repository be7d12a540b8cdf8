//! From the cause to the end of the drain: causes, signals, deadlines (floor 0).
//!
//! **Invariant:** a deadline only ever moves earlier. **Invariant:** only signals are counted.
//! **Invariant:** whoever works hears draining before cancelled before the cut.

use core::time::Duration;

use super::{Listeners, Machine, Manner, Stop, Timer, Wait};
use crate::effect::{Announcement, Directive, Effect, Readiness};
use crate::event::{Event, SignalTaken};
use crate::plan::{LameDuckReadiness, OnDeadline};
use crate::{Cause, Instant, Phase, Signal, Step};

/// Wrappers send twice: Ctrl-C reaches the whole process group, and npm, shells and `timeout`
/// forward what they got as well. Within this time it is the same signal.
const DEBOUNCE: Duration = Duration::from_millis(300);

/// How long a cancelled start may take to end by itself.
const START_GRACE: Duration = Duration::from_secs(1);

impl Machine {
    pub(super) fn on_stop(&mut self, cause: Cause) {
        match self.phase {
            Phase::Created => {
                self.pending.get_or_insert(cause);
            }
            Phase::Starting => self.begin_stop(cause, Manner::DuringStart),
            Phase::Running => self.begin_stop(cause, Manner::Running),
            Phase::LameDuck | Phase::Draining => {
                self.tell(Event::StopAgain(cause));
                self.release();
            }
            Phase::ForceClosing | Phase::RunningHooks | Phase::Disposing => {
                self.tell(Event::StopAgain(cause));
            }
            Phase::Stopped => {}
        }
    }

    pub(super) fn on_drain(&mut self) {
        if self.phase < Phase::LameDuck {
            self.on_stop(Cause::Drain);
        }
    }

    pub(super) fn on_force(&mut self) {
        match self.phase {
            Phase::Created => {
                self.pending.get_or_insert(Cause::Forced);
                return;
            }
            Phase::Starting | Phase::Running => self.on_stop(Cause::Forced),
            Phase::Stopped => return,
            Phase::LameDuck
            | Phase::Draining
            | Phase::ForceClosing
            | Phase::RunningHooks
            | Phase::Disposing => self.tell(Event::Force),
        }
        self.force_soon();
    }

    pub(super) fn on_signal(&mut self, signal: Signal) {
        if self.phase == Phase::Stopped {
            return;
        }
        let repeated = self
            .signals
            .last
            .is_some_and(|last| self.now.since(last) <= DEBOUNCE);
        let taken = match self.signals.counted {
            3.. => SignalTaken::Ignored,
            1.. if repeated => SignalTaken::Repeated,
            // Before the start there is nothing to force and nothing to abandon.
            1.. if self.phase == Phase::Created => SignalTaken::Ignored,
            0 => SignalTaken::First,
            1 => SignalTaken::Second,
            2 => SignalTaken::Third,
        };
        if matches!(taken, SignalTaken::Repeated | SignalTaken::Ignored) {
            self.tell(Event::Signal { signal, taken });
            return;
        }
        self.signals.counted += 1;
        self.signals.last = Some(self.now);
        self.tell(Event::Signal { signal, taken });
        match taken {
            SignalTaken::First if self.phase < Phase::LameDuck => {
                self.on_stop(Cause::Signal(signal));
            }
            SignalTaken::First => self.tighten(),
            SignalTaken::Second => self.force_soon(),
            SignalTaken::Third => self.abandon(),
            SignalTaken::Repeated | SignalTaken::Ignored => {}
        }
    }

    /// Begins the stop: deadlines, readiness, the announcement, the lame duck.
    pub(super) fn begin_stop(&mut self, cause: Cause, manner: Manner) {
        let wait = if cause == Cause::Drain && manner.is_started() {
            Wait::ForStop { drained: false }
        } else {
            Wait::ForWork
        };
        let unbounded = match manner {
            Manner::FailedStart | Manner::Unstarted => false,
            Manner::Running | Manner::DuringStart => {
                wait != Wait::ForWork || self.budget.on_deadline() == OnDeadline::KeepWaiting
            }
        };
        let lame_duck = match manner {
            Manner::Running => self.budget.lame_duck(),
            Manner::DuringStart | Manner::FailedStart | Manner::Unstarted => Duration::ZERO,
        };
        let drain = match manner {
            // Whoever is connected has had no answer but "not ready": one graceful pass.
            Manner::FailedStart => Duration::ZERO,
            Manner::Running | Manner::DuringStart | Manner::Unstarted => {
                self.budget.drain_timeout()
            }
        };
        let readiness = match self.budget.lame_duck_readiness() {
            LameDuckReadiness::Held if !lame_duck.is_zero() => Readiness::Ready,
            LameDuckReadiness::Held | LameDuckReadiness::Off => Readiness::NotReady,
        };
        self.timers.clear();
        self.outcome.stopped_before_ready =
            matches!(manner, Manner::DuringStart | Manner::Unstarted);
        self.stop = Some(Stop {
            cause: cause.clone(),
            at: self.now,
            manner,
            announcing: manner != Manner::FailedStart,
            drain_by: (!unbounded).then(|| self.now + lame_duck + drain),
            ends_by: (!unbounded).then(|| self.now + self.budget.total()),
            wait,
            cancelled: false,
            abandoned: false,
            readiness,
        });
        if manner != Manner::FailedStart {
            self.tell(Event::Stopping(cause.clone()));
        }
        self.step(Step::Stop);
        if readiness == Readiness::NotReady {
            self.effects
                .push_back(Effect::SetReadiness(Readiness::NotReady));
        }
        if manner != Manner::FailedStart {
            self.effects
                .push_back(Effect::Announce(Announcement::Stopping));
        }
        if manner == Manner::DuringStart {
            self.effects.push_back(Effect::CancelStart);
        }
        if lame_duck.is_zero() {
            self.enter_draining();
        } else {
            let until = self.now + lame_duck;
            self.timers.arm(Timer::LameDuck, until);
            self.effects
                .push_back(Effect::Direct(Directive::LameDuck { cause, until }));
        }
    }

    pub(super) fn enter_draining(&mut self) {
        self.timers.disarm(Timer::LameDuck);
        self.step(Step::LameDuckOver);
        let drain = self.budget.drain_timeout();
        let latest = self.now + drain;
        let Some(stop) = &mut self.stop else { return };
        let (cause, manner) = (stop.cause.clone(), stop.manner);
        if stop.readiness == Readiness::Ready {
            self.effects
                .push_back(Effect::SetReadiness(Readiness::NotReady));
        }
        let deadline = stop.drain_by.map(|by| by.min(latest));
        stop.drain_by = deadline;
        self.effects
            .push_back(Effect::Direct(Directive::Drain { cause, deadline }));
        match (self.listeners, manner) {
            (Listeners::Open, Manner::FailedStart) => {
                self.listeners = Listeners::Closing;
                self.effects.push_back(Effect::DropListeners);
            }
            (Listeners::Open, _) => {
                self.listeners = Listeners::Closing;
                self.effects.push_back(Effect::CloseListeners);
            }
            (Listeners::None | Listeners::Closing | Listeners::Closed, _) => {}
        }
        if self.start.live {
            if manner == Manner::FailedStart {
                self.effects.push_back(Effect::DropStart);
            } else {
                let grace = START_GRACE.min(drain);
                self.timers.arm(Timer::StartGrace, self.now + grace);
            }
        }
        if let Some(deadline) = deadline {
            self.arm_drain(deadline);
        }
        self.check_drained();
    }

    /// Arms the drain deadline, and the cancel before it.
    fn arm_drain(&mut self, deadline: Instant) {
        self.timers.arm(Timer::Drain, deadline);
        let lead = self.budget.cancel_lead();
        let cancelled = self.stop.as_ref().is_some_and(|stop| stop.cancelled);
        if !lead.is_zero() && !cancelled {
            let nanos = u64::try_from(lead.as_nanos()).unwrap_or(u64::MAX);
            let at = Instant::from_nanos(deadline.as_nanos().saturating_sub(nanos));
            self.timers.arm(Timer::Cancel, at);
        }
    }

    /// Leaves Draining once no obligation is left.
    pub(super) fn check_drained(&mut self) {
        if self.phase != Phase::Draining || self.has_work() {
            return;
        }
        let Some(stop) = &mut self.stop else { return };
        match stop.wait {
            _ if stop.announcing => {}
            Wait::ForWork => self.leave_draining(),
            Wait::ForStop { drained: true } => {}
            Wait::ForStop { drained: false } => {
                stop.wait = Wait::ForStop { drained: true };
                self.tell(Event::Drained);
            }
        }
    }

    /// Whether anything of this life still works, accepts or starts.
    pub(super) fn has_work(&self) -> bool {
        self.start.live
            || matches!(self.listeners, Listeners::Open | Listeners::Closing)
            || !self.ledger.is_empty()
            || self.running_workers() > 0
    }

    /// `stop()` during a drain without deadline: from here on it is an ordinary stop.
    fn release(&mut self) {
        let Some(stop) = &mut self.stop else { return };
        if stop.wait == Wait::ForWork {
            return;
        }
        stop.wait = Wait::ForWork;
        if self.budget.on_deadline() == OnDeadline::ForceClose {
            self.bound();
        }
        self.check_drained();
    }

    /// The first signal during a stop that had another cause: no wait is without end any more.
    fn tighten(&mut self) {
        let Some(stop) = &mut self.stop else { return };
        stop.wait = Wait::ForWork;
        self.bound();
        self.check_drained();
    }

    /// Gives a stop without a deadline the ordinary budget, counted from now; without a second
    /// lame duck.
    fn bound(&mut self) {
        let Some(stop) = &mut self.stop else { return };
        if stop.ends_by.is_some() {
            return;
        }
        stop.ends_by = Some(self.now + self.budget.total());
        let begins = self.timers.at(Timer::LameDuck).unwrap_or(self.now);
        let deadline = begins + self.budget.drain_timeout();
        stop.drain_by = Some(deadline);
        if self.phase == Phase::Draining {
            self.arm_drain(deadline);
            self.effects
                .push_back(Effect::Direct(Directive::Tighten { deadline }));
        }
    }

    /// What a second signal does: cancel now, cut what is left after the cancel's lead.
    fn force_soon(&mut self) {
        let lead = self.budget.cancel_lead();
        let rest = self.budget.hooks_timeout() + self.budget.margin();
        let (now, phase) = (self.now, self.phase);
        let Some(stop) = &mut self.stop else { return };
        if phase > Phase::Draining {
            return;
        }
        let deadline = stop.drain_by.unwrap_or(Instant::MAX).min(now + lead);
        stop.wait = Wait::ForWork;
        stop.drain_by = Some(deadline);
        // The deadline may have passed already, if the caller is late.
        let ends_by = deadline.max(now) + rest;
        stop.ends_by = Some(stop.ends_by.unwrap_or(Instant::MAX).min(ends_by));
        if phase == Phase::LameDuck {
            self.enter_draining();
        } else {
            self.effects
                .push_back(Effect::Direct(Directive::Tighten { deadline }));
            self.timers.arm(Timer::Drain, deadline);
            self.check_drained();
        }
        if self.phase == Phase::Draining {
            if self.start.live {
                self.timers.disarm(Timer::StartGrace);
                self.effects.push_back(Effect::DropStart);
            }
            self.cancel();
        }
    }

    /// Tells whoever works that time is up; once.
    pub(super) fn cancel(&mut self) {
        self.timers.disarm(Timer::Cancel);
        let Some(stop) = &mut self.stop else { return };
        if stop.cancelled {
            return;
        }
        stop.cancelled = true;
        self.tell(Event::Cancelled);
        self.effects.push_back(Effect::Direct(Directive::Cancel));
    }

    /// The third signal: nothing is waited for any more.
    fn abandon(&mut self) {
        if self.phase == Phase::LameDuck {
            self.enter_draining();
        }
        let now = self.now;
        if let Some(stop) = &mut self.stop {
            stop.wait = Wait::ForWork;
            stop.abandoned = true;
            stop.ends_by = Some(stop.ends_by.unwrap_or(Instant::MAX).min(now));
        }
        self.outcome.abandoned = true;
        if self.phase == Phase::Draining {
            self.leave_draining();
        }
        // No later than it was due anyway.
        let by = |timer| self.timers.at(timer).unwrap_or(now).min(now);
        match self.phase {
            // What was cut gets to say so before it is given up: these fire on the next call.
            Phase::ForceClosing => self.timers.arm(Timer::Force, by(Timer::Force)),
            Phase::RunningHooks => self.abandon_hooks(),
            Phase::Disposing => self.timers.arm(Timer::Dispose, by(Timer::Dispose)),
            Phase::Created
            | Phase::Starting
            | Phase::Running
            | Phase::LameDuck
            | Phase::Draining
            | Phase::Stopped => {}
        }
    }
}
