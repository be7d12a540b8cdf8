//! The life of one server as a value (floor 0).
//!
//! **Invariant:** no IO, no clock: time is what the caller says it is, and never runs back.
//! **Invariant:** a step that is not in the table of transitions is never taken.
//! **Invariant:** in every stopping phase a timer is armed, unless the plan waits without end.

mod cleanup;
mod linger;
mod report;
mod start;
mod state;
mod stop;
mod timers;
mod work;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use self::linger::Lingering;
use self::state::{
    HookRecord, Listeners, Manner, Resort, Signals, Start, Stop, Wait, Worker, WorkerState,
};
use self::timers::{Timer, Timers};
use crate::connections::ConnectionId;
use crate::effect::{Announcement, Effect, Readiness};
use crate::error::HookError;
use crate::event::Event;
use crate::failure::Failure;
use crate::hooks::{ForwardReferences, HookGraph, HookId, HookSpec, Schedule};
use crate::input::{Input, StartFailure, WorkerId};
use crate::ledger::Ledger;
use crate::peer::PeerAddr;
use crate::plan::{Budget, Plan, PlanError};
use crate::report::Outcome;
use crate::{Cause, Instant, Phase, Step};

/// The life of one server: inputs in, effects and events out.
///
/// Its methods come in four groups.
///
/// 1. **Getters** ([`phase`](Self::phase), [`report`](Self::report), …) change nothing.
/// 2. **Commands** that can be refused ([`register_hook`](Self::register_hook),
///    [`register_worker`](Self::register_worker), [`set_plan`](Self::set_plan)) answer at once.
/// 3. **What happened**: [`handle`](Self::handle) and [`handle_timeout`](Self::handle_timeout).
///    Any input may come at any time; extra calls are harmless.
/// 4. **What to do**: after each call of group 2 or 3, call
///    [`poll_effect`](Self::poll_effect) and carry out what it gives, until it gives nothing; then
///    [`poll_event`](Self::poll_event) likewise; then arm a timer for
///    [`poll_timeout`](Self::poll_timeout).
///
/// Whoever drives it decides nothing: every decision about the life is taken here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    now: Instant,
    phase: Phase,
    plan: Plan,
    /// What stands behind the words about a plan that does not hold.
    plan_note: Option<Arc<str>>,
    /// What the plan comes to, or the default one's budget where the plan does not hold.
    budget: Budget,
    entered: [Option<Instant>; Phase::ALL.len()],
    timers: Timers,
    effects: VecDeque<Effect>,
    events: VecDeque<(Instant, Event)>,
    observed: bool,
    start: Start,
    listeners: Listeners,
    ledger: Ledger,
    workers: BTreeMap<WorkerId, Worker>,
    graph: HookGraph,
    hooks: Vec<HookRecord>,
    schedule: Option<Schedule>,
    running: BTreeSet<HookId>,
    joining: BTreeSet<HookId>,
    lingering: Lingering,
    /// A stop that was asked for before the start.
    pending: Option<Cause>,
    stop: Option<Stop>,
    signals: Signals,
    failures: Vec<Failure>,
    /// How many failures the callbacks have been told of.
    announced: usize,
    /// What has been done about what keeps the phase longer than it may last.
    resort: Resort,
    sealing: bool,
    stalled: Duration,
    outcome: Outcome,
}

/// Why a server cannot be started as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The plan does not hold.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The hooks do not fit each other, or the plan.
    #[error(transparent)]
    Hook(#[from] HookError),
}

/// How much a step of a life without hooks asks for, or tells, at once.
const AT_ONCE: usize = 4;

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

// Getters.
impl Machine {
    /// A server that was just made, with the default plan.
    #[must_use]
    pub fn new() -> Self {
        let mut entered = [None; Phase::ALL.len()];
        if let Some(created) = entered.first_mut() {
            *created = Some(Instant::ZERO);
        }
        Self {
            now: Instant::ZERO,
            phase: Phase::Created,
            plan: Plan::default(),
            plan_note: None,
            budget: Budget::default(),
            entered,
            timers: Timers::default(),
            effects: VecDeque::with_capacity(AT_ONCE),
            events: VecDeque::with_capacity(AT_ONCE),
            observed: false,
            start: Start::default(),
            listeners: Listeners::None,
            ledger: Ledger::default(),
            workers: BTreeMap::new(),
            graph: HookGraph::default(),
            hooks: Vec::new(),
            schedule: None,
            running: BTreeSet::new(),
            joining: BTreeSet::new(),
            lingering: Lingering::default(),
            pending: None,
            stop: None,
            signals: Signals::default(),
            failures: Vec::new(),
            announced: 0,
            resort: Resort::None,
            sealing: false,
            stalled: Duration::ZERO,
            outcome: Outcome::default(),
        }
    }

