//! The one value that everybody around a server shares: its machine and what waits on it (floor 3).
//!
//! **Invariant:** whoever has an input locks, hands it to the machine, and unlocks; no user code
//! runs under the lock. **Invariant:** no decision about the life is taken here.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::ThreadId;
use std::time::Duration;

use lamplighter_lifecycle::{
    Effect, Event, Failure, HookError, HookId, Input, Instant, Machine, Phase, Plan, Readiness,
    ServerState, StartFailure, Timeline, WorkerId,
};
use tokio::sync::Notify;

use super::announced;
use super::callbacks::Callbacks;
use super::error::{StartError, StartReason};
use super::events::{Events, Subscribers};
use super::hook::{Hook, HookRun};
use super::report::{Report, details};
use super::worker::{Waiting, WorkerRun};
use crate::os::clock::Clock;
use crate::os::listener::Addr;
use crate::os::tasks::{HandOver, Rolls, let_go};
use crate::os::watch::Watched;
use crate::os::watchdog::{self, WatchGuard};
use crate::transport::{
    Accepting, Health, ServerKey, ShutdownController, ShutdownSignal, Sink, Transport,
};

/// One server's life, shared by its owner, its handles, its driver and its connections.
pub(crate) struct Life {
    inner: Mutex<Inner>,
    pub(crate) wake: Notify,
    /// Of the runtime that drives this life, once there is one.
    hand_over: OnceLock<Option<HandOver>>,
    pub(crate) clock: Clock,
    pub(crate) key: ServerKey,
    pub(crate) callbacks: Callbacks,
    pub(crate) health: Health,
    pub(crate) controller: ShutdownController,
    pub(crate) signal: ShutdownSignal,
    /// Let go of at the end: it holds this life, as the one to tell of connections.
    transport: Mutex<Option<Transport>>,
    /// The end of the budget, held by the thread beside the runtime.
    watch: Mutex<Option<WatchGuard>>,
    pub(crate) addrs: OnceLock<Arc<[Bound]>>,
    pub(crate) reason: OnceLock<StartReason>,
    /// Which variables chose the address that was refused.
    pub(crate) place_note: OnceLock<Arc<str>>,
    /// The tasks and threads of the user's work.
    pub(crate) rolls: OnceLock<Rolls>,
    progress: Watched<Progress>,
    /// The phase that has been carried out: whoever is to hear of it has been told.
    acted: Watched<Phase>,
    /// Whether every `on_ready` callback has run.
    ready: Watched<bool>,
    /// Whether connections and workers have been told of the stop.
    told: Watched<bool>,
    /// Whether the start has been told to end.
    start_cancelled: Watched<bool>,
    /// The thread that runs callbacks at the moment, and which.
    announcing: Mutex<Option<(ThreadId, &'static str)>>,
    /// The complete report, from when it is complete.
    sealed: OnceLock<Report>,
    finished: Watched<Option<Report>>,
}

/// A listener that was bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) addr: Addr,
}

/// How far a life has come, for those who wait for a point in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) phase: Phase,
    pub(crate) drained: bool,
}

impl Progress {
    /// Nothing more will come, also where the runtime was dropped in the middle of a life.
    const OVER: Self = Self {
        phase: Phase::Stopped,
        drained: true,
    };
}

struct Inner {
    machine: Machine,
    timeline: Timeline,
    subscribers: Subscribers,
    /// What is still to be logged: by the driver, which is in the server's span.
    unlogged: Vec<Event>,
    hooks: Vec<Option<HookRun>>,
    workers: Waiting,
}

