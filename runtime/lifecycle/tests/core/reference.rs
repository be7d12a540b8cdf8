//! What a life should look like, kept beside the machine from its inputs alone (tests of floor 0).
//!
//! It takes from the machine only which phase it is in and which effects it asked for; whether
//! those were right is what the laws ask. Everything else, deadlines, counts, outcomes, it works
//! out again, in another way.
//!
//! **Invariant:** it never reads a deadline, a count or an outcome from the machine.

mod failures;
mod hooks;
mod linger;
mod stop;
mod work;

use lamplighter_lifecycle::{
    Budget, Cause, Directive, Effect, Event, HookId, Input, Instant, Machine, OnListenerError,
    Phase, SignalTaken, StartFailure, Stuck, WorkerId, WorkerOutcome,
};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::failures::Failures;
pub(crate) use self::hooks::{Hook, Hooks};
pub(crate) use self::linger::Linger;
pub(crate) use self::stop::{Manner, Stop};
pub(crate) use self::work::{Listeners, Work, Worker};
use crate::model::{Call, Moment};

/// Wrappers send a signal twice within 300 ms.
const DEBOUNCE_NANOS: u64 = 300_000_000;

/// What comes later than this was kept by a process that did not run.
const FREEZE: Duration = Duration::from_millis(100);

/// How long a cancelled start may take.
const START_GRACE: Duration = Duration::from_secs(1);

/// All that follows from what a machine was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reference {
    pub(crate) now: Instant,
    pub(crate) budget: Budget,
    /// By how much the caller was late during the stop.
    pub(crate) lateness: Duration,
    counted: u8,
    last_signal: Option<Instant>,
    /// What the signal of this moment is to be taken for.
    pub(crate) taken: Option<SignalTaken>,
    pending: Option<Cause>,
    /// When `Start` was accepted, and since when the listeners are open.
    pub(crate) started_at: Option<Instant>,
    bound_at: Option<Instant>,
    /// When the process is next to show that it runs, while readiness is being proven, and how much of
    /// that time it did not.
    pulse: Option<Instant>,
    asleep: Duration,
    pub(crate) stop: Option<Stop>,
    pub(crate) work: Work,
    pub(crate) hooks: Hooks,
    pub(crate) linger: Linger,
    pub(crate) failures: Failures,
    /// When each phase of the stop was entered.
    pub(crate) entered: Vec<(Phase, Instant)>,
    /// `Disposed` has come, or was given up.
    pub(crate) disposed: bool,
    /// What was cut had its time, and the connections that were left were aborted.
    pub(crate) aborted_since: Option<Instant>,
    /// Disposing had its time, and the driver was asked what is left.
    pub(crate) asked_since: Option<Instant>,
    /// The callbacks are being told of the failures of a stop.
    pub(crate) telling: bool,
    pub(crate) telling_since: Option<Instant>,
    /// Whoever works was told that time is up.
    pub(crate) cancelled: bool,
    /// The start was told to be gone.
    pub(crate) start_dropped: bool,
}

impl Reference {
    /// Takes in one moment.
    pub(crate) fn observe(&mut self, moment: &Moment, machine: &Machine) {
        self.now = self.now.max(moment.at);
        if let Some(due) = moment.before.due
            && moment.before.phase.is_stopping()
        {
            self.lateness += self.now.since(due.max(moment.before.now));
        }
        self.budget = *machine.budget();
        self.taken = None;
        self.work.stuck_now.clear();
        self.work.last_cut = 0;
        let phase = moment.before.phase;
        let stopping = self.stop.is_some();
        if phase == Phase::Starting {
            self.follow_pulse(moment);
        }

        match &moment.call {
            Call::Handle(input) => self.on_input(phase, input),
            Call::Timeout | Call::Overdue => {
                if phase == Phase::ForceClosing
                    && self.aborted_since.is_none()
                    && !self.work.open.is_empty()
                    && moment.fires_any()
                {
                    self.aborted_since = Some(self.now);
                }
                if phase == Phase::Disposing && !self.disposed && moment.fires_any() {
                    self.dispose_timed_out();
                }
            }
            Call::RegisterHook(spec, Ok(_)) => self.hooks.register(spec.clone()),
            Call::RegisterWorker(Ok(_)) => self.work.register_worker(),
            Call::RegisterHook(_, Err(_))
            | Call::RegisterWorker(Err(_))
            | Call::SetPlan(_)
            | Call::Observe(_) => {}
        }
        if !stopping && phase < Phase::LameDuck && moment.after.phase >= Phase::LameDuck {
            self.begin_stop(moment);
        }
        if stopping {
            self.during_stop(phase, moment);
        }
        self.follow_effects(moment);
        self.follow_phases(moment);
        self.follow_hooks(moment);
        self.follow_linger(moment);
        if self.disposed
            && moment
                .events
                .iter()
                .any(|(_, event)| matches!(event, Event::Error(_)))
        {
            self.telling = true;
            self.telling_since = Some(self.now);
        }
    }