    /// Where the server is in its life.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// When the server came into this phase; `None` if it has not.
    #[must_use]
    pub fn entered(&self, phase: Phase) -> Option<Instant> {
        self.entered.get(phase.index()).copied().flatten()
    }

    /// The latest instant that this machine was told of.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The numbers that it works with.
    #[must_use]
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The plan that it was given, which may not hold.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Who is at the other end of a connection that is open.
    #[must_use]
    pub fn peer(&self, connection: ConnectionId) -> Option<&PeerAddr> {
        self.ledger.peer(connection)
    }

    /// Why it stops; `None` while it does not.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        self.stop.as_ref().map(|stop| &stop.cause)
    }

    /// What health questions are to be answered with: ready from Ready to the cause of a stop, or to
    /// the end of its lame duck if the plan holds readiness, and not a step longer.
    ///
    /// `Effect::SetReadiness` comes with every change of it; a caller that answers in between has
    /// the answer here.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        match (self.phase, &self.stop) {
            (Phase::Running, _) => Readiness::Ready,
            (Phase::LameDuck, Some(stop)) => stop.readiness,
            _ => Readiness::NotReady,
        }
    }

    /// Whether a drain without deadline has run out of work, or the stop is past its drain.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        let waiting = self.stop.as_ref().map(|stop| stop.wait);
        self.phase > Phase::Draining || waiting == Some(Wait::ForStop { drained: true })
    }

    /// When the stop under way is over at the latest; `None` without a stop, or while it waits
    /// without end. Lateness of the caller's timers comes on top.
    #[must_use]
    pub fn ends_by(&self) -> Option<Instant> {
        self.stop.as_ref().and_then(|stop| stop.ends_by)
    }

    /// For how long the process had no time at all during the stop, as seen by timers that came
    /// late.
    #[must_use]
    pub const fn stalled(&self) -> Duration {
        self.stalled
    }

    /// Whether a third signal has given up on everything that is left.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.abandoned)
    }

    /// How many connections are open.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.ledger.open_count()
    }

    /// How many workers run.
    #[must_use]
    pub fn running_workers(&self) -> usize {
        self.workers
            .values()
            .filter(|worker| worker.state == WorkerState::Running)
            .count()
    }

    /// Whether this hook was asked to run, and is not settled.
    #[must_use]
    pub fn is_running(&self, hook: HookId) -> bool {
        self.running.contains(&hook)
    }

    /// The registered hooks.
    #[must_use]
    pub const fn hooks(&self) -> &HookGraph {
        &self.graph
    }

    /// The name under which a worker was registered.
    #[must_use]
    pub fn worker_name(&self, worker: WorkerId) -> Option<&Arc<str>> {
        self.workers.get(&worker).map(|worker| &worker.name)
    }
}

// Commands.
impl Machine {
    /// Replaces the plan. It is checked when the server starts, or by [`check`](Self::check).
    /// Without effect once the server was started.
    pub fn set_plan(&mut self, plan: Plan) {
        if self.phase == Phase::Created {
            self.budget = plan.budget().unwrap_or_default();
            self.plan = plan;
        }
    }

    /// Says where the times of the plan come from, for people: of a plan that does not hold it is told
    /// behind the reason. It stays when the plan is replaced.
    pub fn set_plan_note(&mut self, note: impl Into<Arc<str>>) {
        self.plan_note = Some(note.into());
    }

    /// What [`set_plan_note`](Self::set_plan_note) was told last.
    #[must_use]
    pub const fn plan_note(&self) -> Option<&Arc<str>> {
        self.plan_note.as_ref()
    }

    /// Whether connections are told of one by one; if not, only the ledger keeps them.
    pub const fn observe_connections(&mut self, observed: bool) {
        self.observed = observed;
    }

    /// Everything that a start would refuse: the plan, then the hooks.
    ///
    /// # Errors
    ///
    /// The first thing that does not hold.
    pub fn check(&self) -> Result<(), CheckError> {
        let budget = self.plan.budget()?;
        self.graph.check(budget.hooks_timeout())?;
        Ok(())
    }

    /// Registers a hook. Until Ready it may name hooks that come later; after that, `after` has to
    /// name hooks that exist. While a stop is under way, it runs if the hooks have not begun yet.
    ///
    /// # Errors
    ///
    /// A cycle, a name or a time that cannot be, or [`HookError::TooLate`] once hooks run. Nothing
    /// is changed then.
    pub fn register_hook(&mut self, spec: HookSpec) -> Result<HookId, HookError> {
        if self.phase >= Phase::RunningHooks {
            return Err(HookError::TooLate { phase: self.phase });
        }
        let forward = if self.phase < Phase::Running {
            ForwardReferences::Allowed
        } else {
            ForwardReferences::Refused
        };
        let id = self.graph.register(spec, forward)?;
        self.hooks.push(HookRecord::default());
        Ok(id)
    }

