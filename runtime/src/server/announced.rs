//! What a log has of a life before its end: that it is ready, that it stops, and what went otherwise
//! than it should (floor 3).
//!
//! **Invariant:** nothing is put into words that nobody logs.

use std::fmt;

use lamplighter_lifecycle::{
    Announcement, Cause, Event, Failure, HookOutcome, Machine, Phase, SignalTaken, WorkerOutcome,
};

use super::life::{Bound, Life};
use crate::os::log;

/// Logs what is announced, if a log is to have it.
pub(super) fn log(life: &Life, announcement: &Announcement) {
    match announcement {
        Announcement::Ready => {
            log::info!(target: "lamplighter::lifecycle", "ready on {}", Places(life));
        }
        Announcement::Stopping => {
            log::info!(target: "lamplighter::lifecycle", "stopping: {}", Stop(life));
        }
        Announcement::Error(failures) => {
            for failure in failures
                .iter()
                .filter(|failure| !is_logged_already(failure))
            {
                log::error!(target: "lamplighter::lifecycle", "{failure}");
            }
        }
        Announcement::Start | Announcement::Stop => {}
    }
}

/// Whether the log has this failure by now: why a start failed stands there since it did, or in the
/// report, which is logged next; what became of a hook since it was settled; and a panic of a task since
/// it happened.
const fn is_logged_already(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Start(_)
            | Failure::Hook { .. }
            | Failure::Worker {
                outcome: WorkerOutcome::Panicked(_),
                ..
            }
    )
}

/// Whether a log is to have this, when it happens and not with the report.
pub(super) const fn is_logged(event: &Event) -> bool {
    if let Event::HookSettled { outcome, .. } = event {
        // A panic was logged by the task that it ended.
        return !matches!(outcome, HookOutcome::Ok | HookOutcome::Panicked(_));
    }
    matches!(
        event,
        // The first of every stop: if it is that of a failed start, hooks may come before the report.
        Event::Phase(Phase::LameDuck)
            | Event::Force
            | Event::Signal {
                taken: SignalTaken::Second | SignalTaken::Third | SignalTaken::Repeated,
                ..
            }
    )
}

/// Logs what has happened since the last call.
pub(super) fn log_events(life: &Life) {
    for event in life.take_unlogged() {
        if let Event::HookSettled { hook, outcome } = &event {
            let report = life.report();
            let known = report.hooks().iter().find(|known| known.name == *hook);
            let began = known.filter(|known| known.started.is_some());
            let after = began.map(|known| tracing::field::debug(known.took));
            log::error!(target: "lamplighter::lifecycle", after, "hook {hook} {outcome}");
        } else if let Event::Signal {
            signal,
            taken: SignalTaken::Repeated,
        } = &event
        {
            // Who has sent it twice in haste, waits for what a second one does.
            let why = "within 300 ms of the one before, and so taken for the same";
            log::info!(target: "lamplighter::lifecycle", "{signal} {why}");
        } else if let Event::Signal { signal, taken } = &event {
            let so = if *taken == SignalTaken::Third {
                "what is left is given up"
            } else {
                FORCED
            };
            log::warn!(target: "lamplighter::lifecycle", "{signal}, the {taken}: {so}");
        } else if matches!(event, Event::Phase(_)) {
            if is_told_before_its_hooks(life) {
                let report = life.report();
                if let Some(failure) = &report.outcome().start_failure {
                    let why = failure.message();
                    log::error!(target: "lamplighter::lifecycle", "start failed: {why}");
                }
            }
        } else {
            log::warn!(target: "lamplighter::lifecycle", "{event}: {FORCED}");
        }
    }
}

/// Whether the reason of a failed start is logged when it fails. Without hooks the report comes at once,
/// and has it.
pub(super) fn is_told_before_its_hooks(life: &Life) -> bool {
    life.ask(|machine| machine.cause() == Some(&Cause::StartFailed) && !machine.hooks().is_empty())
}

/// Logs that what is left of the work is cut now, if any is. A start that failed has none.
pub(super) fn log_cut(life: &Life) {
    if life.ask(|machine| machine.cause() == Some(&Cause::StartFailed)) {
        return;
    }
    let requests = life.work_in_flight();
    if requests == 0 && life.ask(Machine::running_workers) == 0 {
        return;
    }
    log::warn!(
        target: "lamplighter::lifecycle",
        "cutting what has not ended; requests in flight: {requests}"
    );
}

const FORCED: &str = "what is in flight is cut, hooks keep their time";

/// Where a server listens: every address, with its name if it has one.
struct Places<'a>(&'a Life);

impl fmt::Display for Places<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.0.addrs.get().into_iter().flat_map(|all| all.iter());
        for (index, Bound { name, addr }) in places.enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{addr}")?;
            if let Some(name) = name {
                write!(f, " ({name})")?;
            }
        }
        Ok(())
    }
}

/// What has begun a stop, how long that may take, and what it has to wait for.
struct Stop<'a>(&'a Life);

impl fmt::Display for Stop<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let life = self.0;
        let asked = |machine: &Machine| {
            let began = machine.entered(Phase::LameDuck);
            let within = machine
                .ends_by()
                .zip(began)
                .map(|(end, began)| end.since(began));
            let budget = machine.budget();
            let behind = budget.hooks_timeout() + budget.margin();
            (machine.cause().cloned(), within, behind)
        };
        let (cause, within, behind) = life.ask(asked);
        if let Some(cause) = cause {
            write!(f, "{cause}")?;
        }
        match within {
            Some(within) => write!(f, ", within {within:.1?}")?,
            None => f.write_str(", for as long as it takes")?,
        }
        let requests = life.work_in_flight();
        write!(f, "; requests in flight: {requests}")?;
        if let Some(within) = within.filter(|_| requests > 0) {
            // Less than the whole: what is left is that of the hooks.
            write!(f, ", cut after {:.1?}", within.saturating_sub(behind))?;
        }
        Ok(())
    }
}
