//! Law 9: the report is complete, says what was told while it happened and nothing else, its times add
//! up, and its exit code says what happened.
//!
//! What a report says of phases is looked at in `phases.rs`, of connections in `connections.rs`, of
//! requests in `accounts.rs`.
//!
//! **Invariant:** judged at the end, by facts that the report names one by one, and not by its own
//! counts of them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lamplighter::{
    Cause, ConnectionEnd, Failure, HookName, HookOutcome, Report, ServerEventKind, SignalTaken,
    StartFailure, WorkerOutcome,
};

use super::{End, Invariant};
use crate::trace::Entry;

/// The report of a life that is over, and what was told of that life.
#[derive(Debug, Default)]
pub(super) struct ReportLaw {
    cause: Option<Cause>,
    ready: bool,
    /// A third signal came.
    third: bool,
    hook_started: bool,
    hooks: Vec<(HookName, Option<HookOutcome>)>,
    workers: Vec<(Arc<str>, Option<WorkerOutcome>)>,
    /// Connections and workers that did not end.
    stuck: u64,
    failures: Vec<Failure>,
}

impl ReportLaw {
    /// Whether the report says of the stop what was told of it.
    fn stop(&self, report: &Report) -> Result<(), String> {
        let outcome = report.outcome();
        let undisposed = |failure: &Failure| matches!(failure, Failure::NotDisposed { .. });
        let abandoned = self.third || report.failures().iter().any(undisposed);
        agree("abandoned", &abandoned, &outcome.abandoned)?;
        agree("stuck", &self.stuck, &outcome.stuck)?;
        if let Some(cause) = &self.cause {
            agree("the cause", &Some(cause), &report.cause())?;
            let before_ready = outcome.stopped_before_ready;
            agree("stopped before ready", &!self.ready, &before_ready)?;
        }
        Ok(())
    }

    /// Whether the report has the hooks, workers and failures that were told of, and no others.
    fn parts(&self, report: &Report) -> Result<(), String> {
        let hooks = report.hooks().iter();
        let hooks = hooks.map(|hook| (hook.name.clone(), hook.outcome.clone()));
        agree_in_any_order("hooks", &self.hooks, hooks)?;
        let workers = report.workers().iter();
        let workers = workers.map(|worker| (worker.name.clone(), worker.outcome.clone()));
        agree_in_any_order("workers", &self.workers, workers)?;
        // Whoever would be told of it has just panicked.
        let told = |failure: &&Failure| {
            let in_on_error =
                matches!(failure, Failure::Callback { callback, .. } if *callback == "on_error");
            !in_on_error
        };
        let failures: Vec<&Failure> = report.failures().iter().filter(told).collect();
        agree("failures", &self.failures.iter().collect(), &failures)
    }
}

fn agree<T: PartialEq + fmt::Debug>(what: &str, told: &T, reported: &T) -> Result<(), String> {
    if told == reported {
        return Ok(());
    }
    Err(format!(
        "{what}: told was {told:?}, and the report says {reported:?}"
    ))
}

/// The report has its parts in order of registration; they ended in another one.
fn agree_in_any_order<T: Clone + PartialEq + fmt::Debug>(
    what: &str,
    told: &[T],
    reported: impl Iterator<Item = T>,
) -> Result<(), String> {
    let mut left = told.to_vec();
    for part in reported {
        let place = left.iter().position(|told| *told == part);
        let place = place
            .ok_or_else(|| format!("{what}: the report has {part:?}, and told were {told:?}"))?;
        left.swap_remove(place);
    }
    agree(what, &left, &Vec::new())
}

impl Invariant for ReportLaw {
    fn name(&self) -> &'static str {
        "a report of all"
    }

    fn event(&mut self, entry: &Entry) -> Result<(), String> {
        let Some(event) = entry.server() else {
            return Ok(());
        };
        match event {
            ServerEventKind::Ready => self.ready = true,
            ServerEventKind::Stopping(cause) => self.cause = Some(cause.clone()),
            ServerEventKind::Signal {
                taken: SignalTaken::Third,
                ..
            } => self.third = true,
            ServerEventKind::HookStarted(_) => self.hook_started = true,
            ServerEventKind::HookSettled { hook, outcome } => {
                self.hooks.push((hook.clone(), Some(outcome.clone())));
            }
            ServerEventKind::WorkerEnded { worker, how } => {
                self.stuck += u64::from(*how == WorkerOutcome::Stuck);
                self.workers.push((worker.clone(), Some(how.clone())));
            }
            ServerEventKind::ConnectionClosed {
                end: ConnectionEnd::Stuck,
                ..
            } => self.stuck += 1,
            ServerEventKind::Error(failures) => self.failures.extend(failures.iter().cloned()),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), String> {
        let Some(report) = &end.run.report else {
            return Ok(());
        };
        if !report.is_complete() {
            return Err("the life is over, and its report is not complete".to_owned());
        }
        let sum: Duration = report.phases().iter().map(|phase| phase.took).sum();
        if sum != report.total() {
            return Err(format!(
                "the phases took {sum:?}, the stop {:?}",
                report.total()
            ));
        }
        let not_ok = report.hooks().iter().filter(|hook| {
            let outcome = hook.outcome.as_ref();
            !outcome.is_some_and(HookOutcome::is_ok)
        });
        let not_ok = not_ok.count() as u64;
        // A server that was dropped unstarted has nothing to clean up.
        let unstarted = !self.hook_started && report.outcome().stopped_before_ready;
        if !unstarted && not_ok != report.outcome().hooks_not_ok {
            return Err(format!(
                "{not_ok} hooks were not ok, the outcome says {}",
                report.outcome().hooks_not_ok
            ));
        }
        let code = exit_code(report);
        if report.exit_code() != code {
            return Err(format!(
                "exit code {} for {:?}, which is {code}",
                report.exit_code(),
                report.outcome()
            ));
        }
        self.stop(report)?;
        self.parts(report)
    }
}

/// What the numbers of a report come to, by the table of exit codes.
fn exit_code(report: &Report) -> u8 {
    let failed = |code: fn(&Failure) -> u8| report.failures().iter().map(code).max();
    let start = failed(|failure| match failure {
        Failure::Start(StartFailure::Configuration(_)) => 78,
        Failure::Start(_) => 69,
        _ => 0,
    });
    let outcome = report.outcome();
    let codes = [
        start.unwrap_or(0),
        if outcome.listener_failed { 69 } else { 0 },
        if outcome.abandoned { 12 } else { 0 },
        if outcome.hooks_not_ok > 0 { 11 } else { 0 },
        if outcome.cut > 0 || outcome.stuck > 0 {
            10
        } else {
            0
        },
    ];
    codes.into_iter().max().unwrap_or(0)
}