    /// Registers a worker. It starts at Ready, or now if the server is ready and not draining.
    ///
    /// # Errors
    ///
    /// [`HookError::TooLate`] from Draining on, or if the server is stopping without ever having
    /// been ready.
    pub fn register_worker(&mut self, name: Arc<str>) -> Result<WorkerId, HookError> {
        let was_ready = self.has_been(Phase::Running);
        if self.phase >= Phase::Draining || (self.phase == Phase::LameDuck && !was_ready) {
            return Err(HookError::TooLate { phase: self.phase });
        }
        let worker = WorkerId::new(u32::try_from(self.workers.len()).unwrap_or(u32::MAX));
        let state = if was_ready {
            self.effects.push_back(Effect::StartWorker(worker));
            WorkerState::Running
        } else {
            WorkerState::Waiting
        };
        self.workers.insert(worker, Worker { name, state });
        Ok(worker)
    }
}

// What happened.
impl Machine {
    /// Takes in what happened at `now`, after what had been due before: what comes exactly at its
    /// deadline is in time.
    ///
    /// Only [`handle_timeout`](Self::handle_timeout) gives up what was cut or disposed of and has not
    /// ended: whatever has ended by then is not named, however late that is.
    ///
    /// A `now` before an earlier one counts as that earlier one.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.pass(now);
        if !self.comes_before_timers(&input) {
            let now = self.now;
            self.fire_all(self.timers.due(|at| at < now));
        }
        match input {
            Input::Start => self.on_start(),
            Input::StartFailed(failure) => self.on_start_failed(failure),
            Input::Bound => self.on_bound(),
            Input::ChecksRed(red) => self.start.red = Some(red),
            Input::Ready => self.on_ready(),
            Input::StartEnded => self.on_start_ended(),
            Input::Discard => self.on_discard(),
            Input::Stop(cause) => self.on_stop(cause),
            Input::Drain => self.on_drain(),
            Input::Force => self.on_force(),
            Input::Signal(signal) => self.on_signal(signal),
            Input::Announced {
                announcement,
                panics,
            } => self.on_announced(&announcement, panics),
            Input::ListenersClosed => self.on_listeners_closed(),
            Input::ListenerFailed {
                listener,
                error,
                left,
            } => self.on_listener_failed(listener, error, left),
            Input::ConnectionsTurnedAway(count) => self.on_turned_away(count),
            Input::ConnectionOpened { connection, peer } => self.on_opened(connection, peer),
            Input::ConnectionForced {
                connection,
                protocol,
                tally,
                work,
            } => self.on_forced(connection, protocol, tally, work),
            Input::ConnectionClosed {
                connection,
                protocol,
                end,
                tally,
                cut,
            } => self.on_closed(connection, protocol, end, tally, cut),
            Input::LingerBegan { connection } => self.on_linger_began(connection),
            Input::LingerEnded { connection } => self.on_linger_ended(connection),
            Input::WorkerEnded { worker, end } => self.on_worker_ended(worker, end),
            Input::HookEnded { hook, end } => self.on_hook_ended(hook, end),
            Input::Disposed => self.on_disposed(),
            Input::Undisposed(left) => self.on_undisposed(left),
        }
    }

    /// Whether what came due meanwhile comes after this input.
    fn comes_before_timers(&self, input: &Input) -> bool {
        let still_runs = |hook: &HookId| {
            let record = self.hooks.get(hook.index());
            record.is_some_and(|record| record.still_running)
        };
        // Callbacks run before anything else, and what is left is asked for on the spot.
        matches!(input, Input::Announced { .. } | Input::Undisposed(_))
            // What has ended is not stuck, though the time for it is over by now: where a plan gives
            // none, or where nobody ran meanwhile, it was over before anything could end.
            || matches!(self.phase, Phase::ForceClosing | Phase::Disposing)
            || matches!(input, Input::HookEnded { hook, .. } if still_runs(hook))
    }

    /// Does what is due at `now`, in the order of its instants. Extra calls are harmless.
    ///
    /// It may be due again at once: after a freeze, every phase that was missed is passed in a
    /// call of its own.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.pass(now);
        let now = self.now;
        self.fire_all(self.timers.due(|at| at <= now));
    }

    /// Lets time pass up to `now`.
    fn pass(&mut self, now: Instant) {
        if now > self.now {
            if self.phase.is_stopping()
                && let Some(due) = self.timers.next()
            {
                // Between the two nobody ran, or time jumped: nothing here could have been earlier.
                self.stalled = self.stalled.saturating_add(now.since(due.max(self.now)));
            }
            self.give_back_to_start(now);
            self.now = now;
        }
    }

    /// Fires these timers, in order.
    ///
    /// A timer that is armed meanwhile, for an instant that has passed already, waits for the next
    /// call: between one phase and the next whoever drives this gets to carry out what was asked,
    /// so that work hears "drain" before it is cut, and what is cut can still say what it was.
    fn fire_all(&mut self, due: Vec<(Instant, Timer)>) {
        for due in due {
            if let Some(timer) = self.timers.take(due) {
                self.fire(timer);
            }
        }
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Ready => self.ready_timed_out(),
            Timer::Start => self.start_timed_out(),
            Timer::Pulse => self.feel_pulse(),
            Timer::LameDuck => self.enter_draining(),
            Timer::StartGrace => self.effects.push_back(Effect::DropStart),
            Timer::Cancel => self.cancel(),
            Timer::Drain => self.leave_draining(),
            Timer::Force => self.force_timed_out(),
            Timer::Hook(hook) => self.hook_timed_out(hook),
            Timer::Hooks => self.hooks_timed_out(),
            Timer::Join(hook) => self.join_timed_out(hook),
            Timer::Linger => self.linger_timed_out(),
            Timer::Dispose => self.dispose_timed_out(),
        }
    }
}