impl Life {
    pub(crate) fn new() -> Arc<Self> {
        let clock = Clock::new();
        let (controller, signal) = ShutdownSignal::new(clock.clone());
        let progress = Progress {
            phase: Phase::Created,
            drained: false,
        };
        Arc::new(Self {
            inner: Mutex::new(Inner {
                machine: Machine::new(),
                timeline: Timeline::new(),
                subscribers: Subscribers::default(),
                unlogged: Vec::new(),
                hooks: Vec::new(),
                workers: Waiting::default(),
            }),
            wake: Notify::new(),
            hand_over: OnceLock::new(),
            key: ServerKey::new(),
            callbacks: Callbacks::default(),
            health: Health::new(clock.clone()),
            clock,
            controller,
            signal,
            transport: Mutex::new(None),
            watch: Mutex::new(None),
            addrs: OnceLock::new(),
            reason: OnceLock::new(),
            place_note: OnceLock::new(),
            rolls: OnceLock::new(),
            progress: Watched::new(progress),
            acted: Watched::new(Phase::Created),
            ready: Watched::new(false),
            told: Watched::new(false),
            start_cancelled: Watched::new(false),
            announcing: Mutex::new(None),
            sealed: OnceLock::new(),
            finished: Watched::new(None),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No user code runs under this lock, so a poisoned one is whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the machine, tells what happened, wakes the driver.
    fn change<T>(&self, change: impl FnOnce(&mut Machine, Instant) -> T) -> T {
        let mut inner = self.lock();
        let timeout = inner.machine.poll_timeout();
        let limit = Limit::of(&inner.machine);
        // Read under the lock: time goes forward from input to input.
        let now = self.clock.now();
        let result = change(&mut inner.machine, now);
        inner.tell();
        // Off in the step of the cause, not when the driver gets round to it: whoever has called
        // `stop()` finds the server not ready.
        if inner.machine.readiness() == Readiness::NotReady {
            self.health.set_readiness(Readiness::NotReady);
        }
        let progress = Progress {
            phase: inner.machine.phase(),
            drained: inner.machine.is_drained(),
        };
        self.progress.send_if_modified(|known| {
            let news = *known != Progress::OVER && *known != progress;
            if news {
                *known = progress;
            }
            news
        });
        self.tell_watch(limit, Limit::of(&inner.machine), now);
        let wake = inner.machine.has_output()
            || inner.machine.poll_timeout() != timeout
            || !inner.unlogged.is_empty();
        drop(inner);
        if wake {
            self.wake_driver();
        }
        result
    }

    /// What has happened that a log is to have, since the last call.
    pub(super) fn take_unlogged(&self) -> Vec<Event> {
        std::mem::take(&mut self.lock().unlogged)
    }

    /// Wakes the driver, on another thread if whoever calls goes on to block this one.
    fn wake_driver(&self) {
        self.wake.notify_one();
        if let Some(Some(woken)) = self.hand_over.get() {
            woken.hand_over();
        }
    }

    /// Tells the thread beside the runtime by when the stop has to be over.
    fn tell_watch(&self, before: Limit, limit: Limit, now: Instant) {
        if before == limit {
            return;
        }
        let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(watch) = &*watch else { return };
        match limit {
            Limit::None => {}
            Limit::Unlimited => watch.stop_began(),
            Limit::By(end) => watch.budget_left(end.since(now)),
            Limit::Abandoned => watch.abandoned(),
        }
    }

    pub(crate) fn set_watch(&self, guard: WatchGuard) {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        *watch = Some(guard);
    }

    /// Answers health questions so from now on, unless the core has thought better of it since.
    pub(crate) fn set_readiness(&self, readiness: Readiness) {
        let inner = self.lock();
        if inner.machine.readiness() == readiness {
            self.health.set_readiness(readiness);
        }
    }

    /// Does what is due by now, unless something is to be carried out before: what is told of a step
    /// is told before the next one is taken.
    pub(crate) fn timeout(&self) {
        self.change(|machine, now| {
            if !machine.has_output() {
                machine.handle_timeout(now);
            }
        });
    }

    /// The next thing for the driver to do. Whoever asks has done all before it.
    pub(crate) fn poll_effect(&self) -> Option<Effect> {
        let mut inner = self.lock();
        let effect = inner.machine.poll_effect();
        if effect.is_none() {
            let phase = inner.machine.phase();
            self.acted.send_if_modified(|known| {
                let news = *known < phase;
                *known = phase.max(*known);
                news
            });
        }
        effect
    }

    /// When the driver has to call [`timeout`](Self::timeout) next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.lock().machine.poll_timeout()
    }

    fn transport(&self) -> MutexGuard<'_, Option<Transport>> {
        self.transport
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_hand_over(&self, hand_over: Option<HandOver>) {
        self.hand_over.get_or_init(|| hand_over);
    }

    pub(crate) fn set_transport(&self, transport: Transport) {
        *self.transport() = Some(transport);
    }

    /// Accepts from one more listener; `false`, and it is dropped, if there is nothing to accept for.
    pub(crate) fn accept_late(&self, listener: Accepting) -> bool {
        // Cloned: what is told of the listener may come back here.
        let transport = self.transport().clone();
        transport.is_some_and(|transport| transport.accept_late(listener))
    }

    /// Requests in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.transport().as_ref().map_or(0, Transport::in_flight)
    }

    /// Requests in flight that a drain waits for.
    pub(crate) fn work_in_flight(&self) -> usize {
        let transport = self.transport();
        transport.as_ref().map_or(0, Transport::work_in_flight)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.lock().machine.phase()
    }

    pub(crate) fn state(&self) -> ServerState {
        self.phase().state()
    }

    /// Asks the machine something.
    pub(crate) fn ask<T>(&self, question: impl FnOnce(&Machine) -> T) -> T {
        question(&self.lock().machine)
    }

    pub(crate) fn set_plan(&self, plan: Plan) {
        self.lock().machine.set_plan(plan);
    }

    #[cfg(feature = "config")]
    pub(crate) fn set_plan_note(&self, note: String) {
        self.lock().machine.set_plan_note(note);
    }

    pub(crate) fn register_hook(&self, hook: Hook) -> Result<(), HookError> {
        let (spec, run) = hook.into_parts();
        let mut inner = self.lock();
        let id = inner.machine.register_hook(spec)?;
        debug_assert_eq!(id.index(), inner.hooks.len());
        inner.hooks.push(Some(run));
        Ok(())
    }

    pub(crate) fn register_worker(&self, name: Arc<str>, run: WorkerRun) -> Result<(), HookError> {
        let mut inner = self.lock();
        let worker = inner.machine.register_worker(name)?;
        inner.workers.put(worker, run);
        drop(inner);
        self.wake_driver();
        Ok(())
    }

    /// The code of a hook, to be run once.
    pub(crate) fn take_hook(&self, hook: HookId) -> Option<HookRun> {
        self.lock().hooks.get_mut(hook.index())?.take()
    }

    /// The code of a worker, to be run once.
    pub(crate) fn take_worker(&self, worker: WorkerId) -> Option<WorkerRun> {
        self.lock().workers.take(worker)
    }

    pub(crate) fn subscribe(&self) -> Events {
        let mut inner = self.lock();
        inner.machine.observe_connections(true);
        inner.subscribers.subscribe()
    }

    /// All the facts so far; the one complete report once the server has stopped.
    pub(crate) fn report(&self) -> Report {
        let inner = self.lock();
        let sealed = self.sealed.get().cloned();
        sealed.unwrap_or_else(|| Report::new(inner.machine.report(&inner.timeline)))
    }

    /// All the facts, which do not change from here on: nothing more is told.
    pub(crate) fn seal(&self) -> Report {
        let mut inner = self.lock();
        let seal = || {
            let mut report = inner.machine.report(&Timeline::default());
            report.timeline = std::mem::take(&mut inner.timeline);
            Report::new(report)
        };
        self.sealed.get_or_init(seal).clone()
    }

    pub(crate) const fn progress(&self) -> &Watched<Progress> {
        &self.progress
    }

    /// The phase that has been carried out.
    pub(crate) const fn acted(&self) -> &Watched<Phase> {
        &self.acted
    }

    /// Whether every `on_ready` callback has run.
    pub(crate) const fn ready(&self) -> &Watched<bool> {
        &self.ready
    }

    pub(crate) fn set_ready(&self) {
        self.ready.send_replace(true);
    }

    /// Connections and workers have been told of the stop.
    pub(crate) fn set_told(&self) {
        self.told.send_replace(true);
    }

    /// Tells the start to end.
    pub(crate) fn cancel_start(&self) {
        self.start_cancelled.send_replace(true);
    }

    /// Resolves once the start has been told to end.
    pub(crate) async fn start_cancelled(&self) {
        drop(self.start_cancelled.wait_for(|cancelled| *cancelled).await);
    }

    /// Runs callbacks of this name.
    pub(crate) fn announcing<T>(&self, name: &'static str, call: impl FnOnce() -> T) -> T {
        let set = |callback| {
            *self
                .announcing
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = callback;
        };
        set(Some((std::thread::current().id(), name)));
        // Callbacks that panic are caught one by one.
        let result = call();
        set(None);
        result
    }

    fn announced_by(&self, thread: ThreadId) -> bool {
        let announcing = self
            .announcing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        announcing.is_some_and(|(by, _)| by == thread)
    }

    /// Resolves once a stop has begun, and whoever works has been told of it: an answer given after
    /// that announces the close of its connection.
    pub(crate) async fn stop_begun(&self) {
        if self.announced_by(std::thread::current().id()) {
            // A callback, which holds up everybody who is to be told.
            let begun = |now: &Progress| now.phase >= Phase::LameDuck;
            drop(self.progress.wait_for(begun).await);
        } else {
            drop(self.told.wait_for(|told| *told).await);
        }
    }

    /// Why the start failed, once it has.
    pub(crate) fn start_error(&self) -> StartError {
        let report = self.report();
        let known = self.reason.get().cloned();
        let reason = known.unwrap_or_else(|| match &report.outcome().start_failure {
            None => broken(&report).map_or(StartReason::Stopped, StartReason::ListenerFailed),
            Some(StartFailure::NotReady(message)) => StartReason::NotReady(Arc::clone(message)),
            // The core itself refused the plan or the hooks; asked again, it says so in types.
            Some(failure) => match self.ask(Machine::check) {
                Err(error) => error.into(),
                Ok(()) => StartReason::TimedOut(failure.message().into()),
            },
        });
        let after = self.ask(|machine| machine.entered(Phase::LameDuck));
        let after = after.unwrap_or_default().since(Instant::ZERO);
        let note = if let StartReason::Plan(_) = &reason {
            self.ask(|machine| machine.plan_note().cloned())
        } else {
            // Set where an address was refused, and nowhere else.
            self.place_note.get().cloned()
        };
        StartError::new(reason, note, after, report)
    }

    /// The complete report, from when everybody may know it.
    pub(crate) const fn finished(&self) -> &Watched<Option<Report>> {
        &self.finished
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished.borrow().is_some()
    }

    /// Lets go of everything that users have handed in, and wakes everybody who waits for the end.
    pub(crate) fn finish(&self, report: Report) {
        let (hooks, workers) = {
            let mut inner = self.lock();
            inner.subscribers.end();
            let hooks = std::mem::take(&mut inner.hooks);
            (hooks, inner.workers.take_all())
        };
        // Dropped without the lock: captured values may have a say in their own drop. One by one:
        // they may panic in it, and whoever waits for the end is still to be woken.
        let transport = self.transport().take();
        hooks.into_iter().for_each(let_go);
        workers.into_iter().for_each(let_go);
        let_go(transport);
        self.callbacks.clear();
        self.health.set_readiness(Readiness::NotReady);
        self.health.clear();
        self.set_told();
        let report = self.sealed.get_or_init(|| report).clone();
        self.finished.send_if_modified(|known| {
            let news = known.is_none();
            known.get_or_insert(report);
            news
        });
        self.progress.send_replace(Progress::OVER);
        self.acted.send_replace(Phase::Stopped);
        let watch = self
            .watch
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(watch);
    }
}

/// The listener that a stop was begun for.
fn broken(report: &Report) -> Option<Failure> {
    let failed = report.outcome().listener_failed;
    let listener = |failure: &&Failure| matches!(failure, Failure::Listener { .. });
    let mut failures = report.failures().iter().filter(|_| failed);
    failures.find(listener).cloned()
}

/// What bounds a stop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// No stop has begun.
    None,
    /// It may take as long as it takes.
    Unlimited,
    /// It is over by then.
    By(Instant),
    /// Nothing is waited for any more.
    Abandoned,
}