    fn on_input(&mut self, phase: Phase, input: &Input) {
        match input {
            Input::Stop(cause) if phase == Phase::Created => self.pend(cause.clone()),
            Input::Drain if phase == Phase::Created => self.pend(Cause::Drain),
            Input::Force if phase == Phase::Created => self.pend(Cause::Forced),
            Input::Signal(signal) if phase != Phase::Stopped => {
                let taken = self.take_signal(phase);
                self.taken = Some(taken);
                if taken == SignalTaken::First && phase == Phase::Created {
                    self.pend(Cause::Signal(*signal));
                }
            }
            Input::ChecksRed(red) => self.failures.red(red.clone()),
            Input::Disposed if phase == Phase::Disposing => self.disposed = true,
            Input::Undisposed(left)
                if phase == Phase::Disposing && self.asked_since.is_some() && !self.disposed =>
            {
                self.disposed = true;
                if !left.is_empty() {
                    self.failures.not_disposed(left.clone());
                }
            }
            Input::Bound if self.work.bind(phase) => {
                self.bound_at = Some(self.now);
                self.pulse = Some(self.now + self.pulse_interval());
            }
            _ => {}
        }
        let goes_on = self.budget.on_listener_error() == OnListenerError::Continue;
        let means = self.work.take(phase, input, goes_on);
        if means.listener_failed {
            self.failures.listener(input);
        }
        if let Some(worker) = means.worker_failed {
            self.failures.worker(worker);
        }
        if let Input::Announced {
            announcement,
            panics,
        } = input
            && phase != Phase::Stopped
        {
            self.failures.callbacks(announcement, panics, self.telling);
        }
    }

    fn dispose_timed_out(&mut self) {
        // Where the plan has no time for it, nobody wanted to wait.
        let wanted = !(self.budget.margin() / 2).is_zero() && !self.is_abandoned();
        if wanted && self.asked_since.is_none() {
            self.asked_since = Some(self.now);
            return;
        }
        self.disposed = true;
        if wanted {
            self.failures.not_disposed(Arc::from([]));
        }
    }

    fn pend(&mut self, cause: Cause) {
        self.pending.get_or_insert(cause);
    }

    /// What a signal is to be taken for: counted at most three times, and never twice within the
    /// time in which wrappers send again.
    fn take_signal(&mut self, phase: Phase) -> SignalTaken {
        let again = self
            .last_signal
            .is_some_and(|last| self.now.as_nanos() - last.as_nanos() <= DEBOUNCE_NANOS);
        let taken = match (self.counted, phase) {
            (0, _) => SignalTaken::First,
            (3, _) => SignalTaken::Ignored,
            _ if again => SignalTaken::Repeated,
            (_, Phase::Created) => SignalTaken::Ignored,
            (1, _) => SignalTaken::Second,
            _ => SignalTaken::Third,
        };
        if !matches!(taken, SignalTaken::Repeated | SignalTaken::Ignored) {
            self.counted += 1;
            self.last_signal = Some(self.now);
        }
        taken
    }

    fn follow_effects(&mut self, moment: &Moment) {
        for effect in &moment.effects {
            match effect {
                Effect::BeginStart => {
                    self.work.start_alive = true;
                    self.started_at = Some(self.now);
                }
                Effect::CloseListeners | Effect::DropListeners => {
                    self.work.listeners = Listeners::Closing;
                }
                Effect::DropStart => self.start_dropped = true,
                Effect::Direct(Directive::Cancel) => self.cancelled = true,
                Effect::StartWorker(worker) => self.work.start_worker(*worker),
                _ => {}
            }
        }
        if moment
            .events
            .iter()
            .any(|(_, event)| matches!(event, Event::Ready))
        {
            self.work.start_alive = false;
        }
    }

    fn follow_phases(&mut self, moment: &Moment) {
        for (_, event) in &moment.events {
            let Event::Phase(phase) = event else { continue };
            if phase.is_stopping() {
                self.entered.push((*phase, self.now));
            }
            match phase {
                Phase::Draining => self.enter_draining(),
                Phase::ForceClosing => self.leave_draining(),
                Phase::RunningHooks => self.work.give_up(),
                _ => {}
            }
        }
    }