// What to do.
impl Machine {
    /// The next thing to do; `None` when there is nothing.
    #[must_use = "an effect that is not carried out leaves the server waiting for it"]
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The next thing to tell, and when it happened; `None` when there is nothing.
    #[must_use = "an event that is taken out is told to nobody else"]
    pub fn poll_event(&mut self) -> Option<(Instant, Event)> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; `None` if nothing will be due.
    /// An instant that has passed means: now.
    ///
    /// The answer may change with every call of a command, `handle` or `handle_timeout`, and with
    /// nothing else.
    #[must_use = "a timeout that is not waited for holds the stop"]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Whether an effect or an event waits to be polled.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.effects.is_empty() || !self.events.is_empty()
    }
}

// Shared by the rooms below.
impl Machine {
    fn has_been(&self, phase: Phase) -> bool {
        self.entered.get(phase.index()).is_some_and(Option::is_some)
    }

    /// Takes a step of the table; `false`, and nothing happens, if it is not in there.
    fn step(&mut self, step: Step) -> bool {
        let Some(next) = self.phase.next(step) else {
            debug_assert!(false, "no step {step:?} from {}", self.phase);
            return false;
        };
        self.phase = next;
        if let Some(entered) = self.entered.get_mut(next.index()) {
            *entered = Some(self.now);
        }
        // Stopped is told by the last event.
        if next != Phase::Stopped {
            self.tell(Event::Phase(next));
        }
        true
    }

    fn tell(&mut self, event: Event) {
        // The Error of a failed start is its last word: while the callbacks hear it, nothing that
        // still comes in is told.
        if self.sealing && self.start_failure().is_some() {
            return;
        }
        self.events.push_back((self.now, event));
    }

    /// Notes a failure, and announces it at once unless a stop collects them.
    fn fail(&mut self, failure: Failure) {
        self.failures.push(failure);
        if matches!(self.phase, Phase::Starting | Phase::Running) {
            self.announce_failures();
        }
    }

    /// Announces the failures that callbacks have not been told of; `false` if there are none.
    fn announce_failures(&mut self) -> bool {
        let fresh = self.failures.get(self.announced..).unwrap_or_default();
        if fresh.is_empty() {
            return false;
        }
        let fresh: Arc<[Failure]> = fresh.into();
        self.announced = self.failures.len();
        self.tell(Event::Error(fresh.clone()));
        self.effects
            .push_back(Effect::Announce(Announcement::Error(fresh)));
        true
    }

    fn on_announced(&mut self, announcement: &Announcement, panics: Vec<Arc<str>>) {
        let callback = match announcement {
            Announcement::Start => "on_start",
            Announcement::Ready => "on_ready",
            Announcement::Stopping => "on_stopping",
            Announcement::Error(_) => "on_error",
            Announcement::Stop => "on_stop",
        };
        if self.phase == Phase::Stopped {
            return; // The report is sealed: such a panic goes to the log only.
        }
        let in_on_error = matches!(announcement, Announcement::Error(_));
        for message in panics {
            let failure = Failure::Callback { callback, message };
            if in_on_error {
                // Told to nobody: whoever would be told has just panicked.
                let place = self.announced.min(self.failures.len());
                self.failures.insert(place, failure);
                self.announced = place + 1;
            } else {
                self.fail(failure);
            }
        }
        if in_on_error && self.sealing {
            self.finish();
        }
        if *announcement == Announcement::Stopping
            && let Some(stop) = &mut self.stop
        {
            stop.announcing = false;
            self.check_drained();
        }
    }

    fn start_failure(&self) -> Option<&StartFailure> {
        self.outcome.start_failure.as_ref()
    }
}