impl Limit {
    fn of(machine: &Machine) -> Self {
        match (machine.is_abandoned(), machine.cause(), machine.ends_by()) {
            (true, _, _) => Self::Abandoned,
            (_, None, _) => Self::None,
            (_, Some(_), None) => Self::Unlimited,
            (_, Some(_), Some(end)) => Self::By(end),
        }
    }
}

/// What was due for so long waits for a thread: a busy machine makes it wait for less.
const BLOCKED: Duration = Duration::from_millis(200);

impl watchdog::Guarded for Life {
    fn partial_report(&self) -> String {
        // Whoever holds the lock may be what blocks the process.
        let inner = match self.inner.try_lock() {
            Ok(inner) => inner,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return "the server's state is locked".to_owned(),
        };
        let mut report = match self.sealed.get() {
            Some(sealed) => sealed.facts().clone(),
            None => inner.machine.report(&inner.timeline),
        };
        // Also a report that is sealed: it did not come to its end.
        report.complete = false;
        // The machine knows the time of the last thing that happened, and nothing happens any more.
        let now = self.clock.now();
        report.total = now.since(report.began);
        let callback = match self.announcing.try_lock().as_deref() {
            Ok(Some((_, name))) => {
                format!("  callback {name} has not returned: all else waits for it\n")
            }
            _ => String::new(),
        };
        let due = inner.machine.poll_timeout();
        let idle = due.map_or(Duration::ZERO, |due| now.since(due));
        let blocked = if idle >= BLOCKED && callback.is_empty() {
            format!(
                "  the server has had no turn for {idle:.1?}: every thread of its runtime is blocked, by calls \
                 that wait without .await or by loops\n"
            )
        } else {
            String::new()
        };
        let work = match self.transport.try_lock() {
            Ok(transport) => transport.as_ref().map(Transport::work),
            Err(_) => None,
        };
        let work = work.unwrap_or_default();
        let in_flight = details::in_flight(&inner.machine, work, now);
        format!(
            "{report}; requests {} in flight\n{callback}{blocked}{in_flight}{}{}",
            in_flight.count(),
            details::cut(&report),
            report.timeline_text()
        )
    }
}

impl Inner {
    fn tell(&mut self) {
        while let Some((at, event)) = self.machine.poll_event() {
            self.timeline.record(at, &event);
            if announced::is_logged(&event) && self.unlogged.last() != Some(&event) {
                self.unlogged.push(event.clone());
            }
            if !self.subscribers.is_empty() {
                self.subscribers.tell(at, &event);
                if self.subscribers.is_empty() {
                    self.machine.observe_connections(false);
                }
            }
        }
    }
}

impl Sink for Life {
    fn input(&self, input: Input) {
        self.change(|machine, now| machine.handle(now, input));
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }
}

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Life")
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}
