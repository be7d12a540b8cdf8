//! From the last work to the end: hooks, dispose, the last announcements (floor 0).
//!
//! **Invariant:** a hook starts at most once, after everything that it names in `after` is
//! settled, and is settled exactly once before the last event.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Machine, Manner, Resort, Stop, Timer, Wait, WorkerState};
use crate::effect::{Announcement, Effect, Readiness, Stuck};
use crate::event::{Event, WorkerOutcome};
use crate::failure::Failure;
use crate::hooks::{HookId, HookKind, Schedule};
use crate::input::HookEnd;
use crate::report::HookOutcome;
use crate::{Cause, Instant, Phase, Step};

impl Machine {
    pub(super) fn begin_hooks(&mut self) {
        if !self.graph.is_empty() {
            self.schedule = Some(Schedule::new(&self.graph));
        }
        self.timers
            .arm(Timer::Hooks, self.now + self.budget.hooks_timeout());
        if self.is_abandoned() {
            self.abandon_hooks();
        } else {
            self.bound_linger();
            self.start_hooks();
        }
    }

    /// Starts every hook that waits for nothing any more, then looks whether all are done.
    ///
    /// Not beyond the window: a hook with no time at all would be aborted before it had begun, and
    /// a blocking one would be left running for nothing.
    fn start_hooks(&mut self) {
        let window = self.timers.at(Timer::Hooks);
        while let Some(end) = window.filter(|end| *end > self.now)
            && let Some(hook) = self.schedule.as_mut().and_then(Schedule::next_startable)
        {
            let deadline = self.hook_deadline(hook, end);
            if let Some(record) = self.hooks.get_mut(hook.index()) {
                record.started = Some(self.now);
            }
            self.running.insert(hook);
            self.timers.arm(Timer::Hook(hook), deadline);
            self.tell(Event::HookStarted(self.graph.label(hook)));
            self.effects.push_back(Effect::RunHook { hook, deadline });
        }
        self.check_hooks();
    }

    /// Its own timeout, or a fair part of what is left: the hooks that come after it, one by one,
    /// on the longest way to the end, get as much each.
    fn hook_deadline(&mut self, hook: HookId, end: Instant) -> Instant {
        let own = self.graph.spec(hook).and_then(|spec| spec.timeout);
        let own = own.unwrap_or_else(|| {
            let chain = self.schedule.as_mut().map_or(1, |all| all.chain(hook));
            end.since(self.now) / chain.max(1)
        });
        // A share of nanoseconds must not round to nothing.
        end.min(self.now + own.max(Duration::from_nanos(1)))
    }

    pub(super) fn on_hook_ended(&mut self, hook: HookId, end: HookEnd) {
        if self.running.contains(&hook) {
            let outcome = match end {
                HookEnd::Ok => HookOutcome::Ok,
                HookEnd::Failed(error) => HookOutcome::Failed(error),
                HookEnd::Panicked(message) => HookOutcome::Panicked(message),
                // Nobody here has aborted it: its runner was lost.
                HookEnd::Aborted => HookOutcome::Abandoned,
            };
            self.settle(hook, outcome);
            self.start_hooks();
            return;
        }
        if self.phase == Phase::Stopped {
            return;
        }
        if let Some(record) = self.hooks.get_mut(hook.index())
            && record.still_running
        {
            record.still_running = false;
            self.joining.remove(&hook);
            self.timers.disarm(Timer::Join(hook));
            let name = self.graph.label(hook);
            self.tell(if end == HookEnd::Aborted {
                Event::HookGone(name)
            } else {
                Event::HookEnded(name)
            });
            self.check_hooks();
        }
    }

    pub(super) fn hook_timed_out(&mut self, hook: HookId) {
        self.stop_hook(hook, HookOutcome::TimedOut);
        self.start_hooks();
    }

    /// The window is over: what runs is timed out, what has not begun never will.
    pub(super) fn hooks_timed_out(&mut self) {
        for hook in self.running.clone() {
            self.stop_hook(hook, HookOutcome::TimedOut);
        }
        self.settle_unstarted(&HookOutcome::NotStarted);
        self.check_hooks();
    }

    /// The third signal: what runs is abandoned, what has not begun never will.
    pub(super) fn abandon_hooks(&mut self) {
        for hook in self.running.clone() {
            self.stop_hook(hook, HookOutcome::Abandoned);
        }
        self.settle_unstarted(&HookOutcome::Abandoned);
        self.joining.clear();
        self.end_linger();
        self.check_hooks();
    }

    fn settle_unstarted(&mut self, outcome: &HookOutcome) {
        let unstarted: Vec<HookId> = self
            .graph
            .ids()
            .filter(|hook| {
                self.hooks
                    .get(hook.index())
                    .is_some_and(|record| record.settled.is_none())
            })
            .collect();
        for hook in unstarted {
            self.settle(hook, outcome.clone());
        }
    }

    /// Settles a running hook by force, and asks for its end if that can be asked for.
    fn stop_hook(&mut self, hook: HookId, outcome: HookOutcome) {
        if !self.running.contains(&hook) {
            return;
        }
        self.settle(hook, outcome);
        if let Some(record) = self.hooks.get_mut(hook.index()) {
            record.still_running = true;
        }
        // A thread cannot be aborted: a blocking hook is left running, and named.
        let kind = self.graph.spec(hook).map(|spec| spec.kind);
        if kind == Some(HookKind::Async) {
            self.effects.push_back(Effect::AbortHook(hook));
            self.joining.insert(hook);
            self.timers
                .arm(Timer::Join(hook), self.now + self.budget.join_share());
        }
    }

