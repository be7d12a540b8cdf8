//! The driver: carries out what the core asks for, and tells it what came of it (floor 3).
//!
//! **Invariant:** no decision about the life is taken here: no `if` on phases, causes or deadlines.
//! **Invariant:** every wait races the machine's next input.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lamplighter_lifecycle::{
    Announcement, Directive, Effect, HookEnd, HookId, Input, Instant, Stuck, WorkerEnd, WorkerId,
    WorkerOutcome,
};
use tokio::task::AbortHandle;

use super::admin;
use super::announced;
use super::callbacks::callback_name;
use super::ends::Ends;
use super::error::ServerError;
use super::handle::ServerHandle;
use super::hook::{HookContext, HookRun, hook_end};
use super::life::Life;
use super::running::Ready;
use super::signals::Signals;
use super::start::Start;
use super::worker::worker_end;
use crate::os::log;
use crate::os::tasks::{TaskEnd, TaskName, Tasks};
use crate::os::watch;
use crate::transport::{
    BoxError, Queue, ServerScope, Sink, Transport, connection_task, scope, scope_sync,
};

/// What the driver works with. It lives from the start to the end of one life.
pub(crate) struct Driver {
    pub(crate) life: Arc<Life>,
    /// The user's work: the start, hooks, workers, connections. Dispose waits for these.
    pub(crate) tasks: Tasks,
    /// What waits for the above.
    pub(crate) ends: Ends,
    pub(crate) transport: Transport,
    /// What is asked on the admin listener, if there is one.
    pub(crate) admin: Option<Transport>,
    pub(crate) start: Option<Start>,
    pub(crate) start_task: Option<AbortHandle>,
    pub(crate) hooks: BTreeMap<HookId, RunningHook>,
    pub(crate) workers: BTreeMap<WorkerId, AbortHandle>,
    /// Whatever feeds the machine signals, until the end.
    pub(crate) signals: Signals,
}

/// How many turns whoever was told to end has before it is given up, where that is due at once: a
/// connection that is cut looks once more for bytes, cuts its streams, waits for them to let go, sends
/// what that leaves to send, and ends.
const TURNS: usize = 8;

/// A timer that is so late comes after a time in which nobody ran: whoever was told to end before it has
/// its turns first. Timers know whole milliseconds, and are late by less than one where all is well.
const LATE: Duration = Duration::from_millis(1);

/// Lets everybody else run for a while that takes no time.
async fn turns() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

/// A hook that has been started.
pub(crate) struct RunningHook {
    task: Option<AbortHandle>,
    abandoned: watch::Sender<bool>,
}

/// Whether the driver goes on.
enum Turn {
    On,
    Over,
}

/// Tells everybody who waits that nobody drives any more: the runtime was dropped under us.
struct Lost(Arc<Life>);

impl Drop for Lost {
    fn drop(&mut self) {
        if !self.0.is_finished() {
            log::error!(
                target: "lamplighter::server",
                phase = %self.0.phase(),
                "the runtime was dropped while the server was alive: hooks did not run"
            );
            let report = self.0.report();
            self.0.finish(report);
        }
    }
}