    fn follow_hooks(&mut self, moment: &Moment) {
        if self.is_discarded() {
            self.hooks.discard(self.now);
            return;
        }
        let Some(began) = self.entered_at(Phase::RunningHooks) else {
            return;
        };
        let abandoned = self.is_abandoned();
        let times = hooks::Times {
            window_ends: began + self.budget.hooks_timeout(),
            join_share: self.budget.margin() / 10,
        };
        let settled = self
            .hooks
            .follow(moment, self.now, times, abandoned, self.taken);
        for (hook, outcome) in settled {
            self.failures.hook(hook, outcome);
        }
    }

    fn follow_linger(&mut self, moment: &Moment) {
        let window = linger::Window {
            began: self.entered_at(Phase::RunningHooks),
            time: if self.hooks.all.is_empty() {
                self.budget.linger_without_hooks()
            } else {
                self.budget.hooks_timeout()
            },
            abandoned: self.is_abandoned(),
        };
        self.linger.follow(moment, self.now, window);
    }

    /// When this phase of the stop was entered.
    pub(crate) fn entered_at(&self, phase: Phase) -> Option<Instant> {
        self.entered
            .iter()
            .find(|(entered, _)| *entered == phase)
            .map(|(_, at)| *at)
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.abandoned)
    }

    pub(crate) fn is_discarded(&self) -> bool {
        self.manner() == Some(Manner::Discarded)
    }

    /// Whether the last word of a failed start was said before this moment: nobody is told more.
    pub(crate) fn has_said_last_word(&self, moment: &Moment) -> bool {
        self.telling
            && self.manner() == Some(Manner::FailedStart)
            && moment.before.phase == Phase::Disposing
    }

    pub(crate) fn manner(&self) -> Option<Manner> {
        self.stop.as_ref().map(|stop| stop.manner)
    }

    /// What did not end when it was told to.
    pub(crate) fn given_up(&self) -> Vec<Stuck> {
        let connections = self.work.all_stuck.iter().copied().map(Stuck::Connection);
        let workers = (0..).zip(&self.work.workers);
        let workers = workers
            .filter(|(_, worker)| **worker == Worker::Ended(WorkerOutcome::Stuck))
            .map(|(number, _)| Stuck::Worker(WorkerId::new(number)));
        let hooks = (0..).zip(&self.hooks.all);
        let hooks = hooks
            .filter(|(_, hook)| hook.still_running)
            .map(|(number, _)| Stuck::Hook(HookId::new(number)));
        connections.chain(workers).chain(hooks).collect()
    }

    /// Whether a start that was told to end is still within its grace.
    pub(crate) fn start_grace_ends(&self) -> Option<Instant> {
        let began = self.entered_at(Phase::Draining)?;
        Some(began + START_GRACE.min(self.budget.drain_timeout()))
    }

    /// When a start that goes on has something to do.
    pub(crate) fn start_due(&self) -> Option<Instant> {
        let start = self.started_at? + self.budget.start_timeout() + self.asleep;
        let ready = self.bound_at;
        let ready = ready.map(|at| at + self.budget.ready_timeout() + self.asleep);
        [Some(start), ready, self.pulse].into_iter().flatten().min()
    }

    /// A sixteenth of the time in which the checks have to be green, and no less than 100 ms.
    fn pulse_interval(&self) -> Duration {
        FREEZE.max(self.budget.ready_timeout() / 16)
    }

    /// Counts what is missing of a pulse that was due.
    fn follow_pulse(&mut self, moment: &Moment) {
        let Some(pulse) = self.pulse else { return };
        let late = self.now.since(pulse.max(moment.before.now));
        if late >= FREEZE {
            self.asleep += late;
        }
        if moment.fires(pulse) {
            self.pulse = Some(self.now + self.pulse_interval());
        }
    }

    /// Which timer has ended the start, and what it has to say.
    fn start_overrun(&self) -> Option<StartFailure> {
        let start = self.started_at? + self.budget.start_timeout();
        let ready = self.bound_at.map(|at| at + self.budget.ready_timeout());
        let red = self.failures.last_red();
        match ready {
            Some(ready) if ready <= start => {
                let limit = self.budget.ready_timeout();
                let red = red.unwrap_or_else(|| Arc::from("no round of checks has ended"));
                let message = format!("not ready within {limit:?}: {red}");
                Some(StartFailure::NotReady(message.into()))
            }
            _ => {
                let limit = self.budget.start_timeout();
                let mut message = format!("the start took longer than {limit:?}");
                if let Some(red) = red {
                    message += &format!("; not ready: {red}");
                }
                Some(StartFailure::TimedOut(message.into()))
            }
        }
    }
}