    fn settle(&mut self, hook: HookId, outcome: HookOutcome) {
        self.running.remove(&hook);
        self.timers.disarm(Timer::Hook(hook));
        if let Some(schedule) = &mut self.schedule {
            schedule.settle(hook);
        }
        if let Some(record) = self.hooks.get_mut(hook.index()) {
            record.settled = Some((self.now, outcome.clone()));
        }
        let name = self.graph.label(hook);
        if !outcome.is_ok() {
            self.outcome.hooks_not_ok = self.outcome.hooks_not_ok.saturating_add(1);
            self.fail(Failure::Hook {
                hook: name.clone(),
                outcome: outcome.clone(),
            });
        }
        self.tell(Event::HookSettled {
            hook: name,
            outcome,
        });
    }

    /// An aborted hook that did not end is left alone, and named.
    pub(super) fn join_timed_out(&mut self, hook: HookId) {
        self.joining.remove(&hook);
        self.check_hooks();
    }

    pub(super) fn check_hooks(&mut self) {
        let settled = self.schedule.as_ref().is_none_or(Schedule::is_done);
        let waited_for = !self.joining.is_empty() || !self.lingering.is_empty();
        if self.phase == Phase::RunningHooks && settled && !waited_for {
            self.leave_running_hooks();
        }
    }

    fn leave_running_hooks(&mut self) {
        self.end_linger();
        self.timers.clear();
        self.step(Step::HooksOver);
        let leave = self.given_up();
        self.effects.push_back(Effect::Dispose { leave });
        let share = if self.is_abandoned() {
            Duration::ZERO
        } else {
            self.budget.dispose_share()
        };
        self.timers.arm(Timer::Dispose, self.now + share);
    }

    /// What did not end when it was told to, and is named for it.
    fn given_up(&self) -> Vec<Stuck> {
        let connections = self.ledger.stuck().iter().copied().map(Stuck::Connection);
        let stuck = WorkerState::Ended(WorkerOutcome::Stuck);
        let workers = self.workers.iter();
        let workers = workers
            .filter(|(_, worker)| worker.state == stuck)
            .map(|(id, _)| Stuck::Worker(*id));
        let hooks = self.graph.ids().zip(&self.hooks);
        let hooks = hooks
            .filter(|(_, record)| record.still_running)
            .map(|(id, _)| Stuck::Hook(id));
        connections.chain(workers).chain(hooks).collect()
    }

    pub(super) fn on_disposed(&mut self) {
        if self.phase == Phase::Disposing && !self.sealing {
            self.seal();
        }
    }

    pub(super) fn dispose_timed_out(&mut self) {
        if self.sealing {
            self.finish(); // The callbacks have not come back: the end does not wait for them.
            return;
        }
        // A plan without time for it does not want to wait: nothing was given up then.
        if self.is_abandoned() || self.budget.dispose_share().is_zero() {
            self.seal();
        } else if self.resort == Resort::Asks {
            // The driver does not even say what it waits for.
            self.not_disposed(Arc::from([]));
        } else {
            self.resort = Resort::Asks;
            self.timers.arm(Timer::Dispose, self.now);
            self.effects.push_back(Effect::NameUndisposed);
        }
    }

    pub(super) fn on_undisposed(&mut self, left: Arc<[Arc<str>]>) {
        if self.phase != Phase::Disposing || self.resort != Resort::Asks || self.sealing {
            return;
        }
        if left.is_empty() {
            self.seal(); // Gone in this very instant.
        } else {
            self.not_disposed(left);
        }
    }

    fn not_disposed(&mut self, left: Arc<[Arc<str>]>) {
        self.outcome.abandoned = true;
        self.failures.push(Failure::NotDisposed { left });
        self.seal();
    }

    /// Announces what failed, if anything did, then ends.
    fn seal(&mut self) {
        let told = self.announce_failures();
        self.sealing = true;
        if told {
            self.timers.arm(Timer::Dispose, self.now);
        } else {
            self.finish();
        }
    }

    pub(super) fn finish(&mut self) {
        self.timers.clear();
        self.step(Step::DisposeOver);
        self.effects.push_back(Effect::Seal);
        // A failed start has said its last word with the Error.
        if self.start_failure().is_none() {
            self.tell(Event::Stop);
            self.effects.push_back(Effect::Announce(Announcement::Stop));
        }
        self.effects.push_back(Effect::Finish);
    }

    /// Passes every phase without doing anything.
    pub(super) fn discard(&mut self, cause: Cause) {
        self.stop = Some(Stop {
            cause: cause.clone(),
            at: self.now,
            manner: Manner::Unstarted,
            announcing: false,
            drain_by: Some(self.now),
            ends_by: Some(self.now),
            wait: Wait::ForWork,
            cancelled: false,
            abandoned: false,
            readiness: Readiness::NotReady,
        });
        self.outcome.stopped_before_ready = true;
        self.end_linger();
        self.tell(Event::Stopping(cause));
        self.step(Step::Stop);
        for step in [
            Step::LameDuckOver,
            Step::DrainOver,
            Step::ForceOver,
            Step::HooksOver,
            Step::DisposeOver,
        ] {
            self.step(step);
            if self.phase == Phase::RunningHooks {
                self.pass_over_hooks();
            }
        }
        self.tell(Event::Stop);
        self.effects.push_back(Effect::Seal);
        self.effects.push_back(Effect::Finish);
    }

    /// Settles every hook as not started. None of them failed: there was nothing to clean up.
    fn pass_over_hooks(&mut self) {
        let now = self.now;
        for record in &mut self.hooks {
            record.settled = Some((now, HookOutcome::NotStarted));
        }
        for hook in self.graph.ids() {
            let hook = self.graph.label(hook);
            let outcome = HookOutcome::NotStarted;
            self.tell(Event::HookSettled { hook, outcome });
        }
    }
}