impl Driver {
    /// Drives the life to its end.
    pub(crate) async fn run(mut self) {
        // Declared first, so dropped last.
        let lost = Lost(Arc::clone(&self.life));
        let life = Arc::clone(&self.life);
        let mut timer = life.clock.timer();
        // Whether anybody has been told to end.
        let mut ending = false;
        loop {
            let mut ends = false;
            announced::log_events(&life);
            while let Some(effect) = life.poll_effect() {
                ends |= asks_to_end(&effect);
                match self.carry_out(effect) {
                    Turn::On => {}
                    Turn::Over => {
                        drop(lost);
                        return;
                    }
                }
            }
            ending |= ends;
            let due = life.poll_timeout();
            if ends && due.is_some_and(|due| due <= life.clock.now()) {
                turns().await;
                continue;
            }
            timer.set(due);
            tokio::select! {
                biased;
                () = life.wake.notified() => {}
                () = &mut timer => {
                    if ending && due.is_some_and(|due| life.clock.now().since(due) >= LATE) {
                        turns().await;
                    }
                    life.timeout();
                    // Whoever was just told of a step gets its turn before the next one.
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Turn {
        log::trace!(target: "lamplighter::lifecycle", ?effect);
        match effect {
            Effect::Announce(announcement) => self.announce(announcement),
            Effect::BeginStart => self.begin_start(),
            Effect::CancelStart => self.life.cancel_start(),
            Effect::DropStart => {
                if let Some(start) = &self.start_task {
                    start.abort();
                }
            }
            Effect::SetReadiness(readiness) => self.life.set_readiness(readiness),
            Effect::StartWorker(worker) => self.start_worker(worker),
            Effect::Direct(directive) => {
                if directive == Directive::Force {
                    // What is in flight is told before it is cut.
                    self.transport.forced();
                    announced::log_cut(&self.life);
                }
                self.transport.direct(&directive);
                if matches!(
                    directive,
                    Directive::LameDuck { .. } | Directive::Drain { .. }
                ) {
                    self.life.set_told();
                }
            }
            Effect::CloseListeners => self.transport.close_listeners(Queue::Drain),
            Effect::DropListeners => self.transport.close_listeners(Queue::Leave),
            Effect::AbortWorkers => self.workers.values().for_each(AbortHandle::abort),
            Effect::AbortConnections => self.transport.abort(),
            Effect::RunHook { hook, deadline } => self.run_hook(hook, deadline),
            Effect::AbortHook(hook) => self.abort_hook(hook),
            Effect::EndLinger => self.transport.end_linger(),
            Effect::Dispose { leave } => self.dispose(&leave),
            Effect::NameUndisposed => self.name_undisposed(),
            Effect::Seal => self.seal(),
            Effect::Finish => {
                self.finish();
                return Turn::Over;
            }
            effect => {
                debug_assert!(
                    false,
                    "an effect that this driver does not know: {effect:?}"
                );
            }
        }
        Turn::On
    }

    fn scope(&self) -> ServerScope {
        ServerScope::new(self.life.key.clone(), self.life.signal.clone())
    }

    fn announce(&self, announcement: Announcement) {
        let life = &self.life;
        let run = || match &announcement {
            Announcement::Start => life.callbacks.start.run(|callback| callback()),
            Announcement::Ready => {
                let addrs = life.addrs.get().cloned().unwrap_or_default();
                let ready = Ready::new(ServerHandle::new(Arc::clone(life)), addrs);
                life.callbacks.ready.run(|callback| callback(&ready))
            }
            Announcement::Stopping => {
                let cause = life.ask(|machine| machine.cause().cloned());
                life.callbacks.stopping.run(|callback| {
                    if let Some(cause) = &cause {
                        callback(cause);
                    }
                })
            }
            Announcement::Error(failures) => {
                let error = ServerError::new(Arc::clone(failures));
                life.callbacks.error.run(|callback| callback(&error))
            }
            Announcement::Stop => {
                let report = life.report();
                life.callbacks.stop.run(|callback| callback(&report))
            }
        };
        announced::log(life, &announcement);
        let panics = if life.callbacks.listen(&announcement) {
            life.announcing(callback_name(&announcement), || {
                scope_sync(&self.scope(), run)
            })
        } else {
            Vec::new()
        };
        for message in &panics {
            log::error!(
                target: "lamplighter::lifecycle",
                callback = callback_name(&announcement),
                "a callback panicked: {message}"
            );
        }
        if announcement == Announcement::Ready {
            life.set_ready();
        }
        life.input(Input::Announced {
            announcement,
            panics,
        });
    }

    fn begin_start(&mut self) {
        if let Some(start) = self.start.take() {
            // Checks are asked inside of it: a stop that one of them waits for would wait for it.
            let task = self.tasks.spawn("start", scope(self.scope(), start.run()));
            self.start_task = Some(task.abort_handle());
        }
    }

    fn start_worker(&mut self, worker: WorkerId) {
        let life = Arc::clone(&self.life);
        let Some(run) = life.take_worker(worker) else {
            let end = WorkerEnd::Aborted;
            life.input(Input::WorkerEnded { worker, end });
            return;
        };
        let name = self.worker_task(worker);
        let signal = life.signal.clone();
        // Made inside the task, so that a panic of the closure itself is the worker's own.
        let future = scope(self.scope(), async move { run(signal).await });
        let task = self.tasks.spawn(name.clone(), future);
        self.workers.insert(worker, task.abort_handle());
        self.ends.wait(format!("end of {name}"), async move {
            let end = match task.await {
                TaskEnd::Done(result) => worker_end(result),
                TaskEnd::Panicked(message) => WorkerEnd::Panicked(message.into()),
                TaskEnd::Aborted => WorkerEnd::Aborted,
            };
            life.input(Input::WorkerEnded { worker, end });
        });
    }

    fn run_hook(&mut self, hook: HookId, deadline: Instant) {
        let life = Arc::clone(&self.life);
        let cause = life.ask(|machine| machine.cause().cloned());
        let (Some(run), Some(cause)) = (life.take_hook(hook), cause) else {
            let end = HookEnd::Aborted;
            life.input(Input::HookEnded { hook, end });
            return;
        };
        let label = life.ask(|machine| machine.hooks().label(hook));
        log::debug!(target: "lamplighter::lifecycle", hook = %label, "hook begins");
        let name = self.hook_task(hook);
        let (abandoned, is_abandoned) = watch::channel(false);
        let context = HookContext {
            deadline,
            clock: life.clock.clone(),
            cause,
            handle: ServerHandle::new(Arc::clone(&life)),
            abandoned: is_abandoned,
        };
        let task = match run {
            HookRun::Async(run) => {
                let wanted = Arc::clone(&life);
                let future = scope(self.scope(), async move {
                    // It may have been given up before it had its first turn.
                    if wanted.ask(|machine| machine.is_running(hook)) {
                        run(context).await
                    } else {
                        Ok(())
                    }
                });
                let task = self.tasks.spawn(name.clone(), future);
                let abort = task.abort_handle();
                self.report_end(hook, name, task);
                Some(abort)
            }
            HookRun::Blocking { run, virtually } => {
                let inside = self.scope();
                let run = move || scope_sync(&inside, || run(context));
                let thread = match virtually {
                    None => self.tasks.thread(name.clone(), run),
                    Some(takes) => {
                        let takes = life.clock.sleep_until(life.clock.now() + takes);
                        Ok(self.tasks.virtual_thread(name.clone(), takes, run))
                    }
                };
                match thread {
                    Ok(thread) => self.report_end(hook, name, thread),
                    Err(error) => {
                        let end = HookEnd::Failed(format!("no thread for it: {error}").into());
                        life.input(Input::HookEnded { hook, end });
                    }
                }
                None
            }
        };
        self.hooks.insert(hook, RunningHook { task, abandoned });
    }

    /// Waits for a hook beside the driver, and tells the core how it ended.
    fn report_end(
        &mut self,
        hook: HookId,
        name: String,
        task: impl Future<Output = TaskEnd<Result<(), BoxError>>> + Send + 'static,
    ) {
        let life = Arc::clone(&self.life);
        self.ends.wait(format!("end of {name}"), async move {
            let end = match task.await {
                TaskEnd::Done(result) => hook_end(result),
                TaskEnd::Panicked(message) => HookEnd::Panicked(message.into()),
                TaskEnd::Aborted => HookEnd::Aborted,
            };
            life.input(Input::HookEnded { hook, end });
        });
    }

    fn abort_hook(&self, hook: HookId) {
        if let Some(running) = self.hooks.get(&hook) {
            running.abandoned.send_replace(true);
            if let Some(task) = &running.task {
                task.abort();
            }
        }
    }

    /// Waits beside the driver until nothing of the user's work is left but `leave`.
    fn dispose(&mut self, leave: &[Stuck]) {
        let life = Arc::clone(&self.life);
        for stuck in leave {
            if let Some(name) = self.task_name(*stuck) {
                self.tasks.leave(&name);
            }
        }
        if let Some(admin) = &self.admin {
            admin::close(admin);
        }
        if self.tasks.count() == 0 {
            life.input(Input::Disposed);
            return;
        }
        let tasks = self.tasks.clone();
        self.ends.wait("dispose", async move {
            tasks.ended().await;
            life.input(Input::Disposed);
        });
    }

    /// The task of what did not end.
    fn task_name(&self, stuck: Stuck) -> Option<TaskName> {
        match stuck {
            Stuck::Connection(connection) => Some(connection_task(connection)),
            Stuck::Worker(worker) => Some(self.worker_task(worker).into()),
            Stuck::Hook(hook) => Some(self.hook_task(hook).into()),
            _ => None,
        }
    }

    fn worker_task(&self, worker: WorkerId) -> String {
        let life = &self.life;
        let name = life.ask(|machine| machine.worker_name(worker).cloned());
        format!("worker {}", name.as_deref().unwrap_or_default())
    }

    fn hook_task(&self, hook: HookId) -> String {
        let name = self.life.ask(|machine| machine.hooks().label(hook));
        format!("hook {name}")
    }

    fn name_undisposed(&self) {
        let left = self.tasks.live();
        let left = left.iter().map(|name| name.to_string().into()).collect();
        self.life.input(Input::Undisposed(left));
    }

    fn seal(&self) {
        announced::log_events(&self.life);
        let report = self.life.seal();
        if report.is_clean() {
            log::info!(target: "lamplighter::lifecycle", "{report}");
        } else if announced::is_told_before_its_hooks(&self.life) {
            // Not again what the log has already.
            log::error!(target: "lamplighter::lifecycle", "{report:#}");
        } else if report.outcome().start_failure.is_some() {
            log::error!(target: "lamplighter::lifecycle", "{report}");
        } else {
            log::warn!(target: "lamplighter::lifecycle", "{report}");
        }
        for cut in &report.connections().cut {
            let age = cut.at.since(cut.work.begun_at);
            log::warn!(
                target: "lamplighter::lifecycle",
                connection = %cut.connection,
                peer = %cut.peer,
                protocol = %cut.work.protocol,
                method = %cut.work.method,
                route = cut.work.template.as_deref(),
                ?age,
                stuck = cut.stuck,
                "cut"
            );
        }
        let unnamed = report.connections().cut_unnamed;
        if unnamed > 0 {
            log::warn!(target: "lamplighter::lifecycle", "{unnamed} more cut");
        }
        for worker in report.workers() {
            let outcome = worker.outcome.as_ref();
            if let Some(outcome @ (WorkerOutcome::Cut | WorkerOutcome::Stuck)) = outcome {
                log::warn!(
                    target: "lamplighter::lifecycle",
                    worker = %worker.name,
                    stuck = *outcome == WorkerOutcome::Stuck,
                    "cut"
                );
            }
        }
        for thread in self.tasks.live_threads() {
            log::warn!(target: "lamplighter::lifecycle", %thread, "still running: left behind");
        }
    }

    fn finish(&mut self) {
        let report = self.life.report();
        self.signals = Signals::default();
        self.ends.abandon();
        self.life.finish(report);
    }
}

/// Whether somebody is told to end, who is given up if that takes too long.
const fn asks_to_end(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Direct(Directive::Force)
            | Effect::AbortWorkers
            | Effect::AbortConnections
            | Effect::AbortHook(_)
            | Effect::Dispose { .. }
    )
}
